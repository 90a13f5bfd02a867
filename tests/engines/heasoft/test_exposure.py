"""What xaexpmap and fimgbin are asked for, to the last parameter."""

from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import SoftwareFault
from tasks.engines.heasoft.exposure import binning_parameters, map_parameters, plan
from tasks.engines.interface import StepInputs
from tasks.library.call import Call
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, Product, Role, Step, StepRecord
from tasks.library.orders import order
from tasks.library.recipe import Exposure

OBSID, DATACLASS = "900001010", "30000010"
EHK = f"auxil/xa{OBSID}.ehk.gz"
ASKED = {
    "ehkfile", "gtifile", "instrume", "badimgfile", "pixgtifile", "outfile", "outmaptype", "delta", "numphi",
}  # fmt: skip
MAP = {
    "ehkfile": "ehk.fits", "gtifile": "events0.evt", "instrume": "XTEND", "badimgfile": "bad.bimg",
    "pixgtifile": "NONE", "outfile": "map.fits", "outmaptype": "EXPOSURE", "delta": 20.0, "numphi": 1,
    "stopsys": "SKY", "instmap": "CALDB", "maskcalsrc": True, "clobber": True,
}  # fmt: skip
FINISH = "tasks.engines.heasoft.finishing:finish"


def planned(
    *,
    splits: int = 1,
    flickering: bool = False,
    ehk: bool = True,
    images: int = 1,
    wanted: slice = slice(None),
    ra: float = 81.25,
    **recipe: Any,
) -> list[Call]:
    """The plan for a dataset with so many published event files and bad-pixel images."""
    names = [f"xtend/event_cl/xa{OBSID}xtd_p{number}{DATACLASS}_cl.evt" for number in range(splits)]
    dataset = Dataset.model_validate(
        {
            "obsid": OBSID,
            "dataclass": DATACLASS,
            "recipe": recipe,
            "inputs": {
                "events": names,
                "ehk": EHK,
                "inputs": [{"name": name, "size": 1, "sha256": fingerprint(name)} for name in (*names, EHK)],
            },
            "engines": {step: {"name": "heasoft", "versions": {"heasoft": "6.36"}} for step in Step},
        }
    )
    published = [
        *[(Kind.EVENTS, f"p{number}_cl.evt") for number in range(splits)],
        *[(Kind.BAD_PIXELS, f"p{number}.bimg") for number in range(images)],
        *[(Kind.FLICKERING, "p0.fpix")] * flickering,
    ]
    products = tuple(
        Product(
            step=Step.PROCESSING,
            kind=kind,
            role=Role.FIELD,
            name=name,
            path=name,
            size=1,
            sha256=fingerprint(name),
            fingerprint=fingerprint(name),
        )
        for kind, name in published
    )
    manifest = Manifest(
        obsid=dataset.obsid,
        dataclass=dataset.dataclass,
        recipe="standard",
        products=products,
        steps={
            Step.PROCESSING: StepRecord(
                fingerprint=fingerprint("done"),
                engine="heasoft",
                versions={},
                calls=(),
                facts={"nominal": {"ra": ra, "dec": -69.64, "pa": 30.0}},
            )
        },
    )
    asked = order(Step.EXPOSURE, dataset, manifest).wanted
    if not ehk:
        inputs = dataset.inputs.model_copy(update={"ehk": None})
        dataset = dataset.model_copy(update={"inputs": inputs})
    given = StepInputs(dataset, manifest, Path("/down"), lambda product: Path("/store") / product.path)
    return plan(given, asked[wanted])


def given_to(calls: list[Call], tool: str) -> list[dict[str, Any]]:
    return [call.parameters["parameters"] for call in calls if call.parameters.get("tool") == tool]


def test_an_exposure_map():
    assert map_parameters(Exposure(), "events0.evt", None, "map.fits") == MAP
    assert MAP.keys() >= ASKED


def test_the_recipe_divides_the_attitude_and_keeps_calibration_sources():
    recipe = Exposure(delta_arcmin=0.5, numphi=4, mask_calibration=False)
    assert map_parameters(recipe, "good.gti", "pixels.fits", "map.fits") == {
        **MAP, "gtifile": "good.gti", "pixgtifile": "pixels.fits", "delta": 0.5, "numphi": 4,
        "maskcalsrc": False,
    }  # fmt: skip


def test_an_efficiency_map():
    assert map_parameters(Exposure(), "events0.evt", None, "efficiency.fits", 1.5) == {
        **MAP, "outfile": "efficiency.fits", "outmaptype": "EFFICIENCY", "specmode": "MONO", "energy": 1.5,
    }  # fmt: skip


def test_a_binned_map_is_a_mean():
    assert binning_parameters(4, "binned4.fits") == {
        "infile": "map.fits",
        "outfile": "binned4.fits",
        "xbinsize": 4,
        "ybinsize": 4,
        "datatype": "e",
        "overflow": False,
        "nullval": 0.0,
        "average": True,
        "copyprime": True,
        "copyall": False,
        "clobber": True,
    }


def test_one_file_is_its_own_good_time():
    calls = planned()
    assert [call.parameters.get("tool") for call in calls] == ["xaexpmap", "fimgbin", None, None]
    assert given_to(calls, "xaexpmap") == [MAP]
    assert calls[0].inputs == {
        "ehk.fits": f"/down/{EHK}",
        "bad.bimg": "/store/p0.bimg",
        "events0.evt": "/store/p0_cl.evt",
    }
    assert calls[1].after == {"map.fits": 0}
    completing, finish = calls[2:]
    assert completing.function == "tasks.engines.heasoft.exposure_maps:complete"
    assert completing.parameters == {
        "maps": {"1": "exposure1.fits", "4": "exposure4.fits"},
        "binned": {"4": "binned4.fits"},
        "events": ["events0.evt"],
        "ehk": "ehk.fits",
        "mask_calibration": True,
    }
    assert completing.after == {"map.fits": 0, "binned4.fits": 1}
    assert finish.function == FINISH
    assert finish.after == {"exposure1.fits": 2, "exposure4.fits": 2}
    assert [item["file"] for item in finish.parameters["products"]] == ["exposure1.fits", "exposure4.fits"]
    assert {item["unit"] for item in finish.parameters["products"]} == {"s"}
    assert histories(calls) == [["xaexpmap"], ["xaexpmap", "fimgbin"]]


def histories(calls: list[Call]) -> list[list[str]]:
    """The first words of what the products tell of their making."""
    products = calls[-1].parameters["products"]
    return [[line.split()[0] for line in item["history"]] for item in products]


@pytest.mark.parametrize("ra", [0.0, 2.5, 357.5])
def test_near_zero_hours_the_attitude_is_made_continuous(ra):
    calls = planned(ra=ra, heasoft={"efficiency_energy_kev": 1.5})
    assert calls[0].function == "tasks.engines.heasoft.right_ascension:make_continuous"
    assert calls[0].parameters == {"ehk": "ehk.fits", "output": "continuous.ehk", "ra": ra}
    assert calls[0].inputs == {"ehk.fits": f"/down/{EHK}"}
    assert [given["ehkfile"] for given in given_to(calls, "xaexpmap")] == ["continuous.ehk"] * 2
    for call in calls:
        if call.parameters.get("tool") == "xaexpmap":
            assert call.after == {"continuous.ehk": 0}
            assert "ehk.fits" not in call.inputs
    assert all(history[0] == "continuous.ehk:" for history in histories(calls))


def test_split_files_have_one_good_time():
    calls = planned(splits=2)
    assert calls[0].function == "tasks.engines.heasoft.exposure_maps:unite"
    assert calls[0].parameters == {"events": ["events0.evt", "events1.evt"], "output": "good.gti"}
    assert calls[0].outputs == ("good.gti",)
    assert given_to(calls, "xaexpmap") == [{**MAP, "gtifile": "good.gti"}]
    assert calls[1].after == {"good.gti": 0}
    assert set(calls[1].inputs) == {"ehk.fits", "bad.bimg"}


def test_flickering_pixels_count_as_not_exposed():
    calls = planned(flickering=True)
    assert given_to(calls, "xaexpmap") == [{**MAP, "pixgtifile": "pixels.fits"}]
    assert calls[0].inputs["pixels.fits"] == "/store/p0.fpix"


def test_an_efficiency_map_is_made_besides():
    calls = planned(heasoft={"efficiency_energy_kev": 1.5})
    maps = given_to(calls, "xaexpmap")
    assert [(given["outmaptype"], given.get("energy")) for given in maps] == [
        ("EXPOSURE", None),
        ("EFFICIENCY", 1.5),
    ]
    last = calls[-1].parameters["products"][-1]
    assert (last["file"], last["kind"], last["unit"]) == ("efficiency.fits", "efficiency-map", None)
    assert histories(calls) == [["xaexpmap"], ["xaexpmap", "fimgbin"], ["xaexpmap"]]
    assert "outmaptype=EFFICIENCY" in last["history"][0]
    assert len(calls[-1].outputs) == 3


def test_only_what_is_wanted_is_made():
    calls = planned(wanted=slice(1, 2))
    # The binned map is made of the unbinned one, which is not handed on.
    assert [call.parameters.get("tool") for call in calls] == ["xaexpmap", "fimgbin", None, None]
    assert calls[2].outputs == ("exposure4.fits",)
    efficiency = planned(heasoft={"efficiency_energy_kev": 1.5}, wanted=slice(2, 3))
    assert [call.parameters.get("tool") for call in efficiency] == ["xaexpmap", None, None]
    assert efficiency[1].parameters == {
        "map_file": "raw_efficiency.fits",
        "events": ["events0.evt"],
        "output": "efficiency.fits",
    }


@pytest.mark.parametrize("lacking", [{"ehk": False}, {"ehk": False, "splits": 2}])
def test_a_map_needs_its_inputs(lacking):
    with pytest.raises(SoftwareFault, match="without an EHK file or a bad-pixel image"):
        planned(**lacking)


def test_every_call_is_data_with_plain_names():
    for call in planned(splits=2, flickering=True, heasoft={"efficiency_energy_kev": 1.5}):
        assert Call.model_validate_json(call.model_dump_json()) == call
        for value in call.parameters.get("parameters", {}).values():
            assert "/" not in str(value)

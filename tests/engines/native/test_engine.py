"""What the native engine plans fits the functions that do it: neither can drift away from the other."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from tasks.core.errors import SoftwareFault
from tasks.engines.interface import StepInputs
from tasks.engines.native.backscal import Normalisation
from tasks.engines.native.engine import NativeEngine
from tasks.engines.native.extraction import ImageRequest, LightCurveRequest, SpectrumRequest
from tasks.engines.native.net_curves import Errors
from tasks.library.call import Call
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.orders import PRODUCT_STEPS, Wanted, order
from tasks.library.recipe import LightCurves, Spectra

OBSID, DATACLASS = "900001010", "30000010"
EVENTS = f"xtend/event_cl/xa{OBSID}xtd_p0{DATACLASS}_cl.evt.gz"
BIMG = f"xtend/event_uf/xa{OBSID}xtd_p0{DATACLASS}.bimg.gz"
EHK = f"auxil/xa{OBSID}.ehk.gz"
RMF = f"xtend/products/xa{OBSID}xtd_src.rmf.gz"
DOWNLOADS, STORE = Path("/down/loads"), Path("/the/store")
TARGET = {"name": "N132D", "ra": 81.25, "dec": -69.64, "origin": "RA_OBJ/DEC_OBJ of the events"}
STEPS = (Step.PROCESSING, *PRODUCT_STEPS)

Lacks = Callable[[Wanted], bool]


def dataset(
    *,
    events: tuple[str, ...] = (EVENTS,),
    bad_pixels: bool = True,
    ehk: bool = True,
    rmf: bool = True,
    recipe: dict[str, Any] | None = None,
) -> Dataset:
    names = (*events, *[BIMG] * bad_pixels, *[EHK] * ehk, *[RMF] * rmf)
    return Dataset.model_validate(
        {
            "obsid": OBSID,
            "dataclass": DATACLASS,
            "recipe": recipe or {},
            "inputs": {
                "events": events,
                "bad_pixels": BIMG if bad_pixels else None,
                "ehk": EHK if ehk else None,
                "rmf": RMF if rmf else None,
                "inputs": [{"name": name, "size": 1, "sha256": fingerprint(name)} for name in names],
            },
            "engines": {step: {"name": "native", "versions": {"native": "1"}} for step in Step},
        }
    )


def inputs_of(asked: Dataset, manifest: Manifest | None) -> StepInputs:
    return StepInputs(asked, manifest, DOWNLOADS, lambda product: STORE / product.path)


def plan(
    step: Step, asked: Dataset, manifest: Manifest | None, wanted: tuple[Wanted, ...] | None = None
) -> Call:
    ordered = order(step, asked, manifest).wanted if wanted is None else wanted
    [call] = NativeEngine().plan(step, inputs_of(asked, manifest), ordered)
    return call


def strings(value: Any) -> Iterator[str]:
    """Every text in nested parameters."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


def check(call: Call, step: Step, asked: Dataset, manifest: Manifest) -> None:
    """What holds for every call of the native engine."""
    module, _, name = call.function.partition(":")
    function = getattr(importlib.import_module(module), name)
    bound = inspect.signature(function).bind(**call.parameters)
    assert bound.arguments.keys() == inspect.signature(function).parameters.keys()
    # The child reads the call from JSON, and sees the same.
    assert Call.model_validate_json(call.model_dump_json()) == call
    mentioned = set(strings(call.parameters))
    assert set(call.outputs) <= mentioned, "an output that the function does not hear of"
    assert call.inputs.keys() <= mentioned, "an input that the function does not hear of"
    # A script's files need not be there while it is written, and a source tells where a file comes from.
    worked_on = {key: value for key, value in call.parameters.items() if key != "loaders"}
    texts = set(strings(worked_on)) - {item.name for item in asked.inputs.inputs}
    files = {name for name in texts if name.endswith((".gz", ".evt", ".fits", ".reg", ".bimg", ".ehk"))}
    assert files <= call.inputs.keys() | set(call.outputs), "a file that is neither input nor output"
    published = {
        str(STORE / item.path)
        for item in manifest.products
        if item.step != step or item.kind in (Kind.RMF, Kind.ARF)
    }
    downloaded = {str(DOWNLOADS / item.name) for item in asked.inputs.inputs}
    given = {asked.recipe.responses.rmf, asked.recipe.responses.arf}
    assert set(call.inputs.values()) <= published | downloaded | given


VARIANTS: dict[str, tuple[dict[str, Any], Lacks]] = {
    "everything": ({}, lambda wanted: False),
    "split events": ({"events": (EVENTS, EVENTS.replace("_p0", "_p1"))}, lambda wanted: False),
    "no EHK": ({"ehk": False}, lambda wanted: False),
    "no RMF": ({"rmf": False}, lambda wanted: False),
    "more groupings": (
        {"recipe": {"spectra": {"grouping": ("bmin:3", "optmin:9", "min:5", "opt")}}},
        lambda wanted: False,
    ),
    "a given response": ({"recipe": {"responses": {"rmf": __file__, "arf": __file__}}}, lambda wanted: False),
    "no response came out": ({}, lambda wanted: wanted.spec.kind == Kind.RMF),
    "no bad pixels": ({"bad_pixels": False}, lambda wanted: False),
    "nothing but events": ({"ehk": False, "bad_pixels": False}, lambda wanted: False),
    "no map came out": ({}, lambda wanted: wanted.spec.kind == Kind.EXPOSURE_MAP),
    "no background": ({}, lambda wanted: wanted.spec.role == Role.BACKGROUND),
    "no source": ({}, lambda wanted: wanted.spec.role == Role.SOURCE),
    "no region": ({}, lambda wanted: wanted.spec.kind == Kind.REGION),
    "no background curve": (
        {},
        lambda wanted: (wanted.spec.kind, wanted.spec.role) == (Kind.LIGHT_CURVE, Role.BACKGROUND),
    ),
    "no source spectrum": (
        {},
        lambda wanted: (wanted.spec.kind, wanted.spec.role) == (Kind.SPECTRUM, Role.SOURCE),
    ),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_call_fits_its_function(done, step, variant):
    given, lacks = VARIANTS[variant]
    asked = dataset(**given)
    manifest = done(asked, lacks=lacks)
    ordered = order(step, asked, manifest).wanted
    if not ordered:
        assert {
            Step.EXPOSURE: not (asked.inputs.ehk and asked.inputs.bad_pixels),
            Step.RESPONSES: not asked.inputs.rmf or not manifest.find(Kind.SPECTRUM, Role.SOURCE),
            Step.FIT: asked.recipe.fit.model is None,
        }[step]
        return
    call = plan(step, asked, manifest)
    assert call.outputs == tuple(item.spec.name for item in ordered)
    check(call, step, asked, manifest)
    # Any part of it can be asked for, and nothing else is made then.
    for item in ordered:
        part = plan(step, asked, manifest, (item,))
        assert part.outputs == (item.spec.name,)
        if item.spec.kind != Kind.LOADER:
            others = set(call.outputs) - {item.spec.name} - part.inputs.keys()
            assert not set(strings(part.parameters)) & others
        check(part, step, asked, manifest)


def test_adoption_keeps_content_and_compression_under_the_tools_names():
    call = plan(Step.PROCESSING, dataset(), None)
    assert call.function == "tasks.engines.native.adoption:adopt"
    assert call.inputs == {
        f"in.{Path(EVENTS).name}": f"/down/loads/{EVENTS}",
        f"in.{Path(BIMG).name}": f"/down/loads/{BIMG}",
    }
    assert call.parameters["adopted_names"] == {
        f"in.{Path(EVENTS).name}": "xa900001010xtd_p030000010_cl.evt.gz",
        f"in.{Path(BIMG).name}": "xa900001010xtd_p030000010.bimg.gz",
    }


def test_a_part_of_processing_still_reads_all_of_it():
    # What it tells of the dataset (target, exposure) must not depend on what is missing.
    asked = dataset()
    whole = plan(Step.PROCESSING, asked, None)
    [_, bad_pixels] = order(Step.PROCESSING, asked, None).wanted
    part = plan(Step.PROCESSING, asked, None, (bad_pixels,))
    assert part.inputs == whole.inputs
    assert part.parameters["events"] == whole.parameters["events"]


def test_maps_are_made_at_their_binnings(done):
    call = plan(Step.EXPOSURE, dataset(), done(dataset()))
    assert call.parameters["maps"].keys() == {"1", "4"}
    assert (call.parameters["delta_arcmin"], call.parameters["numphi"]) == (20.0, 1)
    assert call.inputs[Path(EHK).name] == f"/down/loads/{EHK}"


@pytest.mark.parametrize(
    ("variant", "exposure_map", "bad_pixels"),
    [("everything", True, False), ("no EHK", False, True), ("nothing but events", False, False)],
)
def test_regions_stand_on_the_best_area_there_is(done, variant, exposure_map, bad_pixels):
    given, lacks = VARIANTS[variant]
    asked = dataset(**given)
    call = plan(Step.REGIONS, asked, done(asked, lacks=lacks))
    assert bool(call.parameters["exposure_map"]) == exposure_map
    assert bool(call.parameters["bad_pixels"]) == bad_pixels
    assert call.parameters["names"].keys() == {
        "source", "source_pixels", "background", "background_pixels", "calibration",
    }  # fmt: skip
    assert call.parameters["target"] == TARGET


def test_given_regions_are_handed_over_under_names_of_their_own(done, tmp_path):
    files = {role: tmp_path / f"900001010_{role}.reg" for role in ("src", "back")}
    for path in files.values():
        path.write_text("physical\ncircle(1,2,3)\n")
    asked = dataset(recipe={"source": {"region_folder": str(tmp_path), "centre": "peak"}})
    call = plan(Step.REGIONS, asked, done(asked))
    assert call.parameters["given"] == {
        "source": "given_900001010_src.reg", "background": "given_900001010_back.reg",
    }  # fmt: skip
    assert call.inputs["given_900001010_back.reg"] == str(files["back"])
    # Where they lie is no part of a call.
    assert str(tmp_path) not in set(strings(call.parameters))
    assert call.parameters["source"] == {
        "radius_arcmin": 2.0, "minimum_fraction": 0.2, "centre": "peak", "shift_arcsec": 30.0,
    }  # fmt: skip


def test_all_files_of_split_events_are_looked_at_for_sources(done):
    given, lacks = VARIANTS["split events"]
    asked = dataset(**given)
    call = plan(Step.REGIONS, asked, done(asked, lacks=lacks))
    assert len(call.parameters["events"]) == 2
    assert set(call.parameters["events"]) <= call.inputs.keys()


def test_requests_of_extraction_are_what_it_reads(done):
    asked = dataset()
    parameters = plan(Step.EXTRACTION, asked, done(asked)).parameters
    images = [ImageRequest.model_validate(item) for item in parameters["images"]]
    curves = [LightCurveRequest.model_validate(item) for item in parameters["light_curves"]]
    spectra = [SpectrumRequest.model_validate(item) for item in parameters["spectra"]]
    assert (len(images), len(curves), len(spectra)) == (8, 6, 2)
    assert {(image.channels, image.binning) for image in images} >= {((100, 334), 1), ((333, 1667), 4)}
    assert {curve.time_bin for curve in curves} == {200.0}
    # Pixel coordinates mean the same to every tool.
    assert all(str(item.region).startswith("skypix_") for item in (*curves, *spectra))
    assert {item.region == curves[0].region for item in spectra} == {True, False}
    assert {item.exposure_map for item in spectra} == {
        item.name for item in done(asked).find(Kind.EXPOSURE_MAP, binning=1)
    }


def test_without_a_map_spectra_have_areas_by_pixels(done):
    asked = dataset(ehk=False)
    spectra = plan(Step.EXTRACTION, asked, done(asked)).parameters["spectra"]
    assert [item["exposure_map"] for item in spectra] == [None, None]


def test_what_is_derived_is_derived_of_its_own_kind(done):
    asked = dataset()
    manifest = done(asked)
    by_name = {item.name: item for item in manifest.products}
    parameters = plan(Step.DERIVED, asked, manifest).parameters
    for item in parameters["rate_images"]:
        image, rate = by_name[item["image"]], by_name[item["name"]]
        assert (image.kind, image.entry) == (Kind.IMAGE, rate.entry)
        assert by_name[item["exposure_map"]].entry["binning"] == image.entry["binning"]
        assert item.keys() == {"name", "image", "exposure_map", "minimum_fraction"}
    for item in parameters["net_curves"]:
        source, background, net = (by_name[item[key]] for key in ("source", "background", "name"))
        assert source.entry == background.entry == net.entry
        assert (source.role, background.role, net.role) == (Role.SOURCE, Role.BACKGROUND, Role.NET)
        assert by_name[item["source_spectrum"]].role == Role.SOURCE
        assert by_name[item["background_spectrum"]].role == Role.BACKGROUND
        assert item.keys() == {
            "name", "source", "background", "source_spectrum", "background_spectrum", "errors",
        }  # fmt: skip
    [grouped] = parameters["grouped"]
    assert grouped.keys() == {"name", "spectrum", "grouping", "rmf", "background"}
    assert (len(parameters["rate_images"]), len(parameters["net_curves"])) == (6, 3)


def test_every_choice_of_the_recipe_reaches_its_function_and_is_known_there(done):
    def choices(part: type[BaseModel], field: str) -> tuple[str, ...]:
        return get_args(part.model_fields[field].annotation)

    assert choices(Spectra, "backscal") == get_args(Normalisation)
    assert choices(LightCurves, "net_errors") == get_args(Errors)
    for normalisation, errors, masked in zip(
        get_args(Normalisation), get_args(Errors), (True, False), strict=True
    ):
        recipe = {
            "spectra": {"backscal": normalisation},
            "light_curves": {"net_errors": errors},
            "exposure": {"mask_calibration": masked},
        }
        asked = dataset(recipe=recipe)
        manifest = done(asked)
        maps, extraction, derived = (
            plan(step, asked, manifest).parameters for step in (Step.EXPOSURE, Step.EXTRACTION, Step.DERIVED)
        )
        assert maps["mask_calibration"] == masked
        requests = [SpectrumRequest.model_validate(item) for item in extraction["spectra"]]
        assert [request.normalisation for request in requests] == [normalisation] * 2
        assert {item["errors"] for item in derived["net_curves"]} == {errors}


def test_the_archives_rmf_comes_from_the_downloads_and_what_is_published_is_taken_from_there(done):
    asked = dataset()
    manifest = done(asked)
    call = plan(Step.RESPONSES, asked, manifest)
    assert call.inputs["given.rmf"] == f"/down/loads/{RMF}"
    assert call.parameters["rmf"] == {
        "name": f"xrism-xtend-obsid{OBSID}-dataclass{DATACLASS}.rmf", "file": "given.rmf", "source": RMF,
        "origin": "archive",
    }  # fmt: skip
    assert call.parameters["identity"] | {"PROCVER": ""} == {
        "TELESCOP": "XRISM", "INSTRUME": "XTEND", "OBS_ID": OBSID, "DATACLAS": DATACLASS, "PROCVER": "",
    }  # fmt: skip
    [grouped] = call.parameters["grouped"]
    assert grouped["rmf"] == call.parameters["rmf"]["name"]
    # Where the RMF stays, it is linked and not made again.
    [wanted] = (
        item for item in order(Step.RESPONSES, asked, manifest).wanted if "grouping" in item.spec.entry
    )
    part = plan(Step.RESPONSES, asked, manifest, (wanted,))
    assert (part.parameters["rmf"], part.parameters["loaders"]) == (None, [])
    assert part.inputs[grouped["rmf"]] == f"/the/store/responses/{grouped['rmf']}"


def test_given_responses_are_linked_where_they_are(done):
    asked = dataset(recipe={"responses": {"rmf": __file__, "arf": __file__}})
    call = plan(Step.RESPONSES, asked, done(asked))
    assert {name: path for name, path in call.inputs.items() if name.startswith("given.")} == {
        "given.rmf": __file__, "given.arf": __file__,
    }  # fmt: skip
    assert call.parameters["arf"]["rmf"] == call.parameters["rmf"]["name"]
    assert call.parameters["arf"]["kev"] == [0.5, 10.0]


def test_what_makes_no_sense_is_a_fault(done):
    asked = dataset()
    manifest = done(asked)
    maps = order(Step.EXPOSURE, asked, manifest).wanted
    with pytest.raises(SoftwareFault, match="without an EHK file"):
        plan(Step.EXPOSURE, dataset(ehk=False), manifest, maps)
    with pytest.raises(SoftwareFault, match="900001010/30000010 has not been processed"):
        plan(Step.EXPOSURE, asked, None, maps)


def test_it_can_do_every_step_but_the_download():
    native = NativeEngine()
    assert {step for step in Step if native.can(step) is None} == set(STEPS)
    assert native.can(Step.DOWNLOAD) == "the native engine has no step download"


def test_its_versions_decide_and_those_of_libraries_are_noted():
    native = NativeEngine()
    assert native.versions() == {"native": "1"}
    assert native.provenance() == {name: version(name) for name in ("xtendflow", "numpy", "astropy")}

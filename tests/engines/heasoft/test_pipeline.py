"""A dataset's share of a reprocessed observation: planned, checked, cut and handed on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME
from tasks.core.errors import NoData, Permanent, SoftwareFault
from tasks.engines.heasoft.pipeline import Share, plan, take
from tasks.engines.heasoft.reprocessing import folder_of
from tasks.engines.interface import StepInputs
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Step
from tasks.library.orders import order

OBSID, DATACLASS = "900001010", "30000010"
STEM = f"xa{OBSID}xtd_p"
SOURCES = [f"xtend/event_cl/{STEM}{split}{DATACLASS}_cl.evt.gz" for split in (0, 1)]
UNFILTERED = f"xtend/event_uf/{STEM}0{DATACLASS}_uf.evt.gz"
MADE = [f"{STEM}{split}{DATACLASS}{end}" for split in (0, 1) for end in (".bimg", "_cl.evt")]
VERSIONS = {"heasoft": "6.36", "heasoftpy": "1.5", "caldb": "20250315", "heasoft-engine": "1"}
RECORD: dict[str, Any] = {
    "tool": "xtdpipeline",
    "parameters": {"entry_stage": 1, "exit_stage": 2, "seed": 7, "calc_modegti": True},
    "versions": VERSIONS,
    "seconds": 12.5,
}


def a_dataset(**heasoft: Any) -> Dataset:
    names = (*SOURCES, UNFILTERED)
    return Dataset.model_validate(
        {
            "obsid": OBSID,
            "dataclass": DATACLASS,
            "recipe": {"heasoft": heasoft},
            "inputs": {
                "events": SOURCES,
                "inputs": [{"name": name, "size": 1, "sha256": fingerprint(name)} for name in names],
            },
            "engines": {step: {"name": "heasoft", "versions": VERSIONS} for step in Step},
        }
    )


@pytest.fixture
def reprocessed(tmp_path: Path) -> Callable[..., StepInputs]:
    """The inputs of the step when the pipeline has left these files."""

    def inputs(dataset: Dataset, files: list[str]) -> StepInputs:
        folder = folder_of(tmp_path, dataset)
        folder.mkdir()
        (folder / "reprocessing.json").write_text(json.dumps({**RECORD, "files": files}))
        return StepInputs(dataset, None, Path("/down"), lambda product: Path("/none"), tmp_path)

    return inputs


def test_a_share_is_in_the_order_of_the_split():
    others = [f"{STEM}032000010_cl.evt", f"xa900002010xtd_p0{DATACLASS}_cl.evt", f"{STEM}0{DATACLASS}.fpix"]
    files = [f"{STEM}{split}{DATACLASS}_cl.evt" for split in (10, 2, 0)]
    share = Share.of(a_dataset(), Path("/there"), [*others, *files, *MADE[::2]])
    assert share.events == {
        f"{STEM}0{DATACLASS}_cl.evt": "events0.evt",
        f"{STEM}2{DATACLASS}_cl.evt": "events1.evt",
        f"{STEM}10{DATACLASS}_cl.evt": "events2.evt",
    }
    assert share.bad_pixels == MADE[0]
    assert share.links["events2.evt"] == f"/there/{STEM}10{DATACLASS}_cl.evt"
    assert share.links["bad.bimg"] == f"/there/{MADE[0]}"


def test_products_are_taken_and_finished(reprocessed):
    dataset = a_dataset()
    inputs, ordered = reprocessed(dataset, MADE), order(Step.PROCESSING, dataset, None)
    taking, finish = plan(inputs, ordered.wanted)
    names = [item.spec.name for item in ordered.wanted]
    assert names == [MADE[1], MADE[3], MADE[0]]
    assert taking.function == "tasks.engines.heasoft.pipeline:take"
    assert taking.parameters == {
        "obsid": OBSID,
        "dataclass": DATACLASS,
        "events": ["events0.evt", "events1.evt"],
        "bad_pixels": "bad.bimg",
        "lists": {},
        "outputs": {
            "events0.evt": f"taken.{MADE[1]}",
            "events1.evt": f"taken.{MADE[3]}",
            "bad.bimg": f"taken.{MADE[0]}",
        },
        "missing": {},
        "reprocessing": {**RECORD, "files": MADE},
    }
    assert set(taking.inputs) == {"events0.evt", "events1.evt", "bad.bimg"}
    assert finish.outputs == tuple(names)
    assert finish.after == {f"taken.{name}": 0 for name in names}
    assert [item["kind"] for item in finish.parameters["products"]] == [
        "cleaned-events",
        "cleaned-events",
        "bad-pixel-image",
    ]
    assert finish.parameters["products"][0]["history"] == ["xtdpipeline stages 1-2, seed 7, calc_modegti yes"]


def test_what_is_kept_is_not_taken_again(reprocessed):
    dataset = a_dataset()
    wanted = order(Step.PROCESSING, dataset, None).wanted[1:2]
    taking, finish = plan(reprocessed(dataset, MADE), wanted)
    # All files of the split are looked at, one is handed on.
    assert taking.parameters["events"] == ["events0.evt", "events1.evt"]
    assert taking.outputs == (f"taken.{MADE[3]}",)
    assert finish.outputs == (MADE[3],)


def test_flickering_pixels_are_looked_for_in_every_file(reprocessed):
    dataset = a_dataset(flickering="searchflickpix")
    wanted = order(Step.PROCESSING, dataset, None).wanted
    *tools, taking, finish = plan(reprocessed(dataset, MADE), wanted)
    assert [call.parameters["tool"] for call in tools] == ["searchflickpix", "coordevt"] * 2
    assert taking.parameters["lists"] == {"events0.evt": "list0.fits", "events1.evt": "list1.fits"}
    assert taking.after == {"list0.fits": 1, "list1.fits": 3}
    assert taking.parameters["outputs"]["pixels.fits"] == f"taken.{STEM}0{DATACLASS}.fpix"
    assert finish.outputs[-1] == f"{STEM}0{DATACLASS}.fpix"


def test_what_the_pipeline_left_out_is_explained_by_the_archives(reprocessed):
    dataset = a_dataset()
    taking, _ = plan(reprocessed(dataset, MADE[:3]), order(Step.PROCESSING, dataset, None).wanted)
    link = f"archive.{MADE[3]}"
    assert taking.parameters["missing"] == {f"taken.{MADE[3]}": link}
    assert taking.inputs[link] == f"/down/{SOURCES[1]}"
    assert f"taken.{MADE[3]}" in taking.outputs


def test_an_observation_must_be_reprocessed_first(tmp_path):
    dataset = a_dataset()
    inputs = StepInputs(dataset, None, Path("/down"), lambda product: Path("/none"), tmp_path)
    with pytest.raises(SoftwareFault, match="has to be reprocessed first"):
        plan(inputs, order(Step.PROCESSING, dataset, None).wanted)


# ---------------------------------------------------------------------------------------------------------
# Taking


@pytest.fixture(scope="module")
def observation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    make_observation(root, PROGRAMME[0], seed=3, events=300.0)
    return root / "9" / OBSID


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An observation with a window on two CCDs."""
    root = tmp_path_factory.mktemp("windowed")
    make_observation(root, PROGRAMME[1], seed=3, events=100.0)
    return root


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, observation: Path) -> Path:
    """A folder with the archive's cleaned events, as if they were the pipeline's."""
    monkeypatch.chdir(tmp_path)
    Path("events0.evt").symlink_to(observation / SOURCES[0])
    Path("bad.bimg").symlink_to(next(observation.glob("xtend/event_uf/*p0*.bimg.gz")))
    return tmp_path


def given(**other: Any) -> dict[str, Any]:
    return {
        "obsid": OBSID,
        "dataclass": DATACLASS,
        "events": ["events0.evt"],
        "bad_pixels": "bad.bimg",
        "lists": {},
        "outputs": {"events0.evt": "taken.evt", "bad.bimg": "taken.bimg"},
        "missing": {},
        "reprocessing": RECORD,
        **other,
    }


def without_good_time(source: Path, target: Path) -> Path:
    with fits.open(source) as hdus:
        hdus["GTI"].data = hdus["GTI"].data[:0]
        hdus.writeto(target)
    return target


@pytest.mark.usefixtures("working_directory")
def test_files_are_handed_on_with_the_facts_of_their_headers():
    report = take(**given())
    assert Path("taken.evt").read_bytes() == Path("events0.evt").read_bytes()
    assert Path("taken.bimg").read_bytes() == Path("bad.bimg").read_bytes()
    facts = report.facts
    assert facts["target"]["name"] == "SIM full window"
    assert {"archive", "nominal", "exposure_s", "events", "mode", "simulated"} <= facts.keys()
    assert facts["archive"]["CALDBVER"] == "gensim_xtdsim_rslsim"
    assert facts["reprocessing"] == RECORD
    assert facts["events"] == fits.getheader("events0.evt", "EVENTS")["NAXIS2"]
    assert [caution.id for caution in report.cautions] == ["reprocessed-events"]
    assert "heasoft 6.36" in report.cautions[0].sentence


@pytest.mark.usefixtures("working_directory")
def test_files_of_another_dataset_are_refused():
    with pytest.raises(Permanent, match="does not belong to 900001010 32000010"):
        take(**given(dataclass="32000010"))


@pytest.mark.usefixtures("working_directory")
def test_a_pipeline_that_made_nothing_of_no_good_time_finds_no_data():
    archive = without_good_time(Path("events0.evt"), Path("archive.evt"))
    with pytest.raises(NoData, match="xtdpipeline made no cleaned events of it"):
        take(**given(events=[], outputs={}, missing={"taken.evt": archive.name}))


@pytest.mark.usefixtures("working_directory")
def test_a_part_without_good_time_is_not_made():
    archive = without_good_time(Path("events0.evt"), Path("archive.evt"))
    report = take(**given(missing={"taken.second.evt": archive.name}))
    assert report.not_made == {"taken.second.evt": "there is no good time in this part of the events"}
    assert Path("taken.evt").exists()


@pytest.mark.usefixtures("working_directory")
def test_a_pipeline_that_leaves_out_good_time_is_at_fault():
    with pytest.raises(
        SoftwareFault, match=r"xtdpipeline made no second\.evt, of which the archive has \d+ s"
    ):
        take(**given(missing={"taken.second.evt": "events0.evt"}))


def write_list(name: str, events: Any, number: int) -> np.ndarray:
    """List the pixel of an event for all the time; which events lie on it."""
    pixel = events[number]
    values = {key: pixel[key] for key in ("CCD_ID", "ACTX", "ACTY", "DETX", "DETY")}
    values |= {"START": events["TIME"].min(), "STOP": events["TIME"].max()}
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(key, "D" if key in ("START", "STOP") else "J", array=np.array([value]))
            for key, value in values.items()
        ],
        name="PIXELS",
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(name)
    return np.all([events[key] == pixel[key] for key in ("CCD_ID", "ACTX", "ACTY")], axis=0)


@pytest.mark.usefixtures("working_directory")
def test_all_parts_are_cut_by_the_pixels_of_all():
    events = fits.getdata("events0.evt", "EVENTS")
    shutil.copyfile("events0.evt", "events1.evt")
    lost = write_list("list0.fits", events, 7) | write_list("list1.fits", events, 8)
    report = take(
        **given(
            events=["events0.evt", "events1.evt"],
            lists={"events0.evt": "list0.fits", "events1.evt": "list1.fits"},
            outputs={"events0.evt": "taken.evt", "events1.evt": "second.evt", "pixels.fits": "taken.fpix"},
        )
    )
    assert report.facts["flickering"] == {"pixels": 2, "events": 2 * lost.sum()}
    for name in ("taken.evt", "second.evt"):
        assert fits.getheader(name, "EVENTS")["NAXIS2"] == len(events) - lost.sum()


@pytest.mark.usefixtures("working_directory")
def test_events_on_flickering_pixels_are_left_out_and_counted():
    events = fits.getdata("events0.evt", "EVENTS")
    pixel = events[7]
    lost = write_list("list0.fits", events, 7).sum()
    report = take(
        **given(
            lists={"events0.evt": "list0.fits"},
            outputs={"events0.evt": "taken.evt", "pixels.fits": "taken.fpix"},
        )
    )
    assert report.facts["flickering"] == {"pixels": 1, "events": lost}
    assert "flickering-source" not in {caution.id for caution in report.cautions}
    assert report.facts["events"] == len(events) - lost
    assert fits.getheader("taken.evt", "EVENTS")["NAXIS2"] == len(events) - lost
    assert fits.getdata("taken.fpix", "PIXELS")["DETX"].tolist() == [pixel["DETX"]]
    # What was examined stays whole: it belongs to the other datasets' attempt as well.
    assert fits.getheader("events0.evt", "EVENTS")["NAXIS2"] == len(events)


@pytest.mark.parametrize(
    ("dataclass", "calculated", "expected"),
    [
        ("31100010", False, ["reprocessed-events", "archive-mode-gti"]),
        ("31100010", True, ["reprocessed-events"]),
        ("32000010", False, ["reprocessed-events"]),
    ],
)
def test_good_time_of_a_window_that_is_the_archives_is_told(
    tmp_path, windowed, monkeypatch, dataclass, calculated, expected
):
    monkeypatch.chdir(tmp_path)
    obsid = PROGRAMME[1].obsid
    Path("events0.evt").symlink_to(next(windowed.rglob(f"*p0{dataclass}_cl.evt.gz")))
    record = {**RECORD, "parameters": {**RECORD["parameters"], "calc_modegti": calculated}}
    report = take(**given(obsid=obsid, dataclass=dataclass, bad_pixels=None, outputs={}, reprocessing=record))
    assert [caution.id for caution in report.cautions if caution.id != "no-bad-pixels"] == expected

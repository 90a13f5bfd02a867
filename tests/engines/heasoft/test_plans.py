"""What holds for the tools' calls of every plan: how much they tell, and how long they may take."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.engines.heasoft import (
    calibration_sources,
    derived,
    exposure,
    extractor,
    pipeline,
    responses,
    xtdpipeline,
)
from tasks.engines.heasoft.reprocessing import folder_of
from tasks.engines.interface import StepInputs
from tasks.library.call import Call
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Step
from tasks.library.orders import order
from tasks.library.pipeline_files import PipelineFiles

OBSID, DATACLASS = "900001010", "30000010"
STEM = f"xa{OBSID}xtd_p"
CLEANED = tuple(f"xtend/event_cl/{STEM}{split}{DATACLASS}_cl.evt.gz" for split in (0, 1))
EHK = f"auxil/xa{OBSID}.ehk.gz"
NAMES = (*CLEANED, f"xtend/event_uf/{STEM}0{DATACLASS}_uf.evt.gz", EHK)
TEN_MINUTES, HOURS = 600.0, 3 * 3600.0
LONG = {"xtdpipeline", "xaarfgen"}
"""Ray-tracing, and everything from the telemetry's events on."""
CHATTER = 3
VERSIONS = {"heasoft": "6.36", "heasoftpy": "1.5", "caldb": "20251115-aaaaaaaaaaaa", "heasoft-engine": "1"}

PLANS: dict[str, tuple[Step, Any, set[str]]] = {
    "exposure": (Step.EXPOSURE, exposure.plan, {"xaexpmap", "fimgbin"}),
    "regions": (Step.REGIONS, calibration_sources.plan, {"coordpnt"}),
    "extraction": (Step.EXTRACTION, extractor.plan, {"extractor", "ahbackscal"}),
    "derived": (Step.DERIVED, derived.plan, {"lcmath", "ftgrouppha"}),
    "responses": (Step.RESPONSES, responses.plan, {"xtdrmf", "xaarfgen", "ftgrouppha"}),
}


def a_dataset(flickering: str) -> Dataset:
    recipe = {"chatter": CHATTER, "flickering": flickering, "efficiency_energy_kev": 1.5, "hours": 7.0}
    return Dataset.model_validate(
        {
            "obsid": OBSID,
            "dataclass": DATACLASS,
            "recipe": {"heasoft": recipe},
            "inputs": {
                "events": CLEANED,
                "ehk": EHK,
                "inputs": [{"name": name, "size": 1, "sha256": fingerprint(name)} for name in NAMES],
            },
            "engines": {step: {"name": "heasoft", "versions": VERSIONS} for step in Step},
        }
    )


def check(calls: list[Call], tools: set[str]) -> None:
    """What holds for the calls of a plan, among which are those of these tools."""
    found = [call for call in calls if "tool" in call.parameters]
    assert {call.parameters["tool"] for call in found} >= tools
    for call in found:
        assert call.parameters["chatter"] == CHATTER
        assert call.timeout >= (HOURS if call.parameters["tool"] in LONG else TEN_MINUTES)
    # What is no tool reads and writes files of gigabytes, too.
    assert all(call.timeout >= TEN_MINUTES for call in calls)


@pytest.fixture
def calls_of(done, tmp_path: Path) -> Any:
    """The plan of a step of which everything before is published."""

    def plan(step: Step, planner: Any, flickering: str = "none") -> list[Call]:
        dataset = a_dataset(flickering)
        until = list(Step)[: list(Step).index(step)]
        manifest = done(dataset, [each for each in until if each != Step.DOWNLOAD])
        inputs = StepInputs(
            dataset, manifest, Path("/down"), lambda product: Path("/store") / product.path, tmp_path
        )
        return planner(inputs, order(step, dataset, manifest).wanted)

    return plan


@pytest.mark.parametrize("name", PLANS)
def test_tools_tell_what_the_recipe_says_and_have_their_time(calls_of, name):
    step, planner, tools = PLANS[name]
    check(calls_of(step, planner), tools)


@pytest.mark.parametrize(
    ("flickering", "tools"),
    [("searchflickpix", {"searchflickpix", "coordevt"}), ("xtdpixclip", {"xtdpixclip"})],
)
def test_so_do_those_that_look_for_flickering_pixels(calls_of, tmp_path, flickering, tools):
    folder = folder_of(tmp_path, a_dataset(flickering))
    folder.mkdir()
    made = [f"{STEM}{split}{DATACLASS}{end}" for split in (0, 1) for end in (".bimg", "_cl.evt")]
    given = {"entry_stage": 1, "exit_stage": 2, "seed": 7, "calc_modegti": True}
    record = {"tool": "xtdpipeline", "parameters": given, "versions": {}, "seconds": 1.0, "files": made}
    (folder / "reprocessing.json").write_text(json.dumps(record))
    check(calls_of(Step.PROCESSING, pipeline.plan, flickering), tools)


def names() -> Iterator[str]:
    """What the pipeline reads of an observation."""
    for kind in ("att", "orb", "ehk", "mkf"):
        yield f"auxil/xa{OBSID}.{kind}.gz"
    yield f"auxil/xa{OBSID}_gen.gti.gz"
    yield f"xtend/hk/xa{OBSID}xtd_a0.hk.gz"
    for kind in ("a0exp.fits", "tel.gti", "mode.gti", f"p0{DATACLASS}_uf.evt"):
        yield f"xtend/event_uf/xa{OBSID}xtd_{kind}.gz"


def test_and_so_does_the_pipeline():
    dataset = a_dataset("none")
    files = PipelineFiles.among(dataset.obsid, list(names()))
    call = xtdpipeline.call(dataset.obsid, files, [dataset.dataclass], dataset.recipe.heasoft, Path("/down"))
    check([call], {"xtdpipeline"})
    assert call.timeout == 7 * 3600

"""Whole sweeps with the HEASoft engine, on a double of heasoftpy: they prove the plumbing and no count."""

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

FAINT, EIGHTH = "900004010", "900002010"
DAMAGED, NO_GOOD_TIME, NO_HOUSEKEEPING = "900011010", "900013010", "900014010"
STEPS = ("processing", "exposure", "regions", "extraction", "derived", "responses", "fit")
TOOLS = {"xtdpipeline", "xaexpmap", "fimgbin", "coordpnt", "extractor", "ahbackscal", "lcmath", "ftgrouppha",
         "xtdrmf", "xaarfgen"}  # fmt: skip
SMALL = """
[images]
bands = ["0.6-10"]
binnings = [4]
[exposure]
binnings = [4]
[light_curves]
bands = ["0.6-2"]
"""
"""One product of a kind is enough to see which tools are called, and that they keep apart."""


@pytest.fixture
def small(tmp_path):
    """The words that ask for few products."""
    recipe = tmp_path / "small.toml"
    recipe.write_text(SMALL)
    return ("--recipe", str(recipe))


def tools(place):
    """What every tool noted when it began and when it ended, in order."""
    return [json.loads(line) for line in Path(place.variables["HEASOFT_DOUBLE_LOG"]).read_text().splitlines()]


def engines(manifest):
    return {step: record["engine"] for step, record in manifest["steps"].items()}


def test_an_archive_in_parallel_on_all_cores(heasoft, small):
    words = ("--engine", "heasoft", *small)
    swept = heasoft.sweep(EIGHTH, DAMAGED, NO_GOOD_TIME, NO_HOUSEKEEPING, more=words)
    failing = {(obsid, None): "failed(permanent)" for obsid in (DAMAGED, NO_HOUSEKEEPING)}
    assert swept.status == 1, swept.err
    states = swept.states.items()
    assert {dataset: state for dataset, state in states if state.startswith("failed")} == failing, swept.err
    heasoft.check_store()
    done = [dataset for dataset, state in swept.states.items() if state == "done"]
    manifests = heasoft.manifests()
    assert {f"{obsid}/{dataclass}" for obsid, dataclass in done} <= manifests.keys()
    for obsid, dataclass in done:
        manifest = manifests[f"{obsid}/{dataclass}"]
        assert engines(manifest) == dict.fromkeys(STEPS, "heasoft")
        for record in manifest["steps"].values():
            assert record["versions"].items() >= {"heasoft": "6.36", "heasoftpy": "1.5"}.items()
            assert record["versions"]["caldb"]
    notes = tools(heasoft)
    assert {note["tool"] for note in notes} == TOOLS
    # The pipeline runs once for an observation, however many datasets it has.
    pipelines = [note for note in notes if note["tool"] == "xtdpipeline" and note["what"] == "begins"]
    observations = {obsid for obsid, _ in done} | {NO_GOOD_TIME}
    assert len(pipelines) == len(observations)
    check_apart(notes, heasoft.folder)
    assert list((heasoft.folder / "scratch").glob("*/*")) == []


def check_apart(notes, folder):
    """No two tools ever had a working directory or parameter files in common, and they did run at once."""
    places, under_way, at_once = defaultdict(set), {}, 0
    for note in notes:
        own, _, system = note["pfiles"].partition(";")
        assert Path(own).parent == Path(note["directory"])
        assert Path(note["directory"]).is_relative_to(folder / "scratch")
        assert system.endswith("/syspfiles")
        places[note["directory"]].add(note["pid"])
        if note["what"] == "begins":
            assert note["directory"] not in under_way.values()
            under_way[note["pid"]] = note["directory"]
            at_once = max(at_once, len(under_way))
        else:
            del under_way[note["pid"]]
    assert not under_way
    # A directory belongs to one process, and is not used again after it.
    assert all(len(pids) == 1 for pids in places.values())
    if len(os.sched_getaffinity(0)) > 1:
        assert at_once > 1


def test_what_depends_on_the_host_and_its_caldb(heasoft, place, small):
    words = ("--engine", "native", "--step-engine", "responses=heasoft", *small)
    assert heasoft.sweep(FAINT, more=words).status == 0
    (before,) = heasoft.manifests().values()
    assert engines(before) == {**dict.fromkeys(STEPS, "native"), "responses": "heasoft"}

    # A host without HEASoft knows what is stale.
    swept = place.sweep(FAINT, more=words)
    assert (swept.status, swept.begun) == (0, {}), swept.err
    # Something is to be done, and it cannot be done there.
    swept = place.sweep(EIGHTH, more=words)
    assert (swept.status, swept.begun) == (3, {})
    assert "the engine heasoft is asked for (responses) and is not here" in swept.err

    # Another CALDB makes it stale.
    index = Path(heasoft.variables["CALDB"], "data/xrism/xtend/caldb.indx")
    index.write_text("a newer CALDB")
    calls = heasoft.calls()
    swept = heasoft.sweep(FAINT, more=words)
    assert swept.status == 0, swept.err
    assert swept.begun == {FAINT: "changed: version of caldb"}
    assert heasoft.called_since(calls) >= {"tool.run", "finishing.finish"}
    assert not heasoft.called_since(calls) & {"extraction.extract", "derived.derive", "adoption.adopt"}
    (after,) = heasoft.manifests().values()
    assert {item["step"] for item in after["products"] if item not in before["products"]} == {"responses"}

    # So does another engine of the step; what goes before it stays.
    calls = heasoft.calls()
    plain = heasoft.sweep(FAINT, more=("--engine", "native", *small))
    assert plain.status == 0, plain.err
    assert plain.begun[FAINT].startswith("changed: recipe, version of heasoft"), plain.begun
    (last,) = heasoft.manifests().values()
    assert engines(last) == dict.fromkeys(STEPS, "native")
    assert heasoft.called_since(calls) == {
        "download.fetch_observation",
        "given_responses.make",
        "drawing.draw_pictures",
    }
    assert not [
        item for item in after["products"] if item["step"] != "responses" and item not in last["products"]
    ]

    # The old CALDB is asked for, and gone.
    recipe = heasoft.folder.parent / "pinned.toml"
    old = before["steps"]["responses"]["versions"]["caldb"]
    recipe.write_text(f'engine = "heasoft"\n[heasoft]\ncaldb = "{old}"\n')
    swept = heasoft.sweep(FAINT, more=("--recipe", str(recipe)))
    assert swept.status == 3
    assert f"the recipe asks for caldb {old}" in swept.err


def test_a_tool_that_fails_is_the_reason_of_its_dataset_alone(heasoft, small):
    broken = heasoft.with_variables(HEASOFT_DOUBLE="xaarfgen=half")
    swept = broken.sweep(FAINT, more=("--engine", "native", "--step-engine", "responses=heasoft", *small))
    assert swept.status == 1
    assert swept.states == {(FAINT, "30000010"): "failed(software)"}
    (result,) = swept.summary["results"]
    assert "xaarfgen ended with exit status 104" in result["standing"]["reason"]
    assert "HDUs are missing" in result["standing"]["reason"]
    (manifest,) = broken.manifests().values()
    # What was finished before is published.
    assert "derived" in manifest["steps"]
    assert not [item for item in manifest["products"] if item["step"] == "responses"]
    assert list((broken.folder / "scratch").glob("*/*")) == []

"""Whole sweeps with the HEASoft engine, on a double of heasoftpy: they prove the plumbing and no count."""

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest
from astropy.io import fits

from tasks.engines.heasoft.engine import TOOLS

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

FAINT, EIGHTH, SPLIT = "900004010", "900002010", "900005010"
ENDS = {
    (EIGHTH, "31100010"): "done",
    (EIGHTH, "32000010"): "done",
    ("900003010", "300000a0"): "done",
    (SPLIT, "30000010"): "done",
    ("900007010", None): "skipped(not-public)",
    ("900008010", None): "skipped(proprietary)",
    ("900009010", None): "skipped(not-public)",
    ("900011010", None): "failed(permanent)",
    ("900012010", None): "failed(permanent)",
    ("900013010", "30000010"): "skipped(no-data)",
    ("900014010", None): "failed(permanent)",
}
"""An observation of each sort of data class, and what ends in another way; more would only take time."""
WITHOUT_GOOD_TIME = "900013010"
STEPS = ("processing", "exposure", "regions", "extraction", "derived", "responses", "fit")
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


def asked_for(manifests, step):
    """The tools that a step has called."""
    records = [manifest["steps"][step] for manifest in manifests]
    calls = [call["parameters"] for record in records for call in record["calls"]]
    calls += [record["facts"]["reprocessing"] for record in records if "reprocessing" in record["facts"]]
    return {call["tool"] for call in calls if "tool" in call}


def products(manifest, kind, role=None):
    """The products of a kind."""
    found = [item for item in manifest["products"] if item["kind"] == kind]
    return [item for item in found if role in (None, item["role"])]


def engines(manifest):
    return {step: record["engine"] for step, record in manifest["steps"].items()}


def test_an_archive_in_parallel_on_all_cores(heasoft, small):
    obsids = dict.fromkeys(obsid for obsid, _ in ENDS)
    swept = heasoft.sweep(*obsids, more=("--engine", "heasoft", *small))
    assert swept.status == 1, swept.err
    assert swept.states == ENDS, swept.err
    heasoft.check_store()
    done = {f"{obsid}/{dataclass}": obsid for (obsid, dataclass), state in ENDS.items() if state == "done"}
    manifests = heasoft.manifests()
    assert manifests.keys() == done.keys()
    for manifest in manifests.values():
        assert engines(manifest) == dict.fromkeys(STEPS, "heasoft")
        run = manifest["steps"]["processing"]["facts"]["reprocessing"]
        assert min(run["seconds"], run["memory"], run["disk"]) > 0
        for record in manifest["steps"].values():
            assert record["versions"].items() >= {"heasoft": "6.36", "heasoftpy": "1.5"}.items()
            assert record["versions"]["caldb"]
    assert len(products(manifests[f"{SPLIT}/30000010"], "cleaned-events")) == 2
    # What a host is asked for before it is taken for able is what the steps call.
    assert {step: asked_for(manifests.values(), step) for step in STEPS} == {
        step: set(tools) for step, tools in TOOLS.items()
    }
    notes = tools(heasoft)
    # The pipeline runs once for an observation, however many datasets it has.
    pipelines = [note for note in notes if note["tool"] == "xtdpipeline" and note["what"] == "begins"]
    assert len(pipelines) == len({*done.values(), WITHOUT_GOOD_TIME})
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
    words = ("--engine", "heasoft", "--step-engine", "extraction=native", *small)
    swept = heasoft.with_variables(HEASOFT_DOUBLE="xaarfgen=half").sweep(FAINT, more=words)
    assert swept.status == 1
    assert swept.states == {(FAINT, "30000010"): "failed(software)"}
    (result,) = swept.summary["results"]
    assert "xaarfgen ended with exit status 104" in result["standing"]["reason"]
    assert "HDUs are missing" in result["standing"]["reason"]
    (manifest,) = heasoft.manifests().values()
    # What was finished before is published.
    assert "derived" in manifest["steps"]
    assert not [item for item in manifest["products"] if item["step"] == "responses"]
    assert list((heasoft.folder / "scratch").glob("*/*")) == []

    # Where it works again, the rest is made: reprocessed with HEASoft, extracted natively.
    swept = heasoft.sweep(FAINT, more=words)
    assert swept.status == 0, swept.err
    begun = [note["tool"] for note in tools(heasoft) if note["what"] == "begins"]
    assert [begun.count(tool) for tool in ("xtdpipeline", "extractor", "xtdrmf")] == [1, 0, 2]
    (manifest,) = heasoft.manifests().values()
    assert engines(manifest) == {**dict.fromkeys(STEPS, "heasoft"), "extraction": "native"}
    stem = f"xrism-xtend-obsid{FAINT}-dataclass30000010"
    source = f"{stem}-ra34.4983-dec-5.0124-radius0.0333deg"
    (spectrum,) = products(manifest, "spectrum", "source")
    assert Path(spectrum["path"]).name == f"{source}-enALL-spectrum.fits"
    assert [Path(item["path"]).name for item in products(manifest, "rmf")] == [f"{stem}.rmf"]
    assert [Path(item["path"]).name for item in products(manifest, "arf")] == [f"{source}-enALL.arf"]
    folder = heasoft.folder / "store" / FAINT / "30000010"
    assert fits.getval(folder / spectrum["path"], "ENGINE", "SPECTRUM") == "native"
    # xtdrmf was given the native spectrum.
    log = (heasoft.folder / "logs" / FAINT / "30000010.log").read_text().splitlines()
    calls = [json.loads(line[2:]) for line in log if line.startswith('# {"function":')]
    inputs = [call["inputs"] for call in calls if call["parameters"].get("tool") == "xtdrmf"]
    assert [set(given.values()) for given in inputs] == [{str(folder / spectrum["path"])}] * 2

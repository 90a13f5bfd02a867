"""The pipeline runs once for an observation, when a dataset needs it, and leaves nothing behind."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import EnvironmentFault, Permanent, SoftwareFault
from tasks.core.settings import Settings
from tasks.engines.heasoft import reprocessing
from tasks.engines.heasoft.reprocessing import folder_of, record_in, reprocessed
from tasks.engines.runner import CallResult
from tasks.library.call import Call, Report
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Step
from tasks.library.site import Site, open_site

OBSID = "900002010"
CLASSES = ("31100010", "32000010")
UF = f"xtend/event_uf/xa{OBSID}xtd_"
PIPELINE = [
    *[f"auxil/xa{OBSID}{end}.gz" for end in (".att", ".orb", ".ehk", ".mkf", "_gen.gti")],
    f"xtend/hk/xa{OBSID}xtd_a0.hk.gz",
    *[f"{UF}{end}.gz" for end in ("a0exp.fits", "tel.gti", "mode.gti")],
    *[f"{UF}p0{name}_uf.evt.gz" for name in CLASSES],
]
TOLD = {"defaults": {"xtdpipeline": {"regionfile": "NONE"}}}
MADE = [f"xa{OBSID}xtd_p0{name}{end}" for name in CLASSES for end in (".bimg", "_cl.evt")]


def datasets(
    engine: str = "heasoft", names: list[str] = PIPELINE, version: str = "6.36", salt: str = "", **recipe: Any
) -> list[Dataset]:
    return [
        Dataset.model_validate(
            {
                "obsid": OBSID,
                "dataclass": dataclass,
                "recipe": {"heasoft": recipe},
                "inputs": {
                    "events": [f"xtend/event_cl/xa{OBSID}xtd_p0{dataclass}_cl.evt.gz"],
                    "inputs": [{"name": n, "size": 1, "sha256": fingerprint(n, salt)} for n in names],
                },
                "engines": {step: {"name": engine, "versions": {"heasoft": version}} for step in Step},
            }
        )
        for dataclass in CLASSES
    ]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "archive").mkdir()
    return open_site(Settings(data=tmp_path / "data", archive=str(tmp_path / "archive")))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """The calls that were run, each of which leaves what the pipeline would."""
    calls: list[Call] = []

    async def run_call(call: Call, directory: Path, log: Path, *, cores: int) -> CallResult:
        calls.append(call)
        (directory / "out").mkdir(parents=True)
        for name in (*MADE, f"xa{OBSID}xtd_p031100010_uf.evt"):
            (directory / "out" / name).write_text(name)
        return CallResult(call, Report(facts=TOLD), 1.25, memory=3 << 20, disk=5 << 20)

    monkeypatch.setattr(reprocessing, "run_call", run_call)
    return calls


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has datasets count as processed."""
    finished: set[str] = set()

    class Progress:
        def __init__(self, step: Step, dataset: Dataset, site: Site) -> None:
            assert step == Step.PROCESSING
            self.complete = str(dataset.dataclass) in finished

    monkeypatch.setattr(reprocessing, "progress", Progress)
    return finished.add


async def seen_inside(site: Site, found: list[Dataset]) -> dict[str, Any] | None:
    """The record and files that datasets find, if any."""
    async with reprocessed(site, found):
        folder = folder_of(site.scratch, found[0])
        if not folder.exists():
            return None
        assert {folder_of(site.scratch, dataset) for dataset in found} == {folder}
        return {**record_in(folder), "there": sorted(path.name for path in folder.iterdir())}


def test_the_pipeline_runs_once_for_all_datasets(site, runs, complete):
    seen = asyncio.run(seen_inside(site, datasets()))
    [call] = runs
    assert call.function == "tasks.engines.heasoft.xtdpipeline:run"
    assert set(call.inputs.values()) == {str(site.downloads / OBSID / name) for name in PIPELINE}
    assert call.parameters["parameters"]["calc_modegti"] is True
    assert seen is not None
    assert seen["there"] == sorted([*MADE, "reprocessing.json"])
    assert seen["files"] == sorted(MADE)
    assert seen["versions"] == {"heasoft": "6.36"}
    assert (seen["tool"], seen["seconds"]) == ("xtdpipeline", 1.25)
    assert (seen["memory"], seen["disk"]) == (3 << 20, 5 << 20)
    assert seen["defaults"] == {"xtdpipeline": {"regionfile": "NONE"}}
    assert seen["parameters"] == call.parameters["parameters"]


def test_nothing_is_left_behind(site, runs, complete):
    asyncio.run(seen_inside(site, datasets()))
    assert list(site.scratch.rglob("*")) == []


@pytest.mark.parametrize("error", [SoftwareFault("broken"), asyncio.CancelledError()])
def test_nothing_is_left_behind_when_a_dataset_fails(site, runs, complete, error):
    async def fail() -> None:
        async with reprocessed(site, datasets()):
            raise error

    with pytest.raises(type(error)):
        asyncio.run(fail())
    assert list(site.scratch.rglob("*")) == []


def test_a_pipeline_that_fails_tells_why_and_leaves_nothing(site, monkeypatch, complete):
    async def run_call(call: Call, directory: Path, *_: Any, **__: Any) -> CallResult:
        directory.mkdir(parents=True)
        raise SoftwareFault("xtdpipeline ended with exit status 1")

    monkeypatch.setattr(reprocessing, "run_call", run_call)
    with pytest.raises(SoftwareFault, match="exit status 1"):
        asyncio.run(seen_inside(site, datasets()))
    assert list(site.scratch.rglob("*")) == []


def test_one_waiting_dataset_is_enough(site, runs, complete):
    complete("31100010")
    assert asyncio.run(seen_inside(site, datasets())) is not None
    assert len(runs) == 1


def test_processed_datasets_need_no_pipeline(site, runs, complete):
    for name in CLASSES:
        complete(name)
    assert asyncio.run(seen_inside(site, datasets())) is None
    assert runs == []


def test_datasets_of_the_native_engine_need_no_pipeline(site, runs, complete):
    assert asyncio.run(seen_inside(site, datasets("native", names=PIPELINE[:1]))) is None
    assert runs == []


def test_what_is_there_is_not_made_again(site, runs, complete):
    async def twice() -> None:
        found = datasets()
        async with reprocessed(site, found):
            await reprocessing.reprocess(site, found, folder_of(site.scratch, found[0]))

    asyncio.run(twice())
    assert len(runs) == 1


def test_an_observation_that_lacks_files_is_told(site, runs, complete):
    names = [name for name in PIPELINE if ".att" not in name and "tel.gti" not in name]
    with pytest.raises(
        Permanent, match="cannot be reprocessed: the archive lacks attitude, telemetry good time"
    ):
        asyncio.run(seen_inside(site, datasets(names=names)))


def test_what_cannot_be_kept_is_the_environments_fault(site, runs, complete, monkeypatch):
    ran = reprocessing.run_call

    async def run_call(call: Call, directory: Path, log: Path, *, cores: int) -> CallResult:
        directory.with_name("kept").mkdir(parents=True)
        return await ran(call, directory, log, cores=cores)

    monkeypatch.setattr(reprocessing, "run_call", run_call)
    with pytest.raises(EnvironmentFault, match=r"cannot be kept in .*: File exists"):
        asyncio.run(seen_inside(site, datasets()))
    assert list(site.scratch.rglob("*")) == []


@pytest.mark.parametrize(
    "other", [{"seed": 11}, {"calc_modegti": "no"}, {"version": "6.37"}, {"salt": "changed"}]
)
def test_another_way_to_make_it_is_another_folder(tmp_path, other):
    folder = folder_of(tmp_path, datasets()[0])
    assert folder == folder_of(tmp_path, datasets(chatter=3, hours=2)[1])
    assert folder != folder_of(tmp_path, datasets(**other)[0])
    assert folder.name.startswith(f"{OBSID}-reprocessed-")


@pytest.mark.parametrize("content", [None, "", "{"])
def test_without_a_record_it_counts_as_not_reprocessed(tmp_path, content):
    if content is not None:
        (tmp_path / "reprocessing.json").write_text(content)
    with pytest.raises(SoftwareFault, match="has to be reprocessed first"):
        record_in(tmp_path)

"""What a download brought is remembered, and what it did not is told."""

import asyncio
from pathlib import Path

import pytest

from tasks.core.errors import BadInput, NoData, SoftwareFault
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.engines import fetching
from tasks.engines.datasets import downloaded_dataset, downloaded_datasets
from tasks.engines.fetching import fetch, fetched
from tasks.engines.runner import CallResult
from tasks.library.call import Report
from tasks.library.manifest import Step
from tasks.library.recipe import Recipe
from tasks.library.site import Site, open_site
from tasks.xtend.cautions import notice

OBSID = ObsID("900002010")
FACTS = {
    name: {
        "events": [f"cl/{name}.evt"],
        "bad_pixels": None,
        "ehk": "auxil/a.ehk",
        "inputs": [{"name": f"cl/{name}.evt", "size": 1, "sha256": "0" * 64}],
    }
    for name in ("32000010", "31100010")
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "archive").mkdir()
    return open_site(Settings(data=tmp_path / "data", archive=str(tmp_path / "archive")))


@pytest.fixture
def brought(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site without HEASoft where a download has brought two datasets."""
    monkeypatch.delenv("HEADAS", raising=False)

    async def run_call(call, directory, log, *, cores, on_progress=None):
        assert call.parameters["obsid"] == OBSID
        Path(call.parameters["directory"]).mkdir(parents=True, exist_ok=True)
        return CallResult(call, Report(facts={"datasets": FACTS}), 1.0)

    monkeypatch.setattr(fetching, "run_call", run_call)
    asyncio.run(fetch(site, OBSID))
    return site


def test_what_came_is_remembered(brought):
    assert fetched(brought, OBSID).keys() == FACTS.keys()
    assert fetched(brought, OBSID)[DataClass("31100010")].events == ("cl/31100010.evt",)
    # Nothing half-written is left beside it.
    assert [path.name for path in (brought.downloads / OBSID).iterdir()] == ["datasets.json"]


def test_datasets_come_in_order_with_everything_that_decides_them(brought):
    caution = notice("a", "b.")
    first, second = downloaded_datasets(brought, OBSID, Recipe(engine="auto"), (caution,))
    assert (first.key, second.key) == ("900002010/31100010", "900002010/32000010")
    assert first.cautions == (caution,)
    assert {use.name for use in first.engines.values()} == {"native"}
    assert first.engine_of(Step.DERIVED).versions == {"native": "1"}
    assert first.inputs.sha256("cl/31100010.evt") == "0" * 64
    assert downloaded_dataset(brought, OBSID, DataClass("32000010"), Recipe()).key == second.key


def test_a_data_class_that_is_not_there_is_refused(brought):
    with pytest.raises(BadInput, match="900002010 has no data class 30000010"):
        downloaded_dataset(brought, OBSID, DataClass("30000010"), Recipe())


def test_what_was_not_downloaded_is_told(site):
    with pytest.raises(SoftwareFault, match="900002010 has not been downloaded here"):
        fetched(site, OBSID)


@pytest.mark.parametrize("content", ["", "{", '{"31100010": {}}', '{"../..": null}'])
def test_a_record_that_is_none_counts_as_no_download(brought, content):
    (brought.downloads / OBSID / "datasets.json").write_text(content)
    with pytest.raises(SoftwareFault, match="run the download first"):
        fetched(brought, OBSID)


def test_an_observation_without_files_has_no_data(site):
    with pytest.raises(NoData):
        asyncio.run(fetch(site, OBSID))
    assert list(site.scratch.glob("*")) == []


@pytest.mark.parametrize(("pipeline", "rmf"), [(True, False), (False, True), (False, False)])
def test_the_download_is_told_what_the_engines_need(site, monkeypatch, pipeline, rmf):
    told = []

    async def run_call(call, directory, log, *, cores, on_progress=None):
        told.append((call.parameters["pipeline"], call.parameters["rmf"]))
        Path(call.parameters["directory"]).mkdir(parents=True)
        return CallResult(call, Report(facts={"datasets": FACTS}), 1.0)

    monkeypatch.setattr(fetching, "run_call", run_call)
    asyncio.run(fetch(site, OBSID, pipeline=pipeline, rmf=rmf))
    assert told == [(pipeline, rmf)]


def test_who_wants_to_hears_how_far_it_is(site, monkeypatch):
    async def run_call(call, directory, log, *, cores, on_progress):
        on_progress(1, 4)
        on_progress(4, 4)
        return CallResult(call, Report(facts={"datasets": FACTS}), 1.0)

    monkeypatch.setattr(fetching, "run_call", run_call)
    (site.downloads / OBSID).mkdir(parents=True)
    heard = []
    asyncio.run(fetch(site, OBSID, on_progress=lambda *told: heard.append(told)))
    assert heard == [(1, 4), (4, 4)]

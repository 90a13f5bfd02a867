from pathlib import Path

import pytest

from tasks.core.errors import GaveUp, NoData, NotPublic, Permanent, Transient
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.core.state import Standing, State
from tasks.library.manifest import Manifest
from tasks.library.rows import Sighting
from tasks.library.site import Site, open_site
from tasks.library.summarising import Ending, results
from tasks.xtend.cautions import notice

FIRST, SECOND = ObsID("000128000"), ObsID("000129000")
FULL, WINDOW = DataClass("30000010"), DataClass("31100010")
DONE, WAITING = Standing(state=State.DONE), Standing(state=State.WAITING)
BAD = Standing.of(Permanent("the data are bad"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return open_site(Settings(data=tmp_path / "data"))


def sighting(obsid: ObsID = FIRST, standing: Standing = WAITING) -> Sighting:
    return Sighting(obsid, f"target {obsid}", "0" * 64, standing, "new")


def known(site: Site, datasets: dict[DataClass, Standing], obsid: ObsID = FIRST, cautions=()) -> None:
    """Have the ledger know datasets of an observation."""
    for dataclass, standing in datasets.items():
        manifest = Manifest(obsid=obsid, dataclass=dataclass, recipe="standard", cautions=cautions)
        site.ledger.record_manifest(manifest, standing)


def rows(site: Site, seen: list[Sighting], endings: dict[ObsID, Ending]) -> list[tuple[object, ...]]:
    return [(item.obsid, item.dataclass, str(item.standing)) for item in results(site, seen, endings)]


def test_a_result_per_dataset(site):
    caution = notice("adopted-events", "The archive's events are used.")
    known(site, {WINDOW: DONE, FULL: BAD}, cautions=(caution,))
    first, second = results(site, [sighting()], {FIRST: Ending(BAD, 12.5)})
    assert (first.dataclass, second.dataclass) == (FULL, WINDOW)
    assert (first.standing, second.standing) == (BAD, DONE)
    assert (first.target, first.why, first.seconds) == ("target 000128000", "new", 12.5)
    assert first.cautions == (caution,)


def test_an_observation_without_datasets_has_one_result(site):
    skipped = Standing.of(NotPublic("not public until 2027-01-01"))
    assert rows(site, [sighting(standing=skipped)], {}) == [(FIRST, None, "skipped(not-public)")]
    gone = Ending(Standing.of(NoData("no files")), 1.0)
    [result] = results(site, [sighting()], {FIRST: gone})
    assert (result.standing.reason, result.seconds, result.why) == ("no files", 1.0, "new")


@pytest.mark.parametrize(
    ("datasets", "standing", "expected"),
    [
        ({FULL: DONE}, DONE, ["done"]),
        ({FULL: DONE}, Standing.of(Transient("503")), ["done", "failed(transient)"]),
        ({FULL: BAD}, BAD, ["failed(permanent)"]),
        ({FULL: BAD, WINDOW: DONE}, BAD, ["failed(permanent)", "done"]),
        ({FULL: Standing.of(NoData("x")), WINDOW: DONE}, DONE, ["skipped(no-data)", "done"]),
        ({FULL: DONE}, Standing.of(NotPublic("withdrawn")), ["done", "skipped(not-public)"]),
        ({FULL: DONE}, Standing(state=State.RUNNING, reason="held elsewhere"), ["done", "running"]),
    ],
)
def test_an_observation_that_failed_as_a_whole_is_listed_besides(site, datasets, standing, expected):
    known(site, datasets)
    assert [row[2] for row in rows(site, [sighting()], {FIRST: Ending(standing, 1.0)})] == expected


def test_what_was_given_up_says_so_on_its_failed_datasets(site):
    known(site, {FULL: DONE, WINDOW: Standing.of(Transient("503"))})
    given_up = Standing.of(GaveUp("given up after 5 attempts, the last of which: 503"))
    done, failed = results(site, [sighting(standing=given_up)], {})
    assert (done.standing, failed.standing) == (DONE, given_up)


def test_results_come_in_the_order_of_obsid_whatever_the_order_seen(site):
    known(site, {FULL: DONE}, SECOND)
    known(site, {WINDOW: DONE, FULL: DONE}, FIRST)
    seen = [sighting(SECOND, DONE), sighting(FIRST, DONE)]
    expected = [(FIRST, FULL, "done"), (FIRST, WINDOW, "done"), (SECOND, FULL, "done")]
    assert rows(site, seen, {}) == rows(site, seen[::-1], {}) == expected


def test_what_was_not_seen_is_not_told(site):
    known(site, {FULL: DONE}, SECOND)
    assert rows(site, [sighting(FIRST, DONE)], {}) == [(FIRST, None, "done")]
    assert rows(site, [], {}) == []

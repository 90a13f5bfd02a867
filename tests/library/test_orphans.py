"""What killed processes leave: attempts without an end, and sweeps."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.core.identifiers import ObsID
from tasks.core.settings import Settings
from tasks.core.state import Standing, State
from tasks.library import leases
from tasks.library.attempts import Attempt, read_attempt, write_attempt
from tasks.library.orphans import Orphans, end_records, find_orphans
from tasks.library.rows import SweepRow
from tasks.library.site import Site, open_site

OBSID = ObsID("000128000")
HOST = socket.gethostname()
STARTED = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return open_site(Settings(data=tmp_path / "data"))


@pytest.fixture
def dead() -> str:
    """The name of a process of this host that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    return f"{HOST}:{ended.pid}"


@pytest.fixture
def begin(site: Site) -> Callable[..., Attempt]:
    """Notes that an attempt begins, with a lease or without."""

    def note(holder: str, *, lease: bool, obsid: ObsID = OBSID, days: int = 0) -> Attempt:
        attempt = Attempt(
            id=f"{obsid}-{days}",
            obsid=obsid,
            started=STARTED + timedelta(days=days),
            host=holder,
            engine="native",
            basis={"recipe": "a"},
            standing=Standing(state=State.RUNNING),
            flow_run_id=f"run-{obsid}-{days}",
        )
        write_attempt(site.store, attempt)
        site.ledger.record_attempt(attempt)
        if lease:
            assert leases.acquire(site.ledger, obsid, holder, 60)
        return attempt

    return note


def test_an_attempt_goes_on_as_long_as_its_process_holds_the_observation(site, begin, dead):
    here = begin(site.holder, lease=True)
    elsewhere = begin("far.example:17", lease=True, obsid=ObsID("000129000"))
    gone = begin(dead, lease=True, obsid=ObsID("000130000"))
    lost = begin("far.example:18", lease=False, obsid=ObsID("000131000"))
    assert find_orphans(site).attempts == (lost,), "a lease that has not run out may be somebody's"
    site.end_leases()
    orphans = find_orphans(site)
    assert set(map(str, orphans.attempts)) == {str(gone), str(lost)}
    assert orphans.holders == {gone.flow_run_id: dead, lost.flow_run_id: "far.example:18"}
    assert {here.flow_run_id, elsewhere.flow_run_id}.isdisjoint(orphans.holders)


def test_an_observation_that_another_one_holds_now(site, begin):
    late = begin("far.example:17", lease=False)
    begin("far.example:18", lease=True, days=1)
    assert find_orphans(site).attempts == (late,)


def test_a_killed_attempt_has_failed(site, begin, dead):
    attempt = begin(dead, lease=False)
    assert site.ledger.observations()[OBSID].standing.state == State.RUNNING
    end_records(site, find_orphans(site))
    [ended] = site.ledger.attempts(OBSID)
    assert ended.ended > attempt.started
    assert (str(ended.standing), ended.standing.reason) == ("failed(transient)", "its process was killed")
    assert read_attempt(site.store, attempt.key) == ended
    row = site.ledger.observations()[OBSID]
    assert (row.standing, row.attempts) == (ended.standing, 1)
    assert find_orphans(site) == Orphans((), (), {})


def test_attempts_count_once(site, begin, dead):
    """However often processes are killed, and whether or not somebody notices in between."""
    begin(dead, lease=False)
    begin(dead, lease=False, days=1)
    assert site.ledger.observations()[OBSID].attempts == 2
    end_records(site, find_orphans(site))
    begin(dead, lease=False, days=2)
    end_records(site, find_orphans(site))
    assert site.ledger.observations()[OBSID].attempts == 3
    assert len([key for key in site.store.sizes() if "/attempts/" in key]) == 3


def test_one_that_ends_late_says_nothing_about_a_newer_one(site, begin, dead):
    begin(dead, lease=False)
    newer = begin(dead, lease=False, days=1)
    done = newer.model_copy(
        update={"ended": newer.started + timedelta(hours=1), "standing": Standing(state=State.DONE)}
    )
    site.ledger.record_attempt(done)
    end_records(site, find_orphans(site))
    assert site.ledger.observations()[OBSID].standing.state == State.DONE


def test_a_clock_that_went_wrong(site, begin, dead):
    begin(dead, lease=False, days=3650)
    end_records(site, find_orphans(site))
    [ended] = site.ledger.attempts(OBSID)
    assert ended.ended == ended.started


def test_sweeps(site, dead):
    for name, ended, holder in (
        ("ended", STARTED, dead),
        ("killed", None, dead),
        ("goes-on", None, f"{HOST}:{os.getpid()}"),
        ("elsewhere", None, "far.example:17"),
        ("of-an-older-version", None, None),
    ):
        site.ledger.record_sweep(SweepRow(name, STARTED, ended, "standard", {}, holder, f"run-{name}"))
    orphans = find_orphans(site)
    assert orphans.holders == {"run-killed": dead}
    end_records(site, orphans)
    assert {sweep.id for sweep in site.ledger.sweeps() if sweep.ended} == {"ended", "killed"}
    assert find_orphans(site) == Orphans((), (), {})

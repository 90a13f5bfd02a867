"""Figures of how work goes on, against the same figures counted by hand and in plain Python."""

import math
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.attempts import write_attempt
from tasks.library.ledger import Ledger
from tasks.library.manifest import Kind, Manifest, Product, Role, Step, StepRecord
from tasks.library.publication import manifest_bytes
from tasks.library.rows import Sighting
from tasks.library.throughput import Duration, Failure, Period, Retries, figures

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DONE, WAITING, RUNNING = (Standing(state=state) for state in (State.DONE, State.WAITING, State.RUNNING))
FIRST = DataClass("30000010")


def failed(step, kind="permanent"):
    return Standing(state=State.FAILED, kind=kind, reason="why", step=step)


def obsid(number):
    return ObsID(f"{number:09d}")


def manifest(of, sizes=(), **seconds):
    """A manifest with products of some sizes and steps that took some seconds."""
    products = (
        Product(
            step=Step.EXTRACTION, kind=Kind.IMAGE, role=Role.FIELD, name=f"{number}.img",
            path=f"extraction-0/{number}.img", size=size, sha256="0" * 64, fingerprint="0" * 64,
        )
        for number, size in enumerate(sizes)
    )  # fmt: skip
    steps = {
        Step(name): StepRecord(
            fingerprint="0" * 64, engine="native", versions={}, calls=tuple({"seconds": s} for s in took)
        )
        for name, took in seconds.items()
    }
    return Manifest(obsid=of, dataclass=FIRST, recipe="standard", products=tuple(products), steps=steps)


@pytest.fixture
def ended(ledger, attempt):
    """Records an attempt that ended some time ago and took some seconds; what it made comes with it."""
    number = count()

    def end(of, standing, ago, seconds=60.0, made=None, **values):
        end = NOW - ago
        record = attempt(
            id=f"a{next(number)}",
            obsid=of,
            started=end - timedelta(seconds=seconds),
            ended=end,
            standing=standing,
            datasets={FIRST: standing} if made else {},
            **values,
        )
        if made:
            ledger.record_manifest(made, standing)
        ledger.record_attempt(record)
        return record

    return end


def test_an_empty_ledger(ledger):
    found = figures(ledger, NOW)
    assert set(found.throughput.values()) == {Period(0, 0, 0, 0, 0, 0)}
    assert list(found.throughput) == ["hour", "day", "week"]
    assert (found.failures, found.durations, found.stored) == ((), (), 0)
    assert (found.retries, found.queue.oldest_waiting) == (Retries(0, 0, 0), None)


def test_what_ended_lately(ledger, ended):
    minute = timedelta(minutes=1)
    ended(obsid(1), DONE, 59 * minute, made=manifest(obsid(1), (1000, 24)), tries=8)
    ended(obsid(2), failed("exposure"), 61 * minute, tries=3)
    ended(obsid(3), Standing(state=State.SKIPPED, kind="no-data"), timedelta(days=2), tries=1)
    ended(obsid(4), DONE, timedelta(days=8), made=manifest(obsid(4), (5,)), tries=100)
    found = figures(ledger, NOW)
    assert found.throughput == {
        "hour": Period(1, 0, 0, 1, 1024, 8),
        "day": Period(1, 0, 1, 1, 1024, 11),
        "week": Period(1, 1, 1, 1, 1024, 12),
    }
    assert found.stored == 1029


def test_a_dataset_whose_attempt_failed_is_not_done(ledger, ended):
    ended(obsid(1), failed("regions"), timedelta(0), made=manifest(obsid(1), (1000,)))
    period = figures(ledger, NOW).throughput["hour"]
    assert (period.failed, period.datasets, period.bytes) == (1, 0, 0)
    assert figures(ledger, NOW).stored == 1000


def test_failures_by_kind_and_step(ledger, ended):
    for number, standing in enumerate(
        (failed("download"), failed("download"), failed(None), failed("fit", "gave-up"), DONE)
    ):
        ended(obsid(number), standing, timedelta(0))
    assert figures(ledger, NOW).failures == (
        Failure("permanent", "download", 2),
        Failure("gave-up", "fit", 1),
        Failure("permanent", None, 1),
    )


def test_who_waits_for_longest(ledger, attempt, monkeypatch):
    def see(number, standing, hours):
        monkeypatch.setattr("tasks.library.ledger.now", lambda: NOW - timedelta(hours=hours))
        ledger.note([Sighting(obsid(number), f"target {number}", "row", standing, "new")])

    see(1, WAITING, 30)
    see(2, WAITING, 20)
    see(1, WAITING, 10)  # a later sweep sees it waiting still
    queue = figures(ledger, NOW).queue
    assert (queue.waiting, queue.running, queue.oldest_running) == (2, 0, None)
    oldest = queue.oldest_waiting
    assert (oldest.obsid, oldest.name, oldest.since) == (obsid(1), "target 1", NOW - timedelta(hours=30))
    started = NOW - timedelta(hours=1)
    ledger.record_attempt(attempt(obsid=obsid(1), started=started, ended=None, standing=RUNNING, datasets={}))
    queue = figures(ledger, NOW).queue
    assert (queue.waiting, queue.oldest_waiting.obsid) == (1, obsid(2))
    assert (queue.running, queue.oldest_running.obsid, queue.oldest_running.since) == (1, obsid(1), started)


def test_attempts_at_the_same_thing(ledger, ended):
    for number, values in (
        (1, {}),
        (1, {}),
        (1, {"basis": {"recipe": "another"}}),
        (2, {}),
    ):
        ended(obsid(number), failed(None), timedelta(minutes=10 * number), tries=2, **values)
    assert figures(ledger, NOW).retries == Retries(attempts=4, repeated=1, tries=8)


def test_durations_of_observations_and_steps(ledger, ended):
    for number in range(1, 12):
        made = manifest(obsid(number), exposure=(number, 0.5), regions=(100.0,))
        ended(obsid(number), DONE, timedelta(hours=number), 10.0 * number, made)
    ended(obsid(20), failed("fit"), timedelta(0), 10000.0)
    ended(obsid(21), DONE, timedelta(days=8), 10000.0, manifest(obsid(21), exposure=(5000.0,)))
    whole, exposure, regions = figures(ledger, NOW).durations
    assert (whole.what, whole.number) == ("observation", 11)
    assert (whole.median, whole.p90) == (pytest.approx(60, abs=1e-3), pytest.approx(100, abs=1e-3))
    assert exposure == Duration("exposure", 11, 6.5, 10.5)
    assert regions == Duration("regions", 11, 100.0, 100.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
@settings(deadline=None, max_examples=10)
def test_ranks(tmp_path_factory, values):
    """By definition: the smallest value that at least this share of all does not exceed."""
    ledger = Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.sqlite")
    for number, value in enumerate(values):
        ledger.record_manifest(manifest(obsid(number), regions=(value,)), DONE)
    (found,) = figures(ledger, NOW).durations
    ledger.close()
    ordered = sorted(values)
    ranks = [ordered[math.ceil(share * len(ordered) / 10) - 1] for share in (5, 9)]
    assert [found.median, found.p90] == ranks


def test_a_rebuild_finds_the_same(ledger, ended, directory_store):
    for number in range(1, 4):
        made = manifest(obsid(number), (1000,), exposure=(number,))
        record = ended(obsid(number), DONE, timedelta(minutes=number), 7.0, made)
        write_attempt(directory_store, record)
        directory_store.replace(f"{obsid(number)}/{FIRST}/manifest.json", manifest_bytes(made))
    record = ended(obsid(9), failed("download"), timedelta(minutes=5))
    write_attempt(directory_store, record)
    before = figures(ledger, NOW)
    assert ledger.rebuild(directory_store).damaged == ()
    assert figures(ledger, NOW) == before
    assert before.failures == (Failure("permanent", "download", 1),)

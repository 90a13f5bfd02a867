"""What is gathered for Prefect's pages: from ledger, store and logs."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tasks import showing
from tasks.core.errors import Permanent
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.attempts import Attempt
from tasks.library.manifest import Manifest
from tasks.library.rows import Sighting
from tasks.library.site import this_site
from tasks.library.summary import Result, Summary
from tasks.showing import show_dataset, show_failure, show_sweep

OBSID, CLASS = ObsID("000128000"), DataClass("30000010")
FAILED = Standing.of(Permanent("it is broken")).model_copy(update={"step": "exposure"})
DONE = Standing(state=State.DONE)
NOW = datetime.now(UTC)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("XTENDFLOW_DATA", str(tmp_path / "data"))
    here = this_site()
    yield here
    here.ledger.close()


@pytest.fixture
def shown(monkeypatch):
    """Key of what was shown → its text and the line on it."""
    found = {}

    async def put(key, markdown, description):
        found[key] = markdown, description

    monkeypatch.setattr(showing, "put_markdown", put)
    return found


def attempt(number, run):
    return Attempt(
        id=f"a{number}",
        obsid=OBSID,
        started=NOW + timedelta(minutes=number),
        ended=NOW + timedelta(minutes=number + 1),
        host="here:1",
        engine="native",
        standing=FAILED,
        flow_run_id=run,
    )


def summary(*results):
    return Summary(
        sweep="s",
        recipe="standard",
        archive="a",
        catalogue="c",
        store="/s",
        started=NOW - timedelta(minutes=1),
        ended=NOW,
        found=len(results),
        results=results,
    )


def test_what_failed_leads_to_its_last_run(site, shown):
    site.ledger.note([Sighting(OBSID, "N132D", "f", Standing(state=State.WAITING), "new")])
    for number, run in enumerate(("first", "second")):
        site.ledger.record_attempt(attempt(number, run))
    failed = Result(obsid=OBSID, target="N132D", standing=FAILED, why="new", seconds=3.0)
    asyncio.run(show_sweep(site, summary(failed), {OBSID}))
    table, words = shown["failed-obsids"]
    assert words == "1 of 1 datasets failed"
    assert "| exposure | permanent | it is broken | 2 | [run](../../runs/flow-run/second)" in table
    text, words = shown["sweep-summary"]
    assert words == "1 of 1 datasets failed: sweep s"
    assert f"| Report | file\\://{site.settings.root}/store/report/index.html |".replace("_", "\\_") in text


def test_bytes_are_those_of_this_sweep(site, shown):
    site.ledger.record_manifest(Manifest(obsid=OBSID, dataclass=CLASS, recipe="standard"), DONE)
    done = Result(obsid=OBSID, dataclass=CLASS, target="N132D", standing=DONE, why="new", seconds=3.0)
    asyncio.run(show_sweep(site, summary(done), {OBSID}))
    assert "| Published | 1 dataset, 0 B |" in shown["sweep-summary"][0]
    assert shown["failed-obsids"] == ("Nothing failed.", "0 of 1 datasets failed")
    later = summary(done).model_copy(update={"started": datetime.now(UTC) + timedelta(hours=1)})
    asyncio.run(show_sweep(site, later, set()))
    assert "| Published | 0 datasets, 0 B |" in shown["sweep-summary"][0]


def test_a_dataset_shows_the_pictures_that_there_are(site, shown):
    for name in ("index.html", "light-curve.png", "page.json"):
        site.store.replace(f"report/{OBSID}/{CLASS}/{name}", b"x")
    asyncio.run(show_dataset(site, OBSID, CLASS, "N|132D", FAILED))
    text, words = shown["dataset-000128000-30000010"]
    assert words == "failed(permanent): 000128000 N\\|132D, data class 30000010"
    named = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    assert named == ["| page", "| ---", "| light curve"]


def test_a_failure_shows_the_end_of_the_log_of_what_failed(site, shown):
    for name, lines in ((CLASS, "old\n" * 50 + "s3://user:secret@host/x\nlast words"), (None, "of all")):
        log = site.log(OBSID, name)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(lines)
    other = DataClass("31100010")
    asyncio.run(show_failure(site, OBSID, FAILED, {CLASS: FAILED, other: DONE}))
    text, words = shown["log-000128000"]
    assert words == "failed(permanent): 000128000, and the end of its log"
    assert text.rstrip("`\n").endswith("last words")
    assert "secret" not in text
    assert "of all" not in text
    assert text.count("old") < 40
    asyncio.run(show_failure(site, OBSID, FAILED, {}))
    assert "of all" in shown["log-000128000"][0]


def test_a_failure_without_a_log(site, shown):
    asyncio.run(show_failure(site, OBSID, FAILED, {}))
    assert shown["log-000128000"][0] == "**failed(permanent)** in the step exposure: it is broken"


def test_a_log_keeps_its_secrets(site, shown):
    log = site.log(OBSID, CLASS)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("postgresql://me:hunter2@ledger/x\naws_secret_access_key=abcdefgh12345678\nit broke\n")
    asyncio.run(show_failure(site, OBSID, FAILED, {CLASS: FAILED}))
    text = shown["log-000128000"][0]
    assert "it broke" in text
    assert not any(secret in text for secret in ("hunter2", "abcdefgh12345678"))

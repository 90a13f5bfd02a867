from datetime import timedelta

import pytest

from tasks.core.identifiers import DataClass
from tasks.core.state import Standing
from tasks.library.attempts import Attempt
from tasks.library.combination import Combined, CombinedFile
from tasks.report.site_catalogue import Facts
from tasks.report.site_observation import observation_page
from tasks.xtend.cautions import severe

DONE = Standing(state="done")
FULL = DataClass("30000010")
WINDOW = DataClass("31100010")
FILES = (CombinedFile(kind="rate-image", name="r.fits", size=1234, sha256="c" * 64),)


@pytest.fixture
def attempt(summary):
    def make(name="a", minutes=0, **changes):
        began = summary().started + timedelta(minutes=minutes)
        values = {"ended": began + timedelta(seconds=75), "standing": DONE} | changes
        return Attempt(id=name, obsid="900000010", started=began, host="host:1", engine="native", **values)

    return make


def test_a_done_observation_shows_its_datasets(observed, dataset, attempt, parse):
    manifest = dataset.everything().manifest()
    facts = Facts(ra=187.70593, dec=12.39112, start_mjd=60310.5, exposure=12345.0, status="archived")
    cautions = (severe("low-energy", "Do not trust it."),)
    item = observed(datasets={FULL: (DONE, cautions), WINDOW: (DONE, ())}, facts=facts)
    beside = ["index.html", "30000010/index.html", "30000010/image.png", "30000010/channels.png"]
    page = parse(observation_page(item, {FULL: manifest}, None, [attempt()], beside))
    assert page.fetched == ["data:,", "30000010/image.png"]
    assert {image["alt"] for image in page.images} == {"Image of data class 30000010"}
    assert {"../index.html", "30000010/index.html", "31100010/index.html"} <= set(page.links)
    for said in (
        "M 87",
        "RA 187.70593°, Dec +12.39112° (ICRS)",
        "Observed 2024-01-01",
        "12.3 ks",
        "severe : low-energy",
        "done 1 min 15 s 1 native host:1",
    ):
        assert said in page.text
    assert "log" not in page.ids


def test_one_that_failed_without_a_dataset_tells_why_and_shows_the_log(observed, attempt, parse):
    bad = Standing(state="failed", kind="permanent", reason="it is cut off", step="download")
    item = observed(state="failed", kind="permanent", reason="it is cut off", step="download")
    attempts = [attempt("a"), attempt("b", 9, standing=bad, tries=4), attempt("c", 3, ended=None)]
    page = parse(observation_page(item, {}, None, attempts, [], "the last line"))
    assert "failed (permanent) in the step download: it is cut off" in page.text
    assert "the last line" in page.text
    assert "There is no dataset of this observation." in page.text
    text = page.text[page.text.index("Attempts") :]
    times = [text.index(f"05:{minute}:12") for minute in (39, 33, 30)]
    assert times == sorted(times)


def test_an_old_log_is_not_shown_of_what_is_done_now(observed, parse):
    assert "an old line" not in parse(observation_page(observed(), {}, None, [], [], "an old line")).text


def test_nothing_known_is_said(observed, parse):
    page = parse(observation_page(observed(name="", state="waiting"), {}, None, [], []))
    assert "900000010" in page.text
    assert "Nothing is kept of it." in page.text
    assert "It was never attempted." in page.text


def test_the_combined_image_and_why_there_is_none(observed, parse):
    record = Combined(
        of="a" * 64, dataclasses=(FULL, WINDOW), band="0.6-10.0", binning=4, files=FILES, alt="A sum.",
        caption="How.", size=(900, 600),
    )  # fmt: skip
    page = parse(observation_page(observed(), {}, record, [], ["combined.png"]))
    assert [(image["src"], image["alt"], image["width"]) for image in page.images] == [
        ("combined.png", "A sum.", "900")
    ]
    assert "r.fits" in page.links
    assert "30000010 and 31100010 summed" in page.text
    assert "0.6–10 keV, binning 4" in page.text
    undrawn = record.model_copy(update={"alt": "", "why": "no pixel holds a count"})
    assert (
        "No picture: no pixel holds a count." in parse(observation_page(observed(), {}, undrawn, [], [])).text
    )
    unmade = Combined(of="a" * 64, dataclasses=(FULL, WINDOW), band="0.6-10.0", binning=4, why="they differ")
    assert "could not be made: they differ." in parse(observation_page(observed(), {}, unmade, [], [])).text


def test_hostile_text_is_text(observed, attempt, parse):
    hostile = "<script>alert('x')</script>\"&"
    stand = Standing(state="failed", kind="software", reason=hostile)
    facts = Facts(name=hostile, category=hostile, status=hostile)
    item = observed(
        name=hostile,
        datasets={FULL: (stand, ())},
        facts=facts,
        state="failed",
        kind="software",
        reason=hostile,
    )
    made = attempt(standing=stand)
    page = observation_page(item, {}, None, [made], [], hostile)
    assert "<script" not in page
    assert parse(page).text.count(hostile) >= 6

"""What Prefect's pages are given: complete, and of bounded size."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing
from tasks.library.summary import Result, Summary
from tasks.report.artifacts import (
    MOST_FAILURES,
    Failure,
    Made,
    dataset_card,
    dataset_key,
    failed_obsids,
    log_end,
    log_key,
    sweep_summary,
)
from tasks.xtend.cautions import notice, severe

HOSTILE = "N132D | <img src=x onerror=alert(1)>\n[x](javascript:alert(1)) `y`"
START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def result(number, state, why="new", kind=None, **more):
    standing = Standing(state=state, kind=kind, reason=more.pop("reason", None), step=more.pop("step", None))
    fields = {"target": "N132D", "seconds": 60.0, **more}
    return Result(obsid=ObsID(f"{number:09d}"), standing=standing, why=why, **fields)


def broken(number, **more):
    reason = more.pop("reason", "the events are damaged")
    return result(number, "failed", kind="permanent", step="download", reason=reason, **more)


def swept(*results):
    return Summary(
        sweep="2026-11-21T03-00-00-1a2b3c",
        recipe="standard",
        archive="s3://archive",
        catalogue="heasarc",
        store="/data/store",
        started=START,
        ended=START + timedelta(minutes=5),
        found=len({item.obsid for item in results}),
        results=results,
    )


def test_each_failure_is_a_row_with_links():
    failures = [
        Failure(broken(1, dataclass=DataClass("31100010")), 3, "1a2b"),
        Failure(broken(2), 1, None),
    ]
    head, _, first, second = failed_obsids(failures, 2).splitlines()
    assert head == "| ObsID | Data class | Step | Kind | Reason | Attempts | See |"
    assert first == (
        "| 000000001<br>N132D | 31100010 | download | permanent | the events are damaged | 3 "
        "| [run](../../runs/flow-run/1a2b)<br>[log](../key/log-000000001) |"
    )
    assert second.endswith("| 1 |  |"), "what was never run here has nothing to show"


def test_nothing_failed():
    assert failed_obsids([], 0) == "Nothing failed."


def test_ten_thousand_failures_are_bounded():
    failures = [Failure(broken(n, reason="x| " * 1000), 1, "1a2b") for n in range(MOST_FAILURES)]
    text = failed_obsids(failures, 10_000)
    assert text.endswith(f"and {10_000 - MOST_FAILURES} more, which the report lists")
    assert len(text) < 1_000_000
    results = [broken(n, why=f"changed: {n}", reason="x| " * 1000) for n in range(10_000)]
    summary = swept(*results)
    text = sweep_summary(summary, {item.obsid for item in results}, Made(0, 0), "file:///index.html")
    assert len(text) < 100_000
    assert "and 9985 other reasons" in text
    assert "and 9800 more, which the report lists" in text


def test_a_sweep_tells_what_why_and_how_long():
    summary = swept(
        result(1, "done", dataclass=DataClass("31100010"), cautions=(notice("a", "b"),)),
        result(1, "done", dataclass=DataClass("32000010")),
        broken(2, why="failed before", seconds=120.0),
        result(3, "skipped", "not public until 2064-03-21", kind="not-public", seconds=0.0),
        result(4, "done", "nothing has changed", seconds=0.0),
        result(5, "done", "nothing has changed", seconds=0.0),
    )
    ran = {ObsID("000000001"), ObsID("000000002")}
    text = sweep_summary(summary, ran, Made(2, 3_000_000), "https://x.example/report/index.html")
    assert text.startswith(
        "**4 done**, **1 failed(permanent)**, **1 skipped(not-public)**; see [failed-obsids]"
    )
    for row in (
        "| Found | 5 observations, 2 of them run |",
        "| Published | 2 datasets, 3 MB |",
        "| Began | 2026-11-21 03:00:00 UTC, and took 5 min 00 s |",
        "| An observation | took 1 min 30 s (median) |",
        "| The longest | 000000002 took 2 min 00 s |",
        "| Archive | s3\\://archive |",
        "| Report | [open](https://x.example/report/index.html) |",
        "| failed before | 1 |",
        "| nothing has changed | 2 |",
        "| 000000001<br>N132D | 31100010 | new | done | 1 min 00 s | 1 |",
    ):
        assert row in text, row
    assert text.index("000000002<br>") < text.index("000000001<br>"), "failures first"
    assert "000000004" not in text, "what was left alone is counted only"


def test_a_sweep_that_found_nothing():
    text = sweep_summary(swept(), set(), Made(0, 0), "file:///x/index.html")
    assert text.startswith("Nothing was found.")
    assert "| Report | file\\:///x/index.html |" in text, "no browser opens it from there"


def test_a_dataset_shows_cautions_products_and_where_its_page_is(dataset):
    manifest = dataset.everything().manifest()
    manifest = manifest.model_copy(
        update={"cautions": (notice("odd", HOSTILE), severe("bad", "Do not use."))}
    )
    places = {"page": "https://x.example/index.html", "image": "file:///x/image.png"}
    text = dataset_card(HOSTILE, Standing(state="done"), manifest, places)
    assert "| page | [open](https://x.example/index.html) |" in text
    assert "| image | file\\:///x/image.png |" in text
    assert text.index("| severe |") < text.index("| notice |")
    assert f"## {len(manifest.products)} products, " in text
    assert "| image | field |" in text
    assert "<img" not in text
    assert "](javascript" not in text.replace("\\]", "")
    assert len(text) < 10_000


def test_a_dataset_without_products():
    text = dataset_card("N132D", Standing(state="skipped", kind="no-data", reason="no good time"), None, {})
    assert text == "**N132D** is **skipped(no-data)**: no good time\n\nNothing is published of it."


def test_a_failure_tells_the_step_the_reason_and_the_end_of_the_log():
    standing = Standing(state="failed", kind="software", reason="it | broke", step="exposure")
    text = log_end(standing, {"host:/logs/x.log": "```\nthe <end>"})
    assert text.startswith("**failed(software)** in the step exposure: it \\| broke")
    assert "The last lines of host:/logs/x.log:\n\n````text\n```\nthe <end>\n````" in text


@pytest.mark.parametrize("key", [dataset_key("000128000", "300000a0"), log_key("000128000")])
def test_keys_are_what_prefect_takes(key):
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")

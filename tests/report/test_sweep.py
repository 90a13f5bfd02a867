from tasks.report.sweep import sweep_page


def test_a_sweep_lists_everything_failed_first(summary, parse):
    page = parse(sweep_page(summary()))
    assert page.ids == ["content", "failed", "skipped", "done", "about"]
    assert [link for link in page.links if not link.startswith("#")] == [
        "index.html",
        "900000020/index.html",
        "900000020/31100010/index.html",
        "900000030/index.html",
        "900000010/index.html",
        "900000010/30000010/index.html",
    ]
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert page.fetched == ["data:,"]
    assert "script" not in page.tags
    for said in (
        "Sweep of 2026-11-21 05:30:12 UTC",
        "1 failed.",
        "Found 4",
        "Failed 1",
        "Skipped 1",
        "Done 1",
        "Nothing to do 1",
        "Duration 2 min 21 s",
        "900000020 31100010 Cen A failed (permanent): cut off new in the archive 3.0 s",
        "900000030 NGC 1 skipped (not-public): until 2027",
        "done , 2 cautions (1 severe)",
    ):
        assert said in page.text


def test_an_empty_sweep(summary, parse):
    page = parse(sweep_page(summary(results=[])))
    assert "Nothing failed." in page.text
    assert "The catalogue holds nothing that could be swept." in page.text
    assert "table" not in page.tags


def test_what_is_not_finished_is_listed(summary, parse):
    row = {"obsid": "900000010", "dataclass": None, "target": "M 87", "seconds": 0.0}
    states = [{**row, "state": "waiting"}, {**row, "state": "running", "reason": "held by another worker"}]
    page = parse(sweep_page(summary(results=states)))
    assert "Waiting or running 2" in page.text
    assert "held by another worker" in page.text


def test_hostile_text_is_text(summary, parse):
    hostile = "<script>alert('x')</script>\"&"
    row = {
        "obsid": "900000010",
        "dataclass": "30000010",
        "seconds": 1.0,
        "state": "failed",
        "kind": "software",
    }
    text = sweep_page(summary(results=[{**row, "target": hostile, "reason": hostile}]))
    assert "<script" not in text
    assert parse(text).text.count(hostile) == 2


def test_two_thousand_datasets_stay_a_small_page(summary):
    row = {
        "dataclass": "30000010",
        "target": "Some target",
        "seconds": 1.0,
        "state": "failed",
        "kind": "software",
    }
    rows = [{**row, "obsid": f"{900000000 + i}", "reason": "a reason in one line " * 4} for i in range(2000)]
    assert len(sweep_page(summary(results=rows)).encode()) < 2_000_000

import pytest

from tasks.core.state import Standing
from tasks.library.rows import SweepRow
from tasks.report.site_catalogue import Facts
from tasks.report.site_index import index_lines, index_page
from tasks.xtend.cautions import caution, notice, severe

DONE = Standing(state="done")
BAD = Standing(state="failed", kind="software", reason="a\ntool   broke off " + "x" * 300)
CAUTIONS = (notice("quick-look", "One."), severe("low-energy", "Two."), caution("edge", "Three."))


def test_every_dataset_has_a_line_and_the_failed_come_first(observed):
    lines = index_lines(
        [
            observed("900000010", "M 87", {"30000010": (DONE, CAUTIONS)}),
            observed("900000020", "Cen A", {}, "skipped", kind="not-public", reason="until 2027"),
            observed(
                "900000030",
                "NGC 1",
                {"31100010": (DONE, ()), "32000010": (BAD, ())},
                "failed",
                kind="software",
            ),
        ]
    )
    assert [(line.obsid, line.dataclass, line.state, line.kind) for line in lines] == [
        ("900000030", "32000010", "failed", "software"),
        ("900000020", "", "skipped", "not-public"),
        ("900000010", "30000010", "done", ""),
        ("900000030", "31100010", "done", ""),
    ]
    assert lines[0].reason.startswith("a tool broke off xxx")
    assert len(lines[0].reason) == 160
    assert lines[2].cautions == (("severe", "low-energy"), ("caution", "edge"), ("notice", "quick-look"))


def test_what_the_catalogue_does_not_say_is_left_out(observed):
    known = Facts(start_mjd=60310.5, exposure=12345.6)
    (line,) = index_lines([observed(facts=known)])
    assert (line.observed, line.exposure) == ("2024-01-01", "12.3")
    (line,) = index_lines([observed()])
    assert (line.observed, line.exposure) == ("", "")


def test_the_page_is_whole_without_its_script(observed, parse, summary):
    swept = summary()
    sweeps = [
        SweepRow(f"sweep-{number}", swept.started, swept.ended, "standard", {"failed": 1, "done": 2})
        for number in range(12)
    ]
    page = parse(
        index_page([observed(datasets={"30000010": (DONE, CAUTIONS)}), observed("900000020")], sweeps)
    )
    inner = [link for link in page.links if not link.startswith(("#", "sweep-"))]
    assert inner == ["900000010/index.html", "900000010/30000010/index.html", "900000020/index.html"]
    assert [link for link in page.links if link.startswith("sweep-")][:2] == ["sweep-sweep-11.html"] * 2
    assert len([link for link in page.links if link.startswith("sweep-")]) == 11
    assert "1 failed, 2 done in 2 min 21 s" in page.text
    assert "severe: low-energy caution: edge notice: quick-look" in page.text


def test_an_index_of_nothing(parse):
    page = parse(index_page([], []))
    assert "no sweep has found an observation" in page.text
    assert "table" not in page.tags


def test_a_sweep_that_was_killed_has_no_page(observed, parse, summary):
    page = parse(index_page([observed()], [SweepRow("a", summary().started, None, "standard", {})]))
    assert not [link for link in page.links if link.startswith("sweep-")]
    assert "not ended" in page.text


@pytest.mark.parametrize("hostile", ["<script>alert('x')</script>\"&", "</td></table><img src=x onerror=a>"])
def test_hostile_text_is_text(observed, parse, hostile):
    stand = Standing(state="failed", kind="software", reason=hostile)
    item = observed(name=hostile, datasets={"30000010": (stand, ())}, state="failed", kind="software")
    page = index_page([item], [])
    assert hostile not in page
    assert page.count("<script") == 1
    assert hostile in parse(page).text


def test_two_thousand_observations_stay_below_three_megabytes(archive):
    page = index_page(list(archive(2000)), [])
    assert page.count('<tr role="row">') == 4001
    assert len(page.encode()) < 3_000_000

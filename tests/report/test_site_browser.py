"""The index and the observations' pages in a real browser, as people use them."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from tasks.core.state import Standing
from tasks.library.combination import PICTURE, Combined, CombinedFile
from tasks.report.site_catalogue import Facts
from tasks.report.site_index import index_page
from tasks.report.site_observation import observation_page
from tasks.report.sweep import sweep_page
from tasks.xtend.cautions import caution, severe

pytestmark = [
    pytest.mark.system,
    pytest.mark.browser,
]
DONE = Standing(state="done")
LONG = "a-name-without-any-place-to-break-" * 4
REASON = f"the file {LONG}.fits.gz is damaged: its compression ended before it should have"


@pytest.fixture
def opened(chromium):
    """Opens a file at some width; afterwards nothing may have been complained of or fetched elsewhere."""
    contexts, complaints, fetched = [], [], []

    def opened(path, width=1280, scheme="light", place="", script=True):
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}, java_script_enabled=script
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(path.as_uri() + place)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert all(url.startswith(("file:", "data:")) for url in fetched)


@pytest.fixture
def place(tmp_path, observed, summary):
    """A folder with the index, pages of observations and the page of a sweep."""
    low, edge = severe("low-energy", "Two."), caution("edge", "Three.")
    bad = Standing(state="failed", kind="permanent", reason=REASON)
    known = [
        observed("900000010", "M 87", {"30000010": (DONE, (low, edge))},
                 facts=Facts(start_mjd=60310.5, exposure=30e3)),
        observed("900000020", "Cen A", {"31100010": (DONE, (edge,)), "32000010": (DONE, ())},
                 facts=Facts(start_mjd=60400.5, exposure=4e3)),
        observed("900000030", "NGC 1", {}, "skipped", kind="not-public", reason="not public until 2027"),
        observed("900000040", LONG, {"300000a0": (bad, (low,))}, "failed", kind="permanent", reason=REASON,
                 facts=Facts(start_mjd=60350.5, exposure=12e3)),
    ]  # fmt: skip
    (tmp_path / "index.html").write_text(index_page(known, []), encoding="utf-8")
    record = Combined(
        of="a" * 64, dataclasses=("31100010", "32000010"), band="0.6-10.0", binning=4, alt="A sum.",
        caption="How.",
        files=(CombinedFile(kind="image", name=f"{LONG}.fits", size=9, sha256="b" * 64),), size=(900, 600),
    )  # fmt: skip
    for item in known:
        folder = tmp_path / item.obsid
        folder.mkdir()
        Image.new("RGB", (30, 20)).save(folder / PICTURE)
        page = observation_page(item, {}, record, [], [PICTURE], "a line of the log " * 40)
        (folder / "index.html").write_text(page, encoding="utf-8")
    (tmp_path / "sweep.html").write_text(sweep_page(summary()), encoding="utf-8")
    return tmp_path


@pytest.fixture
def served(place):
    """The folder as a web site, as a bucket can be."""
    handler = functools.partial(QuietHandler, directory=place)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def shown(page):
    """ObsID and data class of the lines to be seen, in their order."""
    rows = page.locator("#index tbody tr:not([hidden])").all()
    return [" ".join(row.locator("th, td").all_inner_texts()[:2]).strip() for row in rows]


def settled(page):
    """What is shown once the page has answered the last key."""
    page.wait_for_timeout(200)
    return shown(page)


BAD, M87, CEN, CEN2, NGC = (
    "900000040 300000a0", "900000010 30000010", "900000020 31100010", "900000020 32000010", "900000030",
)  # fmt: skip


def test_search_and_filters(place, opened):
    page = opened(place / "index.html")
    assert shown(page) == [BAD, NGC, M87, CEN, CEN2]
    assert page.get_by_role("status").inner_text() == "5 of 5 lines"
    page.get_by_label("Search").fill("cen a")
    assert settled(page) == [CEN, CEN2]
    assert page.get_by_role("status").inner_text() == "2 of 5 lines"
    page.get_by_role("button", name="Clear all").click()
    assert len(settled(page)) == 5
    for label, choice, expected in (
        ("State", "failed", [BAD]),
        ("Kind of reason", "not-public", [NGC]),
        ("Data class", "32000010", [CEN2]),
        ("Caution", "edge", [M87, CEN]),
        ("Caution", "any severe one", [BAD, M87]),
        ("Caution", "none", [NGC, CEN2]),
    ):
        page.get_by_role("combobox", name=label, exact=True).select_option(label=choice)
        assert settled(page) == expected, (label, choice)
        page.get_by_role("button", name="Clear all").click()
    page.get_by_label("Target").fill("m 8")
    assert settled(page) == [M87]
    page.get_by_role("button", name="Clear all").click()
    page.get_by_label("Observed from").fill("2024-01-02")
    assert settled(page) == [BAD, CEN, CEN2]
    page.get_by_label("until").fill("2024-02-15")
    assert settled(page) == [BAD]


def test_what_is_chosen_stands_in_the_address(place, opened):
    page = opened(place / "index.html")
    page.get_by_role("combobox", name="Caution").select_option("edge")
    page.get_by_role("button", name="Exposure").click()
    page.get_by_role("button", name="Exposure").click()
    expected = settled(page)
    assert expected == [M87, CEN]
    address = "#" + page.url.partition("#")[2]
    assert address == "#caution=edge&sort=-exposure"
    other = opened(place / "index.html", place=address)
    assert settled(other) == expected
    assert other.get_by_role("combobox", name="Caution").input_value() == "edge"
    other.evaluate("location.hash = '#q=NGC'")
    assert settled(other) == [NGC]
    hostile = "#state=<img src=x onerror=alert(1)>&sort=__proto__&q=%3Cscript%3E"
    assert settled(opened(place / "index.html", place=hostile)) == []


def test_sorting_says_which_way(place, opened):
    page = opened(place / "index.html")
    for name, ascending in (
        ("ObsID", [M87, CEN, CEN2, NGC, BAD]),
        ("Target", [BAD, CEN, CEN2, M87, NGC]),
        ("State", [BAD, NGC, M87, CEN, CEN2]),
        ("Observed", [M87, BAD, CEN, CEN2, NGC]),
        ("Exposure", [NGC, CEN, CEN2, BAD, M87]),
    ):
        head = page.get_by_role("columnheader", name=name)
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert shown(page) == ascending, name
        assert page.locator("[aria-sort]").count() == 1
    head = page.get_by_role("columnheader", name="Observed")
    for way in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == way
    # What is not known comes last either way.
    assert shown(page) == [CEN, CEN2, BAD, M87, NGC]


def test_all_of_it_by_keyboard(place, opened):
    page = opened(place / "index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert shown(page) == [BAD, NGC, M87, CEN, CEN2]
    page.keyboard.press("Tab")
    page.keyboard.type("900000020")
    assert settled(page) == [CEN, CEN2]
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText"))
        if reached[-1] == "Data class":
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert shown(page) == [CEN2, CEN]
    while page.evaluate("document.activeElement.tagName") != "A":
        page.keyboard.press("Tab")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/900000020/index.html")
    page.go_back()
    assert settled(page) == [CEN2, CEN]


def test_without_a_script_the_table_is_whole(place, opened):
    page = opened(place / "index.html", script=False)
    assert shown(page) == [BAD, NGC, M87, CEN, CEN2]
    assert not page.locator("#filters").is_visible()
    assert page.locator("#index button").count() == 0


def test_pictures_are_seen_in_a_folder_and_on_a_server(place, served, chromium):
    page = chromium.new_page()
    complaints, fetched = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: fetched.append(request.url))
    for start in (place.as_uri(), served):
        page.goto(f"{start}/index.html")
        page.get_by_role("link", name="900000020").first.click()
        page.wait_for_url("**/900000020/index.html")
        picture = page.get_by_role("img", name="A sum.")
        picture.wait_for()
        assert picture.evaluate("picture => picture.complete && picture.naturalWidth") == 30
    page.close()
    assert complaints == []
    assert {url.removeprefix(served).removeprefix(place.as_uri()) for url in fetched} == {
        "/index.html", "/900000020/index.html", "/900000020/combined.png",
    }  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1280])
def test_it_reads_well_everywhere(place, opened, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    for name in ("index.html", "900000040/index.html", "900000020/index.html", "sweep.html"):
        page = opened(place / name, width, scheme)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, name
        beyond = page.evaluate(
            """width => [...document.querySelectorAll("body *")]
            .filter(e => !e.closest("pre, .skip, table:not(.index) thead"))
            .filter(e => e.getBoundingClientRect().right > width + 0.5).map(e => e.outerHTML.slice(0, 80))""",
            width,
        )
        assert beyond == [], name
        buttons = [
            button.bounding_box() for button in page.get_by_role("button").all() if button.is_visible()
        ]
        assert all(box["height"] < 45 for box in buttons), "a button's words are squeezed"
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
        found = Axe().run(page).response["violations"]
        worst = [item["id"] for item in found if item["impact"] in ("serious", "critical")]
        assert worst == [], (name, [node["html"] for item in found for node in item["nodes"]][:5])


def test_two_thousand_observations_are_usable(archive, opened, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(index_page(list(archive(2000)), []), encoding="utf-8")
    assert path.stat().st_size < 3_000_000
    page = opened(path)
    assert page.get_by_role("status").inner_text() == "4000 of 4000 lines"
    page.get_by_label("Target").fill("Target 13 of")
    page.get_by_text("42 of 4000 lines").wait_for()
    page.get_by_role("button", name="Observed").click()
    first = page.locator("#index tbody tr:not([hidden])").first
    assert first.get_by_role("link").first.inner_text() == "800000013"

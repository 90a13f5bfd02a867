"""A dataset's page in a real browser, as people use it."""

import pytest

from tasks.core.state import Standing
from tasks.library.manifest import Kind, NotMade, Role, Step
from tasks.report.dataset import dataset_page
from tasks.report.pictures import Pictures

pytestmark = [
    pytest.mark.system,
    pytest.mark.browser,
]
LONG = "A target with a name that is long enough to need more than one line on a phone " + "x" * 90
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}
BEYOND = """() => [...document.querySelectorAll("body *")]
  .filter(e => !e.closest("pre, .skip, .spoken, thead"))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory, new_dataset):
    """The pages of a dataset with all there can be, and of one that has failed."""
    whole, failed = (tmp_path_factory.mktemp(name) for name in ("whole", "failed"))
    dataset = new_dataset(whole).everything()
    why = f"the recipe asks for it, and {'it-is-not-there-' * 12}"
    dataset.manifest(
        not_made=(NotMade(step=Step.DERIVED, kind=Kind.LIGHT_CURVE, role=Role.NET, why=why, name="a.fits"),)
    )
    dataset.page(LONG)
    reason = f"{LONG} & <b>bold</b>"
    standing = Standing(state="failed", kind="software", step="download", reason=reason)
    told = "a line of the log " * 40
    page = dataset_page("900000010", "30000010", LONG, standing, None, Pictures(), told)
    (failed / "index.html").write_text(page, encoding="utf-8")
    return {"whole": whole / "index.html", "failed": failed / "index.html"}


@pytest.fixture
def opened(chromium):
    """Opens a page; afterwards nothing may have been complained of, or asked for beyond its own folder."""
    contexts, complaints, fetched = [], [], {}

    def opened(path, *, width=1280, scheme="light", script=True, before="", rights=()):
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}, java_script_enabled=script
        )
        contexts.append(context)
        context.grant_permissions(rights)
        page = context.new_page()
        page.add_init_script(before)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: fetched.setdefault(path, []).append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    for path, urls in fetched.items():
        assert all(url.startswith((path.parent.as_uri(), "data:")) for url in urls)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "pictures"), [("whole", 6), ("failed", 0)])
def test_the_page_fits_and_everybody_can_use_it(opened, pages, name, pictures, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(pages[name], width=width, scheme=scheme)
    # What is folded up is part of it.
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(BEYOND) == []
    assert page.evaluate("[...document.images].filter(each => each.naturalWidth === 900).length") == pictures
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == GROUNDS[scheme]
    told = Axe().run(page).response
    assert "color-contrast" in {rule["id"] for rule in told["passes"]}
    found = told["violations"]
    bad = [
        (rule["id"], rule["nodes"][0]["html"]) for rule in found if rule["impact"] in ("serious", "critical")
    ]
    assert bad == []


def test_a_command_is_copied_by_keyboard(opened, pages):
    page = opened(pages["whole"], rights=["clipboard-read", "clipboard-write"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "BUTTON":
            break
    assert page.evaluate("document.activeElement.ariaLabel") == "Copy: Commands for ds9"
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("Copied").wait_for(state="attached")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("ds9 extraction-0123456789ab/rate-image-0.6-10.0-bin4.fits -scale log")
    assert copied == page.get_by_role("region", name="Commands for ds9").text_content()


def test_where_there_is_no_clipboard_the_text_is_selected(opened, pages):
    before = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
    page = opened(pages["whole"], before=before)
    page.get_by_role("button", name="Copy: Commands for XSPEC").click()
    assert page.evaluate("getSelection().toString()") == "xspec - extraction-0123456789ab/load.xcm"


def test_without_scripts_everything_is_there(opened, pages):
    page = opened(pages["whole"], script=False)
    assert page.get_by_role("button").count() == 0
    assert page.get_by_role("region", name="Commands for ds9").is_visible()
    assert page.get_by_role("link", name="How to cite").get_attribute("href") == "#cite"


def test_a_screen_reader_finds_its_way(opened, pages):
    page = opened(pages["whole"])
    for name in ("Cautions", "Pictures", "Fit", "Open it", "Files", "Not made", "Provenance", "How to cite"):
        assert page.get_by_role("region", name=name, exact=True).count() == 1
    assert page.get_by_role("main").count() == page.get_by_role("banner").count() == 1
    assert page.get_by_role("table", name="What each step was done with.").count() == 1
    alts = [each.get_attribute("alt") for each in page.get_by_role("img").all()]
    assert len(alts) == 6
    assert all(len(alt) > 60 for alt in alts)

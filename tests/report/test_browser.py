"""The pages in a real browser, at the widths of a phone and of a desk."""

import html
import json
import re
import shutil
import subprocess

import pytest

from tasks.report.dataset import make_page
from tasks.report.sweep import sweep_page

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.system,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=10000",
)
# Chromium makes no window narrower than 500 px; a frame inside one can be as narrow as a phone.
MEASURE = """<body><iframe width="{width}" height="800" srcdoc="{page}"></iframe><script>
window.onload = () => {{
  const inner = document.querySelector("iframe").contentDocument;
  const all = [...inner.querySelectorAll("body *")];
  const pictures = [...inner.images];
  document.body.textContent = "MEASURED" + JSON.stringify({{
    wide: inner.documentElement.scrollWidth - inner.documentElement.clientWidth,
    beyond: all.filter(e => !e.closest("pre, .skip, thead"))
      .filter(e => e.getBoundingClientRect().right > {width} + 0.5)
      .map(e => e.outerHTML.slice(0, 80)),
    loaded: pictures.filter(p => p.naturalWidth === 900).length,
    fetched: performance.getEntriesByType("resource").map(e => e.name),
    ground: getComputedStyle(inner.body).backgroundColor,
  }}) + "END";
}};
</script>"""


@pytest.fixture
def measure(tmp_path):
    """Opens a page at a width and tells what it looks like there."""

    def measured(path, width, *flags):
        wrapper = path.with_name("wrapper.html")
        page = html.escape(path.read_text(encoding="utf-8"), quote=True)
        wrapper.write_text(MEASURE.format(width=width, page=page), encoding="utf-8")
        profile = f"--user-data-dir={tmp_path / f'profile-{width}'}"
        command = [CHROMIUM, *FLAGS, *flags, profile, "--dump-dom", wrapper.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return json.loads(html.unescape(re.search(r"MEASURED(.*)END", done.stdout)[1]))

    return measured


@pytest.fixture
def dataset_page(dataset, monkeypatch):
    manifest = dataset.everything().manifest()
    links = {product.name: f"../../{product.path}" for product in manifest.products}
    monkeypatch.chdir(dataset.folder)
    name = "A target with a name that is long enough to need more than one line on a phone"
    make_page("900000010", "30000010", name, {"state": "done"}, links, "a line of the log " * 40)
    return dataset.folder / "index.html"


@pytest.fixture
def whole_sweep(summary, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(sweep_page(summary()), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(("page", "pictures"), [("dataset_page", 5), ("whole_sweep", 0)])
def test_nothing_is_wider_than_the_screen(request, measure, page, pictures, width):
    seen = measure(request.getfixturevalue(page), width)
    assert seen["wide"] <= 0
    assert seen["beyond"] == []
    assert seen["loaded"] == pictures
    assert all(name.startswith("file:") for name in seen["fetched"])


def test_a_dark_screen_gets_a_dark_page(whole_sweep, measure):
    assert measure(whole_sweep, 390)["ground"] == "rgb(255, 255, 255)"
    dark = measure(whole_sweep, 391, "--blink-settings=preferredColorScheme=0")
    assert dark["ground"] == "rgb(20, 23, 27)"

"""A dataset's page is made by a real call and put where its links lead to the stored files."""

import asyncio
import re
from html import unescape
from urllib.parse import unquote

import pytest

from tasks.core.errors import LeaseLost, Transient
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.core.state import Standing
from tasks.engines.paging import make_page
from tasks.library.fingerprint import file_sha256
from tasks.library.manifest import Kind, Manifest, Product, Role, Step
from tasks.library.publication import manifest_bytes
from tasks.library.site import open_site
from tasks.report.dataset import PAGE, PAGE_FILES

OBSID, DATACLASS = ObsID("900002010"), DataClass("31100010")
DONE = Standing(state="done")
REGION = "radec_900002010_AXJ1910.7+0917_src.reg"


class Place:
    """A store, its logs and one dataset in it."""

    def __init__(self, folder):
        self.site = open_site(Settings(data=folder, archive=str(folder), cores=2))
        self.folder = folder / "store"
        self.page = self.folder / "report" / OBSID / DATACLASS / PAGE

    def publish(self):
        path = self.folder / OBSID / DATACLASS / "regions-0" / REGION
        path.parent.mkdir(parents=True)
        path.write_text('fk5\ncircle(10,20,120")\n')
        product = Product(
            step=Step.REGIONS, kind=Kind.REGION, role=Role.SOURCE, name=REGION, path=f"regions-0/{REGION}",
            size=path.stat().st_size, sha256=file_sha256(path), fingerprint="f" * 64,
            entry={"frame": "radec"},
        )  # fmt: skip
        manifest = Manifest(obsid=OBSID, dataclass=DATACLASS, recipe="standard", products=(product,))
        path.parents[1].joinpath("manifest.json").write_bytes(manifest_bytes(manifest))
        self.folder.joinpath("recipe.json").write_text("{}")
        return manifest

    def make(self, standing, manifest=None, confirm=lambda: None):
        shown = manifest.products if manifest else ()
        what = (self.site, OBSID, DATACLASS, "a target", standing, manifest, shown, PAGE_FILES, b"{}")
        asyncio.run(make_page(*what, confirm))
        return unescape(self.page.read_text(encoding="utf-8"))

    def log(self, text, dataclass=None):
        path = self.site.log(OBSID, dataclass)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "data")


def test_a_page_of_somebody_else_stays(place):
    def taken_over():
        raise LeaseLost("somebody else holds it")

    before = place.make(DONE, place.publish())
    with pytest.raises(LeaseLost):
        place.make(Standing.of(Transient("the network")), confirm=taken_over)
    assert unescape(place.page.read_text(encoding="utf-8")) == before


def test_links_lead_to_the_files_and_a_plus_sign_is_escaped(place):
    page = place.make(DONE, place.publish())
    links = re.findall(r'href="(\.\./\.\./\.\./[^"]+)"', page)
    assert {link.rpartition("/")[2] for link in links} == {
        "manifest.json",
        "recipe.json",
        REGION.replace("+", "%2B"),
    }
    assert all((place.page.parent / unquote(link)).is_file() for link in links)


def test_a_failed_dataset_shows_the_end_of_its_own_log(place):
    failed = Standing(state="failed", kind="software", reason="odd", step="derived")
    place.log("of the observation\n")
    place.log("of the dataset\n", DATACLASS)
    for _ in range(2):
        page = place.make(failed)
        assert "of the dataset" in page
        assert "of the observation" not in page
    # What was logged of the making of the page before is not its business.
    assert "make_page" not in page


def test_where_the_download_failed_the_log_of_the_observation_counts(place):
    place.log("of the observation\n")
    place.log("of an earlier attempt\n", DATACLASS)
    page = place.make(Standing(state="failed", kind="transient", reason="gone", step="download"))
    assert "of the observation" in page
    assert "of an earlier attempt" not in page


def test_what_is_done_shows_no_log(place):
    place.log("of the dataset\n", DATACLASS)
    assert "of the dataset" not in place.make(DONE)


def test_of_a_long_log_the_end_is_shown(place):
    place.log("".join(f"line {number} {'x' * 90}\n" for number in range(20_000)), DATACLASS)
    page = place.make(Standing(state="failed", kind="gave-up", reason="slow"))
    assert "line 19999" in page
    assert "line 19959" not in page
    assert len(page) < 30_000

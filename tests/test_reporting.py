"""A dataset's page: told again whenever something changes, drawn again only where its products do."""

import asyncio

import pytest

from tasks import reporting
from tasks.core.errors import LeaseLost, Transient
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.core.state import Standing
from tasks.library import leases
from tasks.library.claim import claim
from tasks.library.manifest import Manifest
from tasks.library.publication import manifest_bytes
from tasks.library.recipe import Recipe
from tasks.library.site import open_site
from tasks.report.choice import IMAGE
from tasks.report.pictures import Preview, keep_pictures, read_pictures

OBSID, DATACLASS = ObsID("900000010"), DataClass("30000010")
TOP = f"report/{OBSID}/{DATACLASS}"
DONE = Standing(state="done")
FAILED = Standing(state="failed", kind="transient", reason="the network is gone", step="download")
TOLD = {"previews": [Preview(title="Image", file=IMAGE, alt="A field.", size=(9, 8)).model_dump()]}


@pytest.fixture
def site(tmp_path):
    here = open_site(Settings(data=tmp_path / "data", archive=str(tmp_path), cores=2))
    here.store.replace("recipe.json", Recipe().model_dump_json().encode())
    return here


@pytest.fixture
def drawn(monkeypatch):
    """The manifests whose pictures were drawn; a real drawing takes seconds."""
    calls = []

    async def draw(site, obsid, dataclass, manifest, shown, files, confirm):
        calls.append(manifest.recipe)
        site.store.replace(f"{TOP}/{IMAGE}", b"a picture")
        return TOLD

    monkeypatch.setattr(reporting, "draw", draw)
    return calls


def publish(site, recipe="standard", standing=DONE):
    manifest = Manifest(obsid=OBSID, dataclass=DATACLASS, recipe=recipe)
    site.store.replace(f"{OBSID}/{DATACLASS}/manifest.json", manifest_bytes(manifest))
    site.ledger.record_manifest(manifest, standing)


def make(site, standing=DONE, *, taken_over=False):
    async def made():
        async with claim(site, OBSID) as held:
            if taken_over:
                leases.end(site.ledger, site.holder)
                leases.acquire(site.ledger, OBSID, "elsewhere:17", 60)
            await reporting.make_dataset_page(held, DATACLASS, "M 87", standing)

    asyncio.run(made())
    return site.store.read(f"{TOP}/index.html").decode()


def test_only_another_manifest_is_drawn_again(site, drawn):
    publish(site)
    assert "A field." in make(site)
    again = make(site, FAILED)
    assert "the network is gone" in again
    assert "A field." in again
    assert drawn == ["standard"]
    publish(site, "mine")
    make(site)
    assert drawn == ["standard", "mine"]


def test_another_version_of_the_pictures_is_drawn_again(site, drawn, monkeypatch):
    publish(site)
    make(site)
    monkeypatch.setattr(reporting, "PICTURES_VERSION", "another")
    make(site)
    assert len(drawn) == 2


def test_what_is_published_no_more_has_no_pictures(site, drawn):
    publish(site)
    make(site)
    site.store.delete([f"{OBSID}/{DATACLASS}/manifest.json"])
    assert "Nothing has been published" in make(site, FAILED)
    assert set(site.store.sizes(TOP)) == {f"{TOP}/index.html", f"{TOP}/page.json"}


def test_a_drawing_that_was_cut_off_is_done_again(site, drawn):
    publish(site)
    make(site)
    half = read_pictures(site.store, OBSID, DATACLASS).model_copy(update={"of": ""})
    keep_pictures(site.store, OBSID, DATACLASS, half)
    make(site)
    assert len(drawn) == 2


def test_a_page_of_somebody_else_stays(site, drawn):
    publish(site)
    before = make(site)
    with pytest.raises(LeaseLost):
        make(site, FAILED, taken_over=True)
    assert site.store.read(f"{TOP}/index.html").decode() == before


def test_a_picture_that_is_lost_is_drawn_again(site, drawn):
    publish(site)
    make(site)
    site.store.delete([f"{TOP}/{IMAGE}"])
    make(site)
    assert len(drawn) == 2
    assert f"{TOP}/{IMAGE}" in site.store.sizes(TOP)


def test_what_could_not_be_read_for_a_moment_is_drawn_again(site, drawn, monkeypatch):
    publish(site)
    unread = {"previews": [{"title": "Image", "file": IMAGE, "why": "it cannot be read"}], "settled": False}
    with monkeypatch.context() as patch:
        patch.setitem(TOLD, "previews", unread["previews"])
        patch.setitem(TOLD, "settled", unread["settled"])
        assert "it cannot be read" in make(site)
    # The pages of the observation and of the index, and that of the dataset; then there is nothing to do.
    assert [asyncio.run(reporting.rebuild(site)).made for _ in range(2)] == [3, 0]
    assert "A field." in site.store.read(f"{TOP}/index.html").decode()
    assert len(drawn) == 2


def test_the_log_is_read_before_the_drawing_writes_to_it(site, monkeypatch):
    log = site.log(OBSID, DATACLASS)
    log.parent.mkdir(parents=True)
    log.write_text("what went wrong\n")

    async def draw(*_):
        with log.open("a") as file:
            file.write("# exit status 0\n")
        return {"previews": []}

    monkeypatch.setattr(reporting, "draw", draw)
    publish(site)
    page = make(site, FAILED.model_copy(update={"step": "derived"}))
    assert "what went wrong" in page
    assert "exit status" not in page


def test_a_sweep_that_renews_the_index_leaves_no_page_of_another_look(site, drawn, monkeypatch):
    publish(site)
    asyncio.run(reporting.rebuild(site))
    monkeypatch.setattr(reporting, "look", lambda: "another")
    monkeypatch.setattr(reporting.pages, "look", lambda: "another")
    assert reporting.pages.update(site.store, site.ledger).made == 1
    assert asyncio.run(reporting.rebuild(site)).made == 1
    assert asyncio.run(reporting.rebuild(site)).made == 0


def test_a_dataset_that_cannot_be_drawn_costs_its_own_page_only(site, monkeypatch, caplog):
    async def draw(*_):
        raise Transient("a product is gone from the store")

    monkeypatch.setattr(reporting, "draw", draw)
    publish(site)
    assert asyncio.run(reporting.rebuild(site)).made == 2
    assert f"the page of {OBSID}/{DATACLASS} could not be made: a product is gone" in caplog.text
    assert site.store.read("report/index.html")
    assert site.store.read(f"{TOP}/index.html") is None


def test_a_page_of_another_look_is_told_again_and_not_drawn(site, drawn, monkeypatch):
    publish(site)
    asyncio.run(reporting.rebuild(site))
    assert asyncio.run(reporting.rebuild(site)).made == 0
    monkeypatch.setattr(reporting, "look", lambda: "another")
    monkeypatch.setattr(reporting.pages, "look", lambda: "another")
    # Of the observation and of the dataset; the index reads as before.
    assert asyncio.run(reporting.rebuild(site)).made == 2
    assert drawn == ["standard"]

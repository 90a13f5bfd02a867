"""`xtendflow report`: the pages again, and where they are."""

import json
import webbrowser

import pytest

from tasks import reporting
from tasks.core.identifiers import ObsID
from tasks.library.leases import acquire
from tasks.library.ledger import Ledger
from tasks.library.recipe import Recipe
from tasks.library.site import open_site

DONE, FAILED, DATACLASS = "900001010", "900011010", "30000010"


@pytest.fixture
def drawn(monkeypatch):
    """The dataset pages that are made, each a folder with a page and its stamp; real ones take seconds."""
    made = []

    async def page(held, dataclass, target, standing):
        site, obsid = held.site, held.obsid
        made.append(f"{obsid}/{dataclass}")
        (stamp,) = (reporting._stamp(row.manifest, standing) for row in site.ledger.datasets(obsid))
        site.store.replace(f"report/{obsid}/{dataclass}/index.html", b"a page")
        site.store.replace(f"report/{obsid}/{dataclass}/page.json", stamp)

    monkeypatch.setattr(reporting, "make_dataset_page", page)
    return made


@pytest.fixture
def owned(swept):
    open_site.cache_clear()  # each test has a place of its own under the same relative name
    (swept / "store/recipe.json").write_text(Recipe().model_dump_json())
    return swept


def test_everything_is_made_once(xtendflow, owned, drawn):
    ended = xtendflow("report")
    assert (ended.status, ended.err) == (0, "")
    index = owned / "store/report/index.html"
    assert ended.out == f"4 pages made, 0 kept\n{index.as_uri()}\n"
    assert f'href="{FAILED}/index.html"' in index.read_text()
    assert drawn == [f"{DONE}/{DATACLASS}"]
    again = json.loads(xtendflow("report", "--json").out)
    assert again == {"made": 0, "kept": 4, "index": index.as_uri()}
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("lost", "pages"),
    [
        ("index.html", 1),
        (f"{FAILED}/index.html", 1),
        (f"{DONE}/{DATACLASS}/index.html", 1),
        ("site.json", 3),
    ],
)
def test_what_is_lost_is_made_again(xtendflow, owned, drawn, lost, pages):
    xtendflow("report")
    (owned / "store/report" / lost).unlink()
    assert xtendflow("report").out.startswith(f"{pages} pages made, {4 - pages} kept\n")
    assert (owned / "store/report" / lost).is_file()


def test_a_page_of_another_look_is_made_again(xtendflow, owned, drawn):
    xtendflow("report")
    stamp = owned / f"store/report/{DONE}/{DATACLASS}/page.json"
    stamp.write_text("{}")
    assert xtendflow("report").out.startswith("1 pages made, 3 kept\n")
    assert len(drawn) == 2


def test_what_another_process_works_on_is_left_to_it(xtendflow, owned, drawn):
    ledger = Ledger.open(f"sqlite:///{owned}/ledger.sqlite")
    assert acquire(ledger, ObsID(DONE), "elsewhere:1", 300.0)
    assert xtendflow("report").out.startswith("3 pages made, 1 kept\n")
    assert drawn == []


def test_the_browser_is_opened_on_a_local_store(xtendflow, owned, drawn, monkeypatch):
    shown = []
    monkeypatch.setattr(webbrowser, "open", lambda address: shown.append(address) or True)
    assert xtendflow("report", "--open").err == ""
    assert shown == [(owned / "store/report/index.html").as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    ended = xtendflow("report", "--open")
    assert (ended.status, ended.err) == (0, "not opened: no browser was found\n")


def test_what_is_no_store_is_refused(refused, swept):
    assert "no sweep has written" in refused("report")


def test_a_store_without_its_ledger_says_what_to_do(refused, owned):
    (owned / "ledger.sqlite").unlink()
    assert "xtendflow ledger rebuild" in refused("report")

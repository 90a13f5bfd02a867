"""The campaign sees what it looks for: each kind of damage, planted by hand."""

import hashlib
import importlib
import json
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from astropy.io import fits

FOLDER = Path(__file__).parent
DATASET = "900004010/30000010"
IMAGE = "extraction-000000000000/image.fits"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Gives modules of the campaign, which are no package."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(f"{FOLDER}/"):
            del sys.modules[name]


@pytest.fixture
def place(tmp_path: Path, module: Callable[[str], ModuleType]) -> Any:
    """A store with one product, and a ledger that agrees."""
    found = module("place").Place(tmp_path, str(tmp_path), tmp_path / "none.ecsv")
    publish(found.store, pixels=np.arange(9).reshape(3, 3))
    (found.store / "900004010/attempts").mkdir()
    (found.store / "900004010/attempts/2026-01-01T00-00-00-a1.json").write_text(
        json.dumps({"id": "a1", "ended": "2026-01-01T00:01:00Z", "standing": {"state": "done"}})
    )
    product = manifest(found.store)["products"][0]
    with closing(sqlite3.connect(found.data / "ledger.sqlite")) as ledger, ledger:
        ledger.executescript(
            "CREATE TABLE attempts (id, obsid, state, ended);"
            "CREATE TABLE leases (name, holder, expires);"
            "CREATE TABLE products (obsid, dataclass, path, size, sha256);"
            "CREATE TABLE datasets (obsid, dataclass, state, reason);"
            "INSERT INTO attempts VALUES ('a1', '900004010', 'done', '2026-01-01 00:01:00');"
            "INSERT INTO leases VALUES ('900004010', 'host:1', 0);"
            "INSERT INTO datasets VALUES ('900004010', '30000010', 'done', NULL);"
        )
        row = (*DATASET.split("/"), IMAGE, product["size"], product["sha256"])
        ledger.execute("INSERT INTO products VALUES (?, ?, ?, ?, ?)", row)
    return found


def publish(store: Path, pixels: Any) -> None:
    """One product with its manifest; the card DATE is different each time."""
    path = store / DATASET / IMAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    fits.PrimaryHDU(pixels, fits.Header([("DATE", str(time.time()))])).writeto(path)
    described = {
        "name": "image.fits",
        "path": IMAGE,
        "fingerprint": "f" * 64,
        "size": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    obsid, dataclass = DATASET.split("/")
    content = {"obsid": obsid, "dataclass": dataclass, "products": [described], "inputs": []}
    (store / DATASET / "manifest.json").write_text(json.dumps(content))


def manifest(store: Path) -> dict[str, Any]:
    return json.loads((store / DATASET / "manifest.json").read_text())


def say(place: Any, statement: str) -> None:
    with closing(sqlite3.connect(place.data / "ledger.sqlite")) as ledger, ledger:
        ledger.execute(statement)


def spoil(place: Any) -> None:
    path = place.store / DATASET / IMAGE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def leave(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("left")


DAMAGE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "gone": (lambda place: (place.store / DATASET / IMAGE).unlink(), "is not there"),
    "short": (lambda place: (place.store / DATASET / IMAGE).write_text("x"), "has 1 bytes"),
    "spoilt": (spoil, "does not have the sha256"),
    "stranger": (lambda place: leave(place.store / DATASET / "x-1/y.fits"), "no manifest names it"),
    "partial": (lambda place: leave(place.store / ".partial/1"), "killed writer"),
    "scratch": (lambda place: leave(place.data / "scratch/host-1/step/y"), "left in scratch"),
    "download": (lambda place: leave(place.data / "downloads/900004010/y.1.part"), "broken download"),
    "attempt": (
        lambda place: say(place, "UPDATE attempts SET ended = NULL, state = 'running'"),
        "has not ended",
    ),
    "other attempt": (lambda place: say(place, "DELETE FROM attempts"), "and the ledger None"),
    "lease": (lambda place: say(place, "UPDATE leases SET expires = 9e9"), "holds the lease"),
    "products": (lambda place: say(place, "DELETE FROM products"), "are not the manifests'"),
    "state": (lambda place: say(place, "UPDATE datasets SET state = 'running'"), "is running"),
}


def test_nothing_is_found_where_nothing_is_wrong(place, module):
    assert list(module("checker").check(place)) == []


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found(place, module, kind):
    damage, words = DAMAGE[kind]
    damage(place)
    assert any(words in sentence for sentence in module("checker").check(place))


def test_a_journal_sees_what_is_published_twice(place, module):
    with module("journal").Journal(place.store) as journal:
        journal.look()
        assert journal.twice() == []
        publish(place.store, np.arange(9).reshape(3, 3))
    (sentence,) = journal.twice()
    assert "image.fits was published 2 times" in sentence


def test_products_are_compared_but_for_the_time_they_were_made(place, module, tmp_path):
    differences = module("likeness").differences
    other = tmp_path / "other"
    publish(other, np.arange(9).reshape(3, 3))
    assert list(differences(other, place.store)) == []
    publish(other, np.arange(1, 10).reshape(3, 3))
    (sentence,) = differences(other, place.store)
    assert "data differ" in sentence


def test_a_liar_tells_lies_until_it_is_told_not_to(module, tmp_path):
    lying = module("lying")
    (tmp_path / "a.gz").write_bytes(b"content")
    counts: Counter[str] = Counter()
    with lying.lying(lying.WebPages(tmp_path), Random(1), counts) as liar:

        def told() -> bytes:
            try:
                with urlopen(f"http://127.0.0.1:{liar.port}/a.gz") as answer:
                    return answer.read()
            except (OSError, HTTPException):
                return b""

        liar.origin.replace = lambda path: None
        lying._SLOW_SECONDS = 0.01
        heard = {told() for _ in range(60)}
        assert len(heard) > 2
        assert counts.total() > 10
        liar.honest = True
        assert {told() for _ in range(10)} == {b"content"}

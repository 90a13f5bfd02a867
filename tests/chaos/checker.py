"""A check of what sweeps leave in store, ledger, scratch and processes; it uses no code of the project."""

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from place import Hangs, Place, until

_MANIFESTS = ("manifest.json", "manifest.previous.json", "manifest.damaged.json")
_TOP = ("report", "recipe.json", ".results")
_QUIET_SECONDS = 60


def check(place: Place) -> Iterator[str]:
    """Everything that is not as it must be after an undisturbed sweep."""
    yield from processes(place)
    manifests = read_manifests(place.store)
    yield from truth(place.store, manifests)
    yield from strangers(place.store, manifests)
    yield from scratch(place)
    yield from ledger(place, manifests)


def processes(place: Place) -> Iterator[str]:
    """Processes that outlive their command."""
    try:
        until(lambda: not place.processes(), "all processes have ended", _QUIET_SECONDS)
    except Hangs:
        yield from (f"a process is left: {pid} {command}" for pid, command in place.processes().items())


def read_manifests(store: Path) -> dict[str, dict[str, Any]]:
    """Each manifest by `obsid/dataclass`."""
    return {
        str(path.parent.relative_to(store)): json.loads(path.read_bytes())
        for path in sorted(store.glob("[0-9]*/*/manifest.json"))
    }


def truth(store: Path, manifests: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Products that are not there as their manifest says."""
    for dataset, manifest in manifests.items():
        for product in manifest["products"]:
            path = store / dataset / product["path"]
            if not path.is_file():
                yield f"{path} is named by a manifest and is not there"
            elif path.stat().st_size != product["size"]:
                yield f"{path} has {path.stat().st_size} bytes, its manifest says {product['size']}"
            elif sha256(path) != product["sha256"]:
                yield f"{path} does not have the sha256 that its manifest says"


def strangers(store: Path, manifests: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Published files that no manifest names."""
    named = {
        f"{dataset}/{item['path']}" for dataset, found in manifests.items() for item in found["products"]
    }
    for path in store.rglob("*"):
        key = str(path.relative_to(store))
        parts = key.split("/")
        if path.is_dir() or key in named or parts[0] in _TOP:
            continue
        if parts[0] == ".partial":
            yield f"{path} is left of a killed writer"
        elif parts[1] != "attempts" and parts[-1] not in _MANIFESTS:
            yield f"{path} is published and no manifest names it"


def scratch(place: Place) -> Iterator[str]:
    """Work that was never finished and is still there."""
    for path in (place.data / "scratch").glob("*/*"):
        yield f"{path} is left in scratch"
    for path in (place.data / "downloads").rglob("*.part"):
        yield f"{path} is left of a broken download"


def ledger(place: Place, manifests: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Where the ledger says otherwise than the store."""
    open_attempts = rows(place, "SELECT id, obsid, state FROM attempts WHERE ended IS NULL")
    yield from (f"attempt {name} at {obsid} has not ended: {state}" for name, obsid, state in open_attempts)
    yield from attempts(place)
    for name, holder, expires in rows(place, "SELECT name, holder, expires FROM leases"):
        if expires > time.time():
            yield f"{holder} still holds the lease on {name}"
    told = {
        (f"{obsid}/{dataclass}", path): (size, digest)
        for obsid, dataclass, path, size, digest in rows(
            place, "SELECT obsid, dataclass, path, size, sha256 FROM products"
        )
    }
    true = {
        (dataset, item["path"]): (item["size"], item["sha256"])
        for dataset, manifest in manifests.items()
        for item in manifest["products"]
    }
    if told != true:
        wrong = sorted(key for key in told.keys() | true.keys() if told.get(key) != true.get(key))
        yield f"the ledger's products are not the manifests': {len(wrong)} differ, such as {wrong[0]}"
    states = "SELECT obsid, dataclass, state, reason FROM datasets WHERE state NOT IN ('done', 'skipped')"
    for obsid, dataclass, state, reason in rows(place, states):
        yield f"the ledger says {obsid}/{dataclass} is {state}: {reason}"


def attempts(place: Place) -> Iterator[str]:
    """Attempts that ledger and store know differently."""
    told = {name: (ended is not None, state) for name, ended, state in _attempt_rows(place)}
    for path in place.store.glob("*/attempts/*.json"):
        record = json.loads(path.read_bytes())
        here = (record["ended"] is not None, record["standing"]["state"])
        if told.get(record["id"]) != here:
            yield f"{path} says {here} (ended, state) and the ledger {told.get(record['id'])}"


def _attempt_rows(place: Place) -> list[tuple[Any, ...]]:
    return rows(place, "SELECT id, ended, state FROM attempts")


def rows(place: Place, question: str) -> list[tuple[Any, ...]]:
    """What the ledger's database answers."""
    if place.ledger.startswith("sqlite:///"):
        path = place.ledger.removeprefix("sqlite:///")
        if not Path(path).is_file():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(question).fetchall()
    import psycopg

    with psycopg.connect(re.sub(r"\+\w+", "", place.ledger, count=1)) as connection:
        return connection.execute(question).fetchall()


def sha256(path: Path) -> str:
    """The hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

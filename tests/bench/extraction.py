"""The seeds' products of a long list: against decompression, against a notebook's way, and their memory."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import notebook
from event_lists import gzipped, gzipped_fast, write_list, write_regions
from isal import igzip
from products import request
from rows import Row, at_most, below, faster, note
from timing import alternated

from tasks.engines.native.extraction import extract

_EVENTS, _WARM_UP, _MANY = 5_000_000, 100_000, 50_000_000
_PAIRS = 5
_CHUNK = 4 << 20
_MEMORY_LIMIT_MB = 1000.0


def speed(folder: Path) -> Iterator[Row]:
    """8 images, 6 light curves and 2 spectra, read and written to disk in this process."""
    plain, small = folder / "list.evt", folder / "small.evt"
    write_list(small, _WARM_UP)
    write_list(plain, _EVENTS)
    packed = gzipped(plain)
    note(
        f"a list of {_EVENTS:.0e} events: {plain.stat().st_size / packed.stat().st_size:.2f} × packed by gzip"
    )
    products(gzipped(small))
    ours, isal = alternated(
        "product set from gz / isal alone", lambda: products(packed), lambda: decompress(packed), _PAIRS
    )
    yield at_most("8 images, 6 light curves, 2 spectra of 5e6 events from gz, against isal alone",
                  ours, "s", isal, 2.5)  # fmt: skip
    _same_counts(products(plain), notebook.products(plain))
    ours, theirs = alternated(
        "product set from plain / histogram2d", lambda: products(plain), lambda: notebook.products(plain), 3
    )
    yield faster("the same from plain, against a histogram2d pass per product over astropy tables",
                 ours, "s", theirs, 5.0)  # fmt: skip


def memory(folder: Path) -> Iterator[Row]:
    """Peak memory of a process that makes the products, for ten times as many events."""
    plain = folder / "few.evt", folder / "many.evt"
    for path, count in zip(plain, (_EVENTS, _MANY), strict=True):
        write_list(path, count)
    for kind, lists in (("plain", plain), ("gz", map(gzipped_fast, plain))):
        less, more = map(_peak, lists)
        yield at_most(f"peak memory at 5e7 events ({kind}), against 5e6", more, "MB", less, 1.5)
        yield below(f"peak memory at 5e7 events ({kind})", more, "MB", _MEMORY_LIMIT_MB)


def products(events: Path) -> dict[str, int]:
    """Make the set in a folder that is then removed; counts by file name."""
    with tempfile.TemporaryDirectory(dir=events.parent) as name, contextlib.chdir(name):
        write_regions(Path())
        Path(events.name).symlink_to(events)
        counts: dict[str, int] = extract(**request(events.name)).facts["counts"]
    return counts


def decompress(path: Path) -> None:
    """Do nothing but decompress."""
    with igzip.open(path, "rb") as stream:
        while stream.read(_CHUNK):
            pass


def _same_counts(ours: dict[str, int], theirs: dict[str, Any]) -> None:
    different = {name: (ours[name], count) for name, count in theirs.items() if ours[name] != count}
    if different:
        raise RuntimeError(f"the products do not hold the same events: {different}")


def _peak(events: Path) -> float:
    """Peak memory in MB of a process that makes the products of a list."""
    command = [sys.executable, str(Path(__file__).with_name("peak.py")), str(events)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

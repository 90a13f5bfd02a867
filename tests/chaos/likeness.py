"""Whether products are those of an undisturbed sweep: equal but for the time at which they were made."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from checker import read_manifests

_MADE = {"DATE", "CHECKSUM", "DATASUM", "HISTORY", "COMMENT", ""}
"""Cards that tell when and how a file was made; the data themselves are compared."""

_FITS = (".fits", ".evt", "img", ".rmf", ".arf")


def differences(store: Path, reference: Path, datasets: set[str] | None = None) -> Iterator[str]:
    """Products that another store has otherwise; both must have been made with one recipe."""
    found, wanted = _products(store), _products(reference)
    for key, path in sorted(wanted.items()):
        if datasets is not None and key[0] not in datasets:
            continue
        if key not in found:
            yield f"{key[0]}: there is no {key[1]}"
        elif why := _difference(found[key], path):
            yield f"{key[0]}: {key[1]} is not that of an undisturbed sweep: {why}"


def _products(store: Path) -> dict[tuple[str, str], Path]:
    return {
        (dataset, product["name"]): store / dataset / product["path"]
        for dataset, manifest in read_manifests(store).items()
        for product in manifest["products"]
    }


def _difference(one: Path, other: Path) -> str:
    """What differs between two files; empty when nothing does."""
    if not any(part in one.name for part in _FITS):
        return "" if one.read_bytes() == other.read_bytes() else "its bytes differ"
    with fits.open(one) as left, fits.open(other) as right:
        if len(left) != len(right):
            return f"{len(left)} HDUs instead of {len(right)}"
        return "; ".join(filter(None, (_unlike(a, b) for a, b in zip(left, right, strict=True))))


def _unlike(one: Any, other: Any) -> str:
    cards = {
        key: (one.header.get(key), other.header.get(key)) for key in {*one.header, *other.header} - _MADE
    }
    changed = sorted(key for key, (a, b) in cards.items() if a != b)
    if changed:
        return f"{one.name}: cards {', '.join(changed[:5])} differ"
    if (one.data is None) != (other.data is None):
        return f"{one.name}: no data"
    if one.data is None:
        return ""
    return (
        ""
        if np.asarray(one.data).tobytes() == np.asarray(other.data).tobytes()
        else f"{one.name}: data differ"
    )

"""What every product's header says, and how products are written."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from astropy.io import fits

CREATOR = f"xtendflow {version('xtendflow')}"
NO_RECIPE = "none"
SHARED = ("GTI", "REG00101")
"""Extensions that hold no data of a product's own."""
_IDENTITY = ("TELESCOP", "INSTRUME", "OBS_ID", "DATACLAS", "OBJECT", "PROCVER", "CALDBVER", "SIMULATD")


def write_product(
    path: Path,
    hdus: Sequence[Any],
    source: Mapping[str, Any],
    history: Iterable[str],
    recipe: str = NO_RECIPE,
) -> None:
    """Write a product: stamped, checksummed, and complete or not at all.

    Parameters
    ----------
    path : Path
        Where to; an existing file is an error (nothing published is ever overwritten).
    hdus : sequence of astropy HDUs
        The primary HDU first.
    source : mapping
        The events' header; identity keywords that an HDU lacks are copied from it.
    history : iterable of str
        The exact selection, a line each.
    recipe : str
        The recipe's hash (hexadecimal), or `none` outside a sweep.
    """
    lines = list(history)
    for hdu in hdus:
        # What was selected is a product's own; extensions that tell times and places may be shared.
        stamp(hdu.header, source, () if hdu.name in SHARED else lines, recipe)
    # Tests verify every kind of product; to verify each file would take longer than to make it.
    fits.HDUList(list(hdus)).writeto(path, checksum=True, output_verify="ignore")


def stamp(
    header: fits.Header,
    source: Mapping[str, Any],
    history: Iterable[str],
    recipe: str,
    engine: str = "native",
) -> None:
    """Say in a header whose data these are and who made it of what."""
    for key in _IDENTITY:
        if key not in header and key in source:
            header[key] = source[key]
    header["DATE"] = (datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "when this file was made (UTC)")
    header["CREATOR"] = (CREATOR, "what made this file")
    header["ENGINE"] = (engine, "how it was made")
    header["RECIPE"] = (recipe[:16], "hash of the recipe")
    for line in history:
        header.add_history(line)

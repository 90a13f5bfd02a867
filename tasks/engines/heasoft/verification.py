"""Checks of what a HEASoft tool left, against the files: done in the child that ran it."""

from pathlib import Path
from typing import Any, Final

from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import Permanent, SoftwareFault
from tasks.engines.heasoft.checks import Check, CountsAgree, Covers, Ebounds, RegionApplied, WeightedMap
from tasks.engines.native.files import column, read_hdus
from tasks.engines.native.responses import why_not_covering
from tasks.xtend.channels import why_other_channels

_OUTSIDE: Final = 0.01
"""Share of an image's counts that may lie beyond its edge or in the rows and columns that binning drops."""


def verify(check: Check, directory: Path) -> None:
    """See that a check holds of the file in a directory.

    Raises
    ------
    SoftwareFault
        When it does not.
    """
    path = directory / check.file
    match check:
        case RegionApplied():
            check_region_applied(path)
        case CountsAgree():
            check_counts_agree(path)
        case WeightedMap():
            check_weighted_map(path)
        case Covers():
            check_covers(path, check.low, check.high)
        case Ebounds():
            check_ebounds(path)


def check_region_applied(path: Path) -> None:
    """See that a product of extractor was selected by its region.

    extractor takes the whole field and ends well when it cannot read a region file.

    Raises
    ------
    SoftwareFault
        When the product keeps no region, or is a spectrum whose BACKSCAL is that of the whole field.
    """
    hdus = _hdus(path)
    if not any(hdu.name.startswith("REG") for hdu in hdus):
        raise SoftwareFault(f"the region was not applied to {path.name}: the whole field was taken")
    if any(hdu.name == "SPECTRUM" and hdu.header.get("BACKSCAL", 1) == 1 for hdu in hdus):
        raise SoftwareFault(
            f"the region was not applied to {path.name}: its BACKSCAL is that of the whole field"
        )


def check_counts_agree(path: Path) -> None:
    """See that an image or a spectrum of extractor holds the counts that TOTCTS tells.

    An image may hold slightly fewer, because of events beyond its edge. Without a weighted map extractor
    writes TOTCTS = 0, which then tells nothing.

    Raises
    ------
    SoftwareFault
        When they differ.
    """
    hdus = _hdus(path)
    spectrum = next((hdu for hdu in hdus if hdu.name == "SPECTRUM"), None)
    holder = hdus[0] if spectrum is None else spectrum
    total = holder.header.get("TOTCTS")
    if hdus[0].data is None or total is None:
        return
    held = int(hdus[0].data.sum() if spectrum is None else _column(spectrum, "COUNTS", path).sum())
    least = total * (1 - _OUTSIDE) if spectrum is None else total
    if not least <= held <= total:
        raise SoftwareFault(f"{path.name} holds {held} counts, and its header tells of {total}")


def check_weighted_map(path: Path) -> None:
    """See that a spectrum of extractor has its weighted map, without which TOTCTS and xtdrmf tell nothing.

    Raises
    ------
    SoftwareFault
        When its primary HDU holds no image.
    """
    primary, *_ = _hdus(path)
    if primary.data is None or primary.data.ndim != 2:
        raise SoftwareFault(f"{path.name} has no weighted map in its primary HDU, which xtdrmf reads")


def check_covers(path: Path, low: float, high: float) -> None:
    """See that an ARF has an area in every energy bin of a range.

    Parameters
    ----------
    path : Path
        The ARF.
    low, high : float
        The range in keV.

    Raises
    ------
    SoftwareFault
        When it ends before, or the area is zero or no number somewhere in between.
    """
    (table,) = _hdus(path, "SPECRESP")
    begin, end, area = (_column(table, name, path) for name in ("ENERG_LO", "ENERG_HI", "SPECRESP"))
    if why := why_not_covering(begin, end, area, low, high):
        raise SoftwareFault(f"{path.name} {why}")


def check_ebounds(path: Path) -> None:
    """See that an RMF's channels are those of the spectra: from 0, one after another, 6 eV wide.

    Raises
    ------
    SoftwareFault
        When they are others.
    """
    (table,) = _hdus(path, "EBOUNDS")
    number, lower, upper = (_column(table, name, path) for name in ("CHANNEL", "E_MIN", "E_MAX"))
    if why := why_other_channels(number, lower, upper):
        raise SoftwareFault(f"{path.name} {why}")


def _hdus(path: Path, *names: str) -> list[Any]:
    try:
        return read_hdus(path, names or None)
    except Permanent as exc:
        raise SoftwareFault(f"what should be checked is not there: {exc}") from exc


def _column(table: fits.BinTableHDU, name: str, path: Path) -> NDArray[Any]:
    try:
        return column(table, name, path)
    except Permanent as exc:
        raise SoftwareFault(f"what should be checked is not there: {exc}") from exc

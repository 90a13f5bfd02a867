"""BACKSCAL by ahbackscal: what a region's share of the exposure is."""

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from tasks.core.errors import Permanent, SoftwareFault
from tasks.engines.heasoft import tool
from tasks.engines.native.files import read_hdus
from tasks.library.call import Call, Report
from tasks.xtend.regions import Region, read_region

NORMS: Final = {"exposure": "EXPOSURE", "maximum": "MAX"}
"""The recipe's words → ahbackscal's: EXPOSURE of the map's first extension, or the map's maximum within the
region."""
EXPOSURE_MAP: Final = "expmap.fits"
_MINUTES: Final = 60.0
_UNKNOWN: Final = -1.0
"""What BACKSCAL is set to before, so that a tool that changed nothing is found out."""


def backscal_parameters(spectrum: str, region: str, norm: str) -> dict[str, str | int | float | bool]:
    """Parameters of ahbackscal, which writes into the spectrum itself.

    Parameters
    ----------
    spectrum, region : str
        Files in the working directory.
    norm : {"EXPOSURE", "MAX"}
        What the exposure within the region is divided by.
    """
    return {
        "infile": spectrum,
        "regfile": region,
        "expfile": EXPOSURE_MAP,
        "norm": norm,
        "cleanup": True,
        "clobber": True,
        "logfile": "NONE",
    }


def backscal_call(
    counted: str,
    scaled: str,
    region: str,
    *,
    norm: str,
    links: Mapping[str, str],
    after: Mapping[str, int],
    chatter: int,
) -> Call:
    """The call that gives a spectrum its BACKSCAL: the file `counted` is copied to `scaled` and edited there.

    Its temporary files have fixed names, so it needs a directory of its own, as every call has.

    Parameters
    ----------
    counted, scaled, region, norm : str
        See `backscal_parameters`.
    links : mapping
        Where the region and the exposure map (`EXPOSURE_MAP`) are.
    after : mapping
        The call that makes `counted`.
    chatter : int
        How much it tells.
    """
    plain = tool.tool_call(
        "ahbackscal",
        backscal_parameters(scaled, region, norm),
        inputs=links,
        after=after,
        edits={scaled: counted},
        outputs=[scaled],
        chatter=chatter,
        timeout=30 * _MINUTES,
    )
    return plain.model_copy(update={"function": "tasks.engines.heasoft.spectra:scale"})


def scale(edits: Mapping[str, str], parameters: Mapping[str, Any], **given: Any) -> Report:
    """Run ahbackscal on copies of spectra, in the current directory, and see that it wrote something.

    Where nothing of the region is exposed BACKSCAL is 0 and the tool is not asked: by norm=MAX it would
    divide by zero. It ends well with 0 also when a tool that it calls fails.

    Parameters
    ----------
    edits : mapping
        Copy → spectrum.
    parameters : mapping
        Those of ahbackscal.
    **given
        What else `tool.run` takes.

    Raises
    ------
    Permanent
        When region or map cannot be read.
    SoftwareFault
        When ahbackscal fails, or left BACKSCAL as it was: that of extractor knows no gaps and bad pixels.
    """
    exposed = _is_exposed(Path(EXPOSURE_MAP), read_region(Path(parameters["regfile"])))
    for copy, spectrum in edits.items():
        shutil.copyfile(spectrum, copy)
        with fits.open(copy, mode="update") as hdus:
            hdus["SPECTRUM"].header["BACKSCAL"] = _UNKNOWN if exposed else 0.0
    if not exposed:
        return Report()
    return tool.run(parameters=parameters, then=partial(_check_scaled, tuple(edits)), **given)


def _is_exposed(path: Path, region: Region) -> bool:
    """Whether an unbinned map of sky pixels has an exposure anywhere in a region."""
    image = read_hdus(path)[0]
    if image.data is None:
        raise Permanent(f"{path.name} holds no exposure map")
    rows, columns = image.data.shape
    inside = region.contains(np.arange(1, columns + 1), np.arange(1, rows + 1)[:, None], WCS(image.header))
    return bool((image.data[inside] > 0).any())


def _check_scaled(copies: Sequence[str]) -> None:
    for copy in copies:
        given = fits.getval(Path(copy), "BACKSCAL", "SPECTRUM")
        if given == _UNKNOWN:
            raise SoftwareFault(f"ahbackscal ended well and left the BACKSCAL of {copy} as it was")
        if not given > 0:
            raise SoftwareFault(f"ahbackscal gave {copy} a BACKSCAL of {given}, and its region is exposed")

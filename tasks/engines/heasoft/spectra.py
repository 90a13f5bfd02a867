"""BACKSCAL by ahbackscal: what a region's share of the exposure is."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from astropy.io import fits

from tasks.core.errors import SoftwareFault
from tasks.engines.heasoft import tool
from tasks.library.call import Call, Report

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


def scale(edits: Mapping[str, str], **given: Any) -> Report:
    """Run ahbackscal on copies of spectra, in the current directory, and see that it wrote something.

    Parameters
    ----------
    edits : mapping
        Copy → spectrum.
    **given
        What else `tool.run` takes.

    Raises
    ------
    SoftwareFault
        When ahbackscal fails, or left BACKSCAL as it was: that of extractor knows no gaps and bad pixels.
    """
    for copy, spectrum in edits.items():
        shutil.copyfile(spectrum, copy)
        with fits.open(copy, mode="update") as hdus:
            hdus["SPECTRUM"].header["BACKSCAL"] = _UNKNOWN
    report = tool.run(**given)
    for copy in edits:
        if fits.getval(Path(copy), "BACKSCAL", "SPECTRUM") == _UNKNOWN:
            raise SoftwareFault(f"ahbackscal ended well and left the BACKSCAL of {copy} as it was")
    return report

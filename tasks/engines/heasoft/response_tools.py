"""What xtdrmf and xaarfgen are told, what has to be so before, and scripts only where there is an ARF."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from astropy.io import fits

from tasks.core.errors import BadInput, Permanent
from tasks.engines.heasoft.calibration_sources import coordinate_parameters
from tasks.engines.heasoft.grouping import RMF, SPECTRUM
from tasks.engines.native import given_responses
from tasks.library.call import Report
from tasks.library.recipe import HEASoft, Responses
from tasks.xtend.channels import CHANNEL_COUNT, EV_PER_CHANNEL
from tasks.xtend.nominal import Nominal
from tasks.xtend.regions import read_region

Parameters = Mapping[str, str | int | float | bool]

ARF: Final = "source.arf"
TRACED: Final = "raytrace.fits"
REGION: Final = "source.reg"
DETECTOR_REGION: Final = "detector.reg"
EXPOSURE_MAP: Final = "expmap.fits"
PREPARED_MAP: Final = "axismap.fits"
IMAGE: Final = "image.fits"
_HISTOGRAM: Final = "OFFAXISHIST"
_FROM_CALDB: Final[Parameters] = dict.fromkeys(
    ("teldeffile", "qefile", "contamifile", "gatevalvefile", "obffile", "fwfile", "onaxisffile",
     "onaxiscfile", "mirrorfile", "obstructfile", "frontreffile", "backreffile", "pcolreffile",
     "scatterfile"),
    "CALDB",
)  # fmt: skip
_OF_OTHER_INSTRUMENTS: Final[Parameters] = {"dattfile": "NONE", "filtoffsetfile": "NONE", "sampling": 4}
"""What xaarfgen's predecessor asked for its hard X-ray imagers alone."""
OF_SOME_RELEASES: Final = (
    *_OF_OTHER_INSTRUMENTS, "auxtransfile", "polydeg", "abund", "cols", "covfac", "rmfthresh",
)  # fmt: skip
"""Known from the predecessor's parameter file; left out where a release does not have them."""


def rmf_parameters() -> Parameters:
    """Parameters of xtdrmf: the response of `SPECTRUM`, weighted by its map, on the grid of PI channels."""
    return {
        "infile": SPECTRUM,
        "outfile": RMF,
        "rmfparam": "CALDB",
        "eminin": 200.0,
        "dein": "2,24",
        "nchanin": "5900,500",
        "eminout": 0.0,
        "deout": float(EV_PER_CHANNEL),
        "nchanout": CHANNEL_COUNT,
        "rmfthresh": 1e-6,
        "clobber": True,
    }


def arf_parameters(
    ra: float, dec: float, exposure_map: str, responses: Responses, heasoft: HEASoft
) -> Parameters:
    """Parameters of xaarfgen: `ARF` of `REGION` (fk5, degrees) with the energies of `RMF`.

    Parameters
    ----------
    ra, dec : float
        The source in degrees.
    exposure_map : str
        The file whose attitude histogram is used.
    responses, heasoft
        What the recipe says.
    """
    return {
        **_FROM_CALDB,
        **_OF_OTHER_INSTRUMENTS,
        "xrtevtfile": TRACED,
        "source_ra": ra,
        "source_dec": dec,
        "telescop": "XRISM",
        "instrume": "XTEND",
        "emapfile": exposure_map,
        "rmffile": RMF,
        "erange": _numbers(responses.erange),
        "outfile": ARF,
        "regmode": "RADEC",
        "regionfile": REGION,
        "numphoton": responses.numphoton,
        "minphoton": responses.minphoton,
        "sourcetype": responses.source_type,
        "betapars": _numbers(responses.beta),
        "flatradius": responses.flat_radius_arcmin,
        "imgfile": IMAGE if responses.source_type == "IMAGE" else "NONE",
        "auxtransfile": "NONE",
        "polydeg": "DEFAULT",
        "abund": "1.0",
        "cols": "0.0",
        "covfac": "1.0",
        "rmfthresh": 1e-10,
        "seed": heasoft.seed,
        "cleanup": True,
        "clobber": True,
    }


def region_parameters(nominal: Nominal) -> Parameters:
    """Parameters of coordpnt as xaarfgen calls it for `REGION`, at the nominal aspect."""
    return {
        **coordinate_parameters(nominal),
        "input": REGION,
        "outfile": DETECTOR_REGION,
        "startsys": "RADEC",
        "stopsys": "DET",
    }


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def prepare(region: str, axis_offset_zero: bool) -> None:
    """See that xaarfgen reads the region as it is meant, and give it the exposure map it needs.

    Parameters
    ----------
    region : str
        Region file.
    axis_offset_zero : bool
        Whether to make `PREPARED_MAP`: a copy of `EXPOSURE_MAP` whose attitude histogram says that the
        optical axis has no offset.

    Raises
    ------
    BadInput
        When the region is not in sky coordinates, or no region that HEASoft understands.
    Permanent
        When the map holds no attitude histogram.
    """
    if read_region(Path(region)).system not in ("fk5", "icrs"):
        raise BadInput(f"{region} is not in fk5: an ARF is made of a region in sky coordinates")
    if not axis_offset_zero:
        return
    shutil.copyfile(EXPOSURE_MAP, PREPARED_MAP)
    try:
        with fits.open(PREPARED_MAP, mode="update", memmap=True) as hdus:
            for key in ("OPTAOFFX", "OPTAOFFY"):
                hdus[_HISTOGRAM].header[key] = (0.0, "set by xtendflow for HEASoft 6.36 (GEN-6)")
    except KeyError as exc:
        raise Permanent(f"the exposure map holds no {_HISTOGRAM}, so no ARF can be made of it") from exc


def load(loaders: Sequence[Mapping[str, Any]], **given: Any) -> Report:
    """Write loader scripts in the current directory, but none that names an ARF that is not here.

    Parameters
    ----------
    loaders : sequence of dict
        As `given_responses.make` takes them.
    **given
        What else it takes.

    Returns
    -------
    Report
        `not_made` where there is no ARF.
    """
    lost = {
        item["name"]: f"{arf} was not made"
        for item in loaders
        if (arf := item["files"]["arf"]) and not Path(arf).exists()
    }
    report = given_responses.make(loaders=[item for item in loaders if item["name"] not in lost], **given)
    return report.model_copy(update={"not_made": report.not_made | lost})

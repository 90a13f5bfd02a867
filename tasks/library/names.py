"""File names of products: what a product is can be read from its name, and no two share one."""

import math
import re
from typing import Literal

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band, DataClass, ObsID
from tasks.library.manifest import Role
from tasks.xtend.grouping import GroupingKind

Frame = Literal["radec", "skypix"]
_LONGEST_TARGET_NAME = 100
_SPECTRUM = "-spectrum.fits"
_LONGEST_VALUE = 68
"""Characters that the value of a FITS keyword holds."""


def image(oi: ObsID, dc: DataClass, band: Band, binning: int) -> str:
    """Name of a counts image."""
    return f"{_dataset(oi, dc)}-imbinfactor{binning}-{_energies(band)}-image.fits"


def rate_image(oi: ObsID, dc: DataClass, band: Band, binning: int) -> str:
    """Name of an image divided by its exposure map."""
    return f"{_dataset(oi, dc)}-imbinfactor{binning}-{_energies(band)}-rateimage.fits"


def exposure_map(oi: ObsID, dc: DataClass, delta_arcmin: float, numphi: int, binning: int) -> str:
    """Name of an exposure map."""
    attitude = f"attraddelta{_number(delta_arcmin)}arcmin-attphibin{numphi}"
    return f"{_dataset(oi, dc)}-{attitude}-imbinfactor{binning}-enALL-expmap.fits"


def efficiency_map(oi: ObsID, dc: DataClass, delta_arcmin: float, numphi: int, energy_kev: float) -> str:
    """Name of an efficiency map, which is not binned."""
    attitude = f"attraddelta{_number(delta_arcmin)}arcmin-attphibin{numphi}"
    return f"{_dataset(oi, dc)}-{attitude}-imbinfactor1-en{_number(energy_kev)}keV-effmap.fits"


def light_curve(
    oi: ObsID,
    dc: DataClass,
    ra: float,
    dec: float,
    band: Band,
    threshold: float,
    time_bin: float,
    role: Role,
    aperture: float | str,
) -> str:
    """Name of a light curve.

    Parameters
    ----------
    oi, dc : ObsID, DataClass
        The dataset.
    ra, dec : float
        The source's position in degrees; a background's or net curve's name holds it as well.
    band : Band
        Energies in keV.
    threshold : float
        Least exposed fraction of a bin that is kept.
    time_bin : float
        Length of a bin in seconds.
    role : Role
        Source, background or net.
    aperture : float or str
        Radius of the source circle in degrees, or the hash of a region: always for a background, and
        for a source region that is no circle.

    Raises
    ------
    BadInput
        When a figure is not finite, the role has no such product or the aperture does not fit it.
    """
    selection = f"expthresh{_number(threshold)}-tb{_number(time_bin)}s"
    extraction = f"{_position(ra, dec)}-{_aperture(role, aperture)}-{_energies(band)}"
    return f"{_dataset(oi, dc)}-{extraction}-{selection}{_suffix(role)}-lightcurve.fits"


def spectrum(oi: ObsID, dc: DataClass, ra: float, dec: float, role: Role, aperture: float | str) -> str:
    """Name of an ungrouped spectrum; parameters and errors as for `light_curve`."""
    extraction = f"{_position(ra, dec)}-{_aperture(role, aperture)}-enALL"
    return f"{_dataset(oi, dc)}-{extraction}{_suffix(role)}{_SPECTRUM}"


def grouped_spectrum(spectrum_name: str, kind: GroupingKind, scale: float | None = None) -> str:
    """Name of a grouped spectrum, from that of the ungrouped one; optimal grouping may have no scale."""
    return f"{spectrum_name.removesuffix(_SPECTRUM)}-{kind}grp{'' if scale is None else scale}{_SPECTRUM}"


def rmf(oi: ObsID, dc: DataClass) -> str:
    """Name of a redistribution matrix."""
    return f"{_dataset(oi, dc)}.rmf"


def arf(spectrum_name: str) -> str:
    """Name of an ancillary response, from that of the spectrum it belongs to."""
    return f"{spectrum_name.removesuffix(_SPECTRUM)}.arf"


def fit(spectrum_name: str) -> str:
    """Name of the result of a fit, from that of the ungrouped spectrum of its source."""
    return f"{spectrum_name.removesuffix(_SPECTRUM)}-fit.json"


def in_header(name: str | None) -> str:
    """A file as RESPFILE, ANCRFILE or BACKFILE name it: `none` where the keyword cannot hold its name."""
    return name if name is not None and len(name) <= _LONGEST_VALUE else "none"


def loaders() -> tuple[str, str]:
    """Names of the scripts that load a dataset's spectrum into XSPEC and Sherpa."""
    return "load.xcm", "load_sherpa.py"


def raytraced_events(oi: ObsID, dc: DataClass, ra: float, dec: float, numphoton: int) -> str:
    """Name of the ray-traced events of an ARF; position in degrees as in `light_curve`."""
    return f"{_dataset(oi, dc)}-{_position(ra, dec)}-numphoton{numphoton}-enALL-raytracedevents.fits"


def region(oi: ObsID, target_name: str, frame: Frame, role: Literal["src", "back"]) -> str:
    """Name of a source's or background's region file, in sky or pixel coordinates."""
    return f"{frame}_{oi}_{target_slug(target_name)}_{role}.reg"


def calibration_region(oi: ObsID) -> str:
    """Name of the region file of the calibration sources."""
    return f"radec_{oi}_calsrc.reg"


def cleaned_events(oi: ObsID, split: int, dc: DataClass) -> str:
    """Name of a cleaned event file, as HEASoft writes it; `split` is 0 when the list is in one piece."""
    return f"xa{oi}xtd_p{split}{dc}_cl.evt"


def bad_pixel_image(oi: ObsID, split: int, dc: DataClass) -> str:
    """Name of a bad-pixel image, as HEASoft writes it."""
    return f"xa{oi}xtd_p{split}{dc}.bimg"


def flickering_pixels(oi: ObsID, dc: DataClass) -> str:
    """Name of a dataset's list of flickering pixels, as HEASoft gives it to a first split."""
    return f"xa{oi}xtd_p0{dc}.fpix"


def combined(
    oi: ObsID, kind: Literal["image", "rateimage", "expmap"], band: Band | None, binning: int
) -> str:
    """Name of an image summed over an ObsID's data classes; an exposure map has no band."""
    energies = _energies(band) if band else "enALL"
    return f"xrism-xtend-obsid{oi}-allclasses-imbinfactor{binning}-{energies}-{kind}.fits"


def target_slug(name: str) -> str:
    """A target's name as file names carry it: `AX J1910.7+0917` is `AXJ1910.7+0917`."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "", name)[:_LONGEST_TARGET_NAME] or "target"


def _dataset(oi: ObsID, dc: DataClass) -> str:
    return f"xrism-xtend-obsid{oi}-dataclass{dc}"


def _energies(band: Band) -> str:
    return f"en{float(band.low)!r}_{float(band.high)!r}keV"


def _position(ra: float, dec: float) -> str:
    return f"ra{_number(ra, 6)}-dec{_number(dec, 6)}"


def _aperture(role: Role, aperture: float | str) -> str:
    """The part that tells regions apart: a circle's radius, or a region's hash."""
    if isinstance(aperture, str):
        if not re.fullmatch("[0-9a-f]{8}", aperture):
            raise BadInput(f"{aperture!r} is no region hash: eight hexadecimal digits are expected")
        return f"{'breg' if role == Role.BACKGROUND else 'reg'}{aperture}"
    if role == Role.BACKGROUND:
        raise BadInput("a background is named by the hash of its region, not by a radius")
    return f"radius{_number(aperture, 4)}deg"


def _suffix(role: Role) -> str:
    suffixes = {Role.SOURCE: "", Role.BACKGROUND: "-back", Role.NET: "-net"}
    if role not in suffixes:
        raise BadInput(f"light curves and spectra have no role {role.value}")
    return suffixes[role]


def _number(value: float, digits: int | None = None) -> str:
    """A figure as Python prints floats, rounded where asked for; never `-0.0`."""
    if not math.isfinite(value):
        raise BadInput(f"a file name cannot hold the figure {value}")
    rounded = float(value) if digits is None else round(float(value), digits)
    return repr(rounded + 0.0)

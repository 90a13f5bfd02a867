"""Products as rows of the ObsCore table (IVOA Recommendation 1.1), by which other archives are searched."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tasks.core.errors import SoftwareFault
from tasks.library.coverage import Coverage
from tasks.library.manifest import Kind, Manifest, Product, Role, Step
from tasks.xtend.geometry import PIXEL_ARCSEC, PIXEL_DEG, SKY_SIZE

AUTHORITY: Final = "ivo://xtendflow/products"
"""Nobody has registered it; what stands behind it is unique all the same."""
WAVELENGTH_M_KEV: Final = 1.2398419843320026e-09
"""Planck's constant times the speed of light, exact since 2019."""
BANDPASS_KEV: Final = (0.4, 13.0)
"""What Xtend is sensitive to, for products that have no band of their own."""
RESOLVING_POWER: Final = 34.0
"""E/ΔE at 6 keV, where ΔE is 170–180 eV (FWHM)."""
RESOLUTION_ARCSEC: Final = 7.2
"""The core of the point-spread function (FWHM, POG); the half-power diameter is 80–88″."""
_CHANNELS: Final = 4096
_KBYTE: Final = 1000

_IMAGES: Final = {Kind.IMAGE, Kind.RATE_IMAGE, Kind.EXPOSURE_MAP, Kind.EFFICIENCY_MAP, Kind.BAD_PIXELS}
_TYPES: Final = {
    **dict.fromkeys(_IMAGES, "image"),
    Kind.EVENTS: "event",
    Kind.LIGHT_CURVE: "timeseries",
    Kind.SPECTRUM: "spectrum",
    Kind.GROUPED_SPECTRUM: "spectrum",
    Kind.FIT: "measurements",
}
"""The standard knows no type for responses, regions and scripts: theirs is null."""
_DERIVED: Final = {Kind.RATE_IMAGE, Kind.GROUPED_SPECTRUM}
_OBSERVABLES: Final = {
    Kind.IMAGE: "phot.count;em.X-ray",
    Kind.RATE_IMAGE: "arith.rate;phot.count;em.X-ray",
    Kind.EXPOSURE_MAP: "time.duration;obs.exposure",
    Kind.LIGHT_CURVE: "arith.rate;phot.count;em.X-ray",
    Kind.SPECTRUM: "phot.count;em.X-ray",
    Kind.GROUPED_SPECTRUM: "phot.count;em.X-ray",
}
_FORMATS: Final = {
    ".reg": "text/plain",
    ".xcm": "text/plain",
    ".py": "text/x-python",
    ".json": "application/json",
}

Row = dict[str, Any]


def rows(manifest: Manifest, name: str, covered: Coverage | None, urls: Mapping[str, str]) -> Iterator[Row]:
    """A row for each product of a dataset.

    Parameters
    ----------
    manifest : Manifest
        The dataset.
    name : str
        Of the target, where the manifest has none.
    covered : Coverage or None
        What its exposure map covers.
    urls : mapping
        Where each product is, by its path.

    Yields
    ------
    dict
        By the names of `tasks.library.obscore_columns`; None where something is not known. Times are MJD
        in TT still.
    """
    target = manifest.target.name if manifest.target else name
    for product in manifest.products:
        yield {
            **_identity(manifest, product, target),
            "access_url": urls[product.path],
            "access_format": access_format(product),
            "access_estsize": -(-product.size // _KBYTE),
            **_sky(manifest, product, covered),
            **_time(manifest, product, covered),
            **_spectral(product),
            **_axes(product),
            "o_ucd": _OBSERVABLES.get(product.kind),
            "pol_states": None,
            "facility_name": "XRISM",
            "instrument_name": "Xtend",
            **_own(manifest, product),
        }


def wavelengths(kev: tuple[float, float]) -> tuple[float, float]:
    """The vacuum wavelengths in metres of a band in keV: shortest and longest.

    Raises
    ------
    SoftwareFault
        When the band does not lie above zero.
    """
    low, high = kev
    if not 0 < low < high:
        raise SoftwareFault(f"a band of {low}-{high} keV has no wavelengths")
    return WAVELENGTH_M_KEV / high, WAVELENGTH_M_KEV / low


def access_format(product: Product) -> str:
    """The MIME type of a product, as the standard's table has it."""
    suffix = "." + product.name.rpartition(".")[2]
    if suffix in _FORMATS:
        return _FORMATS[suffix]
    general = "image" if product.kind in _IMAGES else "application"
    return f"{general}/x-fits-gzip" if suffix == ".gz" else f"{general}/fits"


def stc_s(covered: Coverage) -> str:
    """Outlines as an STC-S region in ICRS, which FK5 J2000 agrees with to 0.03 arcsec."""
    polygons = [
        " ".join(f"{value:.6f}" for corner in corners for value in corner) for corners in covered.polygons
    ]
    if len(polygons) == 1:
        return f"POLYGON ICRS {polygons[0]}"
    return f"UNION ICRS ({' '.join(f'POLYGON {corners}' for corners in polygons)})"


def _identity(manifest: Manifest, product: Product, target: str) -> Row:
    band = f" {product.entry['band']} keV" if "band" in product.entry else ""
    simulated = " simulated" if _facts(manifest, Step.PROCESSING).get("simulated") else ""
    what = product.kind if product.role == Role.FIELD else f"{product.role} {product.kind}"
    derived = product.kind in _DERIVED or product.role == Role.NET
    return {
        "dataproduct_type": _TYPES.get(product.kind),
        "dataproduct_subtype": str(product.kind),
        "calib_level": 4 if product.kind == Kind.FIT else 3 if derived else 2,
        "obs_collection": f"XRISM-Xtend{simulated}",
        "obs_id": str(manifest.obsid),
        "obs_title": f"XRISM Xtend {manifest.obsid} {manifest.dataclass} {what}{band}: {target}",
        "obs_publisher_did": f"{AUTHORITY}?{manifest.obsid}/{manifest.dataclass}/{product.path}",
        "target_name": target,
    }


def _sky(manifest: Manifest, product: Product, covered: Coverage | None) -> Row:
    """Where: a source or background has its own circle, everything else the field."""
    own = "background" if product.role == Role.BACKGROUND else "source"
    region = _facts(manifest, Step.REGIONS).get(own)
    found: Row = {"s_resolution": RESOLUTION_ARCSEC}
    if product.role not in (Role.FIELD, Role.CALIBRATION) and region:
        radius = region["radius_arcmin"]
        around = 2 * region["pixels"]["radius"] * PIXEL_DEG
        circle = f"CIRCLE ICRS {region['ra']:.6f} {region['dec']:.6f} {(radius or 0.0) / 60:.6f}"
        found |= {"s_ra": region["ra"], "s_dec": region["dec"], "s_fov": around}
        return found | {"s_region": circle if radius else None}
    if covered:
        ra, dec = covered.centre
        return found | {"s_ra": ra, "s_dec": dec, "s_fov": 2 * covered.radius, "s_region": stc_s(covered)}
    nominal = _facts(manifest, Step.PROCESSING).get("nominal") or {}
    return found | {"s_ra": nominal.get("ra"), "s_dec": nominal.get("dec"), "s_fov": None, "s_region": None}


def _time(manifest: Manifest, product: Product, covered: Coverage | None) -> Row:
    facts = _facts(manifest, Step.PROCESSING)
    frame = (facts.get("mode") or {}).get("frame_s")
    resolutions = {Kind.EVENTS: frame, Kind.LIGHT_CURVE: product.entry.get("time_bin")}
    return {
        "t_min": covered.start if covered else None,
        "t_max": covered.stop if covered else None,
        "t_exptime": facts.get("exposure_s"),
        "t_resolution": resolutions.get(product.kind),
    }


def _spectral(product: Product) -> Row:
    shortest, longest = wavelengths(tuple(product.entry.get("kev", BANDPASS_KEV)))
    resolved = product.kind in (Kind.EVENTS, Kind.SPECTRUM, Kind.GROUPED_SPECTRUM)
    power = RESOLVING_POWER if resolved else None
    return {"em_min": shortest, "em_max": longest, "em_res_power": power}


def _axes(product: Product) -> Row:
    """How many elements each axis has; -1 says of events that they are not sampled."""
    names = ("s_xel1", "s_xel2", "t_xel", "em_xel")
    size = SKY_SIZE // product.entry["binning"] if "binning" in product.entry else None
    numbers: dict[str | None, tuple[int | None, ...]] = {
        "event": (-1, -1, -1, -1),
        "image": (size, size, 1, 1),
        "spectrum": (1, 1, 1, _CHANNELS),
        "timeseries": (1, 1, None, 1),
    }
    kind = _TYPES.get(product.kind)
    scale = PIXEL_ARCSEC * product.entry["binning"] if kind == "image" and size else None
    found = dict(zip(names, numbers.get(kind, (None,) * 4), strict=True))
    return {**found, "pol_xel": 0, "s_pixel_scale": scale}


def _own(manifest: Manifest, product: Product) -> Row:
    """What this project knows besides."""
    record = manifest.steps.get(product.step)
    cautions = dict.fromkeys(item.id for item in (*manifest.cautions, *product.cautions))
    return {
        "data_class": str(manifest.dataclass),
        "role": str(product.role),
        "recipe": manifest.recipe,
        "engine": record.engine if record else None,
        "sha256": product.sha256,
        "cautions": " ".join(cautions) or None,
    }


def _facts(manifest: Manifest, step: Step) -> dict[str, Any]:
    return manifest.steps[step].facts if step in manifest.steps else {}

"""Whether two images lie pixel upon pixel."""

from typing import Any, Final

from astropy.io import fits

_KINDS: Final = ("CTYPE1", "CTYPE2")
_TOLERANCE: Final = 0.01
"""In pixels: finer than any of these products resolves."""


def difference(first: fits.Header, second: fits.Header) -> str | None:
    """What keeps two image headers from describing the same sky pixels; None when they do."""
    for key in ("NAXIS1", "NAXIS2", *_KINDS):
        if first.get(key) != second.get(key):
            return f"{key} is {first.get(key)} and {second.get(key)}"
    for axis in (1, 2):
        scale = abs(_figure(first, f"CDELT{axis}")) or 1.0
        # A wrong scale shows at the far edge of the image, so it counts as often as there are pixels.
        for key, unit in (("CRPIX", 1.0), ("CRVAL", scale), ("CDELT", scale / first[f"NAXIS{axis}"])):
            values = _figure(first, f"{key}{axis}"), _figure(second, f"{key}{axis}")
            if abs(values[0] - values[1]) > _TOLERANCE * unit:
                return f"{key}{axis} is {values[0]!r} and {values[1]!r}"
    return None


def _figure(header: Any, key: str) -> float:
    return float(header.get(key, 0.0))

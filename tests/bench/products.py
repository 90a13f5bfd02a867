"""The set of products that the seed notebooks make of a dataset, as `extract` takes it."""

from typing import Any, Final

BANDS: Final = ((100, 334), (333, 1667), (66, 334), (100, 1667))
"""0.6–2, 2–10, 0.4–2 and 0.6–10 keV in channels."""
CURVE_BANDS: Final = ((100, 334), (333, 1001), (1000, 1667))
"""0.6–2, 2–6 and 6–10 keV in channels."""
BINNINGS: Final = (1, 4)
REGIONS: Final = ("source", "background")
TIME_BIN: Final = 200.0


def request(events: str) -> dict[str, Any]:
    """Keywords of `extract` for 8 images, 6 light curves and 2 spectra."""
    images = [
        {"name": f"image_{low}_{high}_{binning}.fits", "channels": [low, high], "binning": binning}
        for low, high in BANDS
        for binning in BINNINGS
    ]
    light_curves = [
        {"name": f"{region}_{low}_{high}.fits", "channels": [low, high], "region": f"{region}.reg",
         "time_bin": TIME_BIN, "threshold": 0.0}
        for region in REGIONS
        for low, high in CURVE_BANDS
    ]  # fmt: skip
    spectra = [{"name": f"{name}.fits", "region": f"{name}.reg", "exposure_map": None} for name in REGIONS]
    return {"events": [events], "images": images, "light_curves": light_curves, "spectra": spectra,
            "recipe": "none"}  # fmt: skip


def outputs(wanted: dict[str, Any]) -> tuple[str, ...]:
    """Names of the files that a request makes."""
    return tuple(item["name"] for kind in ("images", "light_curves", "spectra") for item in wanted[kind])

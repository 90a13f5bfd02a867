"""The field that regions are chosen on: exposure, and counts of 0.6–10 keV, on unbinned sky pixels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import Permanent, SoftwareFault
from tasks.core.identifiers import Band
from tasks.engines.native.cuts import Cuts
from tasks.engines.native.detector import live_mask, read_bad_pixels
from tasks.engines.native.events import EventList, read_events
from tasks.engines.native.files import read_image
from tasks.engines.native.images import ImageCounter
from tasks.engines.native.keywords import nominal_of
from tasks.engines.native.projection import nominal_coverage
from tasks.engines.native.selection import Selection
from tasks.xtend.channels import channels
from tasks.xtend.field import Circle, Field, calibration_circles
from tasks.xtend.geometry import DET_SIZE, SKY_SIZE
from tasks.xtend.nominal import Nominal

DETECTION_BAND: Final = Band.parse("0.6-10")


def read_field(
    events: Sequence[str],
    exposure_map: str | None,
    bad_pixels: str | None,
    calibration: tuple[Circle, ...] | None,
) -> Field:
    """The field of a dataset.

    Parameters
    ----------
    events : sequence of str
        Cleaned event files.
    exposure_map : str or None
        Unbinned exposure map in seconds.
    bad_pixels : str or None
        Bad-pixel image, used when there is no exposure map.
    calibration : tuple of Circle or None
        The calibration sources; None stands for where the nominal aspect puts them.

    Raises
    ------
    Permanent
        When a file cannot be read, or the events do not give their aspect, or other sky pixels than
        Xtend's.
    SoftwareFault
        When the exposure map is not that of the whole unbinned field.
    """
    needs_det = not (exposure_map or bad_pixels)
    listed = read_events(
        [Path(name) for name in events], ("TIME", "X", "Y", "PI", *(("DETX", "DETY") if needs_det else ()))
    )
    nominal = nominal_of(listed.keywords, listed.name)
    exposure = _exposed_area(nominal, listed, exposure_map, bad_pixels)
    selection = Selection(listed)
    seconds = float(exposure.max()) * selection.live_fraction if exposure_map else selection.exposure
    circles = calibration_circles(nominal) if calibration is None else calibration
    return Field(nominal, exposure, _counts(selection), seconds, circles)


def _counts(selection: Selection) -> NDArray[np.int32]:
    """Counts in good time per sky pixel, shape (2430, 2430)."""
    band = channels(DETECTION_BAND)
    cuts = Cuts([band], selection.events.axis("PI"))
    counter = ImageCounter(selection, cuts, [1])
    for chunk in selection.chunks():
        counter.add(chunk)
    image = counter.band(band).image(1)
    if image.shape != (SKY_SIZE, SKY_SIZE):
        height, width = image.shape
        raise Permanent(
            f"{selection.events.name} has {width}×{height} sky pixels where Xtend has {SKY_SIZE}×{SKY_SIZE}"
        )
    return image


def _exposed_area(
    nominal: Nominal, events: EventList, exposure_map: str | None, bad_pixels: str | None
) -> NDArray[np.float32]:
    """Exposure per SKY pixel, shape (2430, 2430), from the best file there is.

    In seconds from an exposure map; else the fraction of each pixel, at the nominal attitude, that good
    DET pixels cover, or the rectangle of DET pixels in which events were seen.
    """
    if exposure_map:
        exposure: NDArray[np.float32] = np.nan_to_num(read_image(Path(exposure_map))[0].astype(np.float32))
        if exposure.shape != (SKY_SIZE, SKY_SIZE):
            raise SoftwareFault(f"{exposure_map} is no unbinned exposure map of {SKY_SIZE}×{SKY_SIZE} pixels")
        return exposure
    good = live_mask(read_bad_pixels(Path(bad_pixels))) if bad_pixels else _seen(events)
    return nominal_coverage(good, nominal)


def _seen(events: EventList) -> NDArray[np.bool_]:
    """The rectangle of DET pixels in which events were seen, shape (1810, 1810)."""
    bounds: list[tuple[int, int, int, int]] = []
    for chunk in events.parts:
        x, y = chunk["DETX"], chunk["DETY"]
        inside = (x >= 1) & (x <= DET_SIZE) & (y >= 1) & (y <= DET_SIZE)
        if inside.any():
            x, y = x[inside], y[inside]
            bounds.append((int(x.min()), int(x.max()), int(y.min()), int(y.max())))
    seen = np.zeros((DET_SIZE, DET_SIZE), np.bool_)
    if bounds:
        left, right, bottom, top = zip(*bounds, strict=True)
        seen[min(bottom) - 1 : max(top), min(left) - 1 : max(right)] = True
    return seen

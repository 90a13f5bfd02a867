"""Images, light curves and spectra of one dataset in one read of its events."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tasks.engines.native.backscal import (
    ExposureMap,
    backscal_by_exposure,
    backscal_by_pixels,
    count_pixels,
    read_exposure_map,
)
from tasks.engines.native.events import read_events
from tasks.engines.native.headers import write_product
from tasks.engines.native.images import image_hdus
from tasks.engines.native.images import images as binned_images
from tasks.engines.native.light_curves import light_curve, light_curve_hdus
from tasks.engines.native.ogip import selection_history
from tasks.engines.native.selection import Mask, Selection, select
from tasks.engines.native.spectra import Spectrum, count_channels, spectrum_hdus
from tasks.library.call import FileName, Report
from tasks.xtend.cautions import Caution, caution, notice, severe
from tasks.xtend.channels import Channels
from tasks.xtend.regions import Region, read_region

_COLUMNS = ("TIME", "X", "Y", "PI")
_DETECTOR = ("DETX", "DETY")


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: FileName


class ImageRequest(_Request):
    """An image to make: its file, PI range (None is every event) and binning."""

    channels: Channels | None
    binning: Annotated[int, Field(ge=1)]


class LightCurveRequest(_Request):
    """A light curve to make: its file, PI range, region (None is the field), bin and least FRACEXP."""

    channels: Channels | None
    region: FileName | None
    time_bin: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    threshold: Annotated[float, Field(ge=0, le=1)]


class SpectrumRequest(_Request):
    """A spectrum to make: its file, region and exposure map (None: BACKSCAL by the number of pixels)."""

    region: FileName | None
    exposure_map: FileName | None


@dataclass
class _Job:
    """What the products of one extraction share, each worked out once."""

    selection: Selection
    recipe: str
    regions: dict[str | None, Region | None] = field(default_factory=lambda: {None: None})
    masks: dict[str | None, Mask] = field(default_factory=dict)
    pixels: dict[str | None, int] = field(default_factory=dict)
    maps: dict[str, ExposureMap] = field(default_factory=dict)

    def region(self, name: str | None) -> Region | None:
        if name not in self.regions:
            self.regions[name] = read_region(Path(str(name)))
        return self.regions[name]

    def inside(self, name: str | None) -> Mask:
        if name not in self.masks:
            self.masks[name] = self.selection.inside(self.region(name))
        return self.masks[name]

    def pixels_in(self, name: str | None) -> int:
        if name not in self.pixels:
            self.pixels[name] = count_pixels(self.region(name), self.selection.events)
        return self.pixels[name]

    def exposure_map(self, name: str) -> ExposureMap:
        if name not in self.maps:
            self.maps[name] = read_exposure_map(Path(name), self.selection.events)
        return self.maps[name]

    def write(self, name: str, hdus: list[Any], channels: Channels | None, region: str | None) -> None:
        history = selection_history(self.selection, channels, self.region(region))
        write_product(Path(name), hdus, self.selection.events.keywords, history, self.recipe)


def extract(
    events: list[str],
    images: list[dict[str, Any]],
    light_curves: list[dict[str, Any]],
    spectra: list[dict[str, Any]],
    recipe: str,
) -> Report:
    """Make all products that come straight from the events, in the current directory.

    Parameters
    ----------
    events : list of str
        The event files of one dataset.
    images, light_curves, spectra : list of dict
        What to make: see `ImageRequest`, `LightCurveRequest`, `SpectrumRequest`.
    recipe : str
        The recipe's hash, or `none`.

    Returns
    -------
    Report
        Facts: `ontime`, `exposure`, `live_fraction`, and by file name `counts`, `backscal` and
        `region_pixels`. A spectrum without exposure in its region is not made, and `not_made` says so.

    Raises
    ------
    BadInput, NoData, Permanent
        As the readers of events, regions and exposure maps do.
    """
    read = read_events([Path(name) for name in events], _COLUMNS, _DETECTOR if spectra else ())
    job = _Job(select(read), recipe)
    counts = _make_images(job, TypeAdapter(list[ImageRequest]).validate_python(images))
    for curve in TypeAdapter(list[LightCurveRequest]).validate_python(light_curves):
        counts[curve.name] = _make_light_curve(job, curve)
    backscal: dict[str, float] = {}
    not_made: dict[str, str] = {}
    for request in TypeAdapter(list[SpectrumRequest]).validate_python(spectra):
        spectrum = _spectrum(job, request)
        if not spectrum.backscal:
            not_made[request.name] = f"no exposure in the region {request.region}"
            continue
        inside, region = job.inside(request.region), job.region(request.region)
        job.write(request.name, spectrum_hdus(job.selection, inside, region, spectrum), None, request.region)
        counts[request.name], backscal[request.name] = spectrum.total, spectrum.backscal
    facts = {
        "ontime": job.selection.ontime,
        "exposure": job.selection.exposure,
        "live_fraction": job.selection.live_fraction,
        "counts": counts,
        "backscal": backscal,
        "region_pixels": {name: count for name, count in job.pixels.items() if name},
    }
    return Report(facts=facts, cautions=tuple(_cautions(job.selection)), not_made=not_made)


def _make_images(job: _Job, requests: Iterable[ImageRequest]) -> dict[str, int]:
    """Images, those of one band together; their counts."""
    counts: dict[str, int] = {}
    ordered = sorted(requests, key=lambda request: request.channels or ())
    for channels, group in groupby(ordered, key=lambda request: request.channels):
        wanted = list(group)
        for binning, image in binned_images(job.selection, channels, {item.binning for item in wanted}):
            for item in wanted:
                if item.binning == binning:
                    job.write(item.name, image_hdus(job.selection, channels, binning, image), channels, None)
                    counts[item.name] = int(image.sum())
    return counts


def _make_light_curve(job: _Job, request: LightCurveRequest) -> int:
    chosen = job.inside(request.region) & job.selection.within(request.channels)
    curve = light_curve(job.selection, chosen, request.time_bin, request.threshold)
    region, pixels = job.region(request.region), job.pixels_in(request.region)
    hdus = light_curve_hdus(job.selection, request.channels, region, pixels, curve)
    job.write(request.name, hdus, request.channels, request.region)
    return int(curve.counts.sum())


def _spectrum(job: _Job, request: SpectrumRequest) -> Spectrum:
    events, region, pixels = job.selection.events, job.region(request.region), job.pixels_in(request.region)
    if request.exposure_map is None:
        backscal = backscal_by_pixels(pixels, events)
    else:
        backscal = backscal_by_exposure(region, events, job.exposure_map(request.exposure_map))
    counts = count_channels(job.selection, job.inside(request.region))
    return Spectrum(events.axis("PI").low, counts, backscal, pixels)


def _cautions(selection: Selection) -> Iterable[Caution]:
    header = selection.events.header
    for note in selection.events.notes:
        yield caution("good-time", f"{note}.")
    if selection.live_fraction != 1:
        yield notice(
            "dead-time",
            f"Photons were taken for {selection.live_fraction:.4f} of the good time; "
            "EXPOSURE is corrected for it, the rates of light curves are not.",
        )
    if "TIMEPIXR" not in header and float(header.get("TIMEDEL", 0)) > 0:
        yield severe(
            "timepixr-missing",
            "The events do not say where in a frame their time lies (TIMEPIXR missing); as HEASoft does, "
            "the start of the frame is taken. On Xtend it is the middle.",
        )

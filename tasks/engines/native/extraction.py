"""Images, light curves and spectra of one dataset in one read of its events."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tasks.engines.native.backscal import (
    ExposureMap,
    Normalisation,
    backscal_by_exposure,
    backscal_by_pixels,
    backscal_history,
    count_pixels,
    read_exposure_map,
)
from tasks.engines.native.cuts import Cuts
from tasks.engines.native.events import read_events
from tasks.engines.native.headers import write_product
from tasks.engines.native.images import ImageCounter, image_hdus
from tasks.engines.native.light_curves import CurveCounter, light_curve_hdus
from tasks.engines.native.ogip import selection_history
from tasks.engines.native.outliers import DETECTOR, OutlierCounter
from tasks.engines.native.selection import Chunk, Selection, select
from tasks.engines.native.spectra import Spectrum, SpectrumCounter, spectrum_hdus
from tasks.library.call import FileName, Report
from tasks.xtend.cautions import Caution, caution, notice, severe
from tasks.xtend.channels import Channels
from tasks.xtend.regions import Region, read_region

_COLUMNS = ("TIME", "X", "Y", "PI")


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
    """A spectrum to make: its file, region (None is the field), and what BACKSCAL is made of.

    Without an exposure map BACKSCAL goes by the number of pixels.
    """

    region: FileName | None
    exposure_map: FileName | None
    normalisation: Normalisation = "exposure"


@dataclass
class _Job:
    """What the products of one extraction share, each worked out once."""

    selection: Selection
    recipe: str
    regions: dict[str | None, Region | None] = field(default_factory=lambda: {None: None})
    pixels: dict[str | None, int] = field(default_factory=dict)
    maps: dict[str, ExposureMap] = field(default_factory=dict)

    def region(self, name: str | None) -> Region | None:
        if name not in self.regions:
            self.regions[name] = read_region(Path(str(name)))
        return self.regions[name]

    def pixels_in(self, name: str | None) -> int:
        if name not in self.pixels:
            self.pixels[name] = count_pixels(self.region(name), self.selection.events)
        return self.pixels[name]

    def exposure_map(self, name: str) -> ExposureMap:
        if name not in self.maps:
            self.maps[name] = read_exposure_map(Path(name), self.selection.events)
        return self.maps[name]

    def backscal(self, request: SpectrumRequest) -> float:
        if request.exposure_map is None:
            return backscal_by_pixels(self.pixels_in(request.region), self.selection.events)
        exposure_map = self.exposure_map(request.exposure_map)
        region = self.region(request.region)
        return backscal_by_exposure(region, self.selection.events, exposure_map, request.normalisation)

    def write(
        self, name: str, hdus: list[Any], channels: Channels | None, region: str | None, *said: str
    ) -> None:
        history = [*selection_history(self.selection, channels, self.region(region)), *said]
        write_product(Path(name), hdus, self.selection.events.keywords, history, self.recipe)


_CurveCounters = dict[tuple[str | None, float], CurveCounter]


class _Counter(Protocol):
    """Something that is filled in the one pass over the events."""

    def add(self, chunk: Chunk) -> None: ...


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
        Facts: `ontime`, `exposure`, `live_fraction`, by file name `counts`, `backscal` and `region_pixels`,
        and where the events have detector pixels `flickering` {pixels, events, brightest}. A spectrum without
        exposure in its region is not made, and `not_made` says so.

    Raises
    ------
    BadInput, NoData, Permanent
        As the readers of events, regions and exposure maps do.
    """
    asked = (
        TypeAdapter(list[ImageRequest]).validate_python(images),
        TypeAdapter(list[LightCurveRequest]).validate_python(light_curves),
        TypeAdapter(list[SpectrumRequest]).validate_python(spectra),
    )
    read = read_events([Path(name) for name in events], _COLUMNS, DETECTOR if images or spectra else ())
    job = _Job(select(read), recipe)
    shares = {request.name: job.backscal(request) for request in asked[2]}
    made = [request for request in asked[2] if shares[request.name]]
    images_of = _image_counter(job, asked[0])
    curves_of = _curve_counters(job, asked[1])
    spectra_of = [SpectrumCounter(job.selection, job.region(request.region)) for request in made]
    flickering = OutlierCounter() if {*DETECTOR} <= read.axes.keys() else None
    _count(job.selection, [images_of])
    with ThreadPoolExecutor(1) as writer:
        # Images are most of what is written: the disk takes them while the rest is counted. With a job of its
        # own the writer shares no HDU with this thread.
        images_written = writer.submit(_write_images, _Job(select(read), recipe), asked[0], images_of)
        _count(job.selection, [*curves_of.values(), *spectra_of, *filter(None, [flickering])])
        of_curves = _write_light_curves(job, asked[1], curves_of)
        of_spectra = {
            request.name: _write_spectrum(job, request, counter.spectrum(), shares[request.name])
            for request, counter in zip(made, spectra_of, strict=True)
        }
        counts = images_written.result() | of_curves | of_spectra
    facts = {
        "ontime": job.selection.ontime,
        "exposure": job.selection.exposure,
        "live_fraction": job.selection.live_fraction,
        "counts": counts,
        "backscal": {request.name: shares[request.name] for request in made},
        "region_pixels": {name: count for name, count in job.pixels.items() if name},
    }
    if flickering:
        facts["flickering"] = flickering.outliers().facts
    not_made = {
        request.name: f"no exposure in the region {request.region}"
        for request in asked[2]
        if request not in made
    }
    return Report(facts=facts, cautions=tuple(selection_cautions(job.selection)), not_made=not_made)


def _count(selection: Selection, counters: Sequence[_Counter]) -> None:
    for chunk in selection.chunks():
        for counter in counters:
            counter.add(chunk)


def _image_counter(job: _Job, requests: Sequence[ImageRequest]) -> ImageCounter:
    cuts = Cuts((request.channels for request in requests), job.selection.events.axis("PI"))
    return ImageCounter(job.selection, cuts, (request.binning for request in requests))


def _curve_counters(job: _Job, requests: Sequence[LightCurveRequest]) -> _CurveCounters:
    """What counts the curves of each region and bin."""
    cuts = Cuts((request.channels for request in requests), job.selection.events.axis("PI"))
    return {
        (region, width): CurveCounter(job.selection, cuts, job.region(region), width)
        for region, width in dict.fromkeys((request.region, request.time_bin) for request in requests)
    }


def _write_images(job: _Job, requests: Sequence[ImageRequest], counter: ImageCounter) -> dict[str, int]:
    """Write the images, band by band; their counts."""
    counts: dict[str, int] = {}
    for channels in dict.fromkeys(request.channels for request in requests):
        band = counter.band(channels)
        for request in requests:
            if request.channels == channels:
                image = band.image(request.binning)
                hdus = image_hdus(job.selection, channels, request.binning, image, band.selected)
                job.write(request.name, hdus, channels, None)
                counts[request.name] = int(image.sum())
    return counts


def _write_light_curves(
    job: _Job, requests: Sequence[LightCurveRequest], counters: _CurveCounters
) -> dict[str, int]:
    """Write the light curves; their counts."""
    counts: dict[str, int] = {}
    for request in requests:
        region, pixels = job.region(request.region), job.pixels_in(request.region)
        curve = counters[request.region, request.time_bin].curve(request.channels, request.threshold)
        hdus = light_curve_hdus(job.selection, request.channels, region, pixels, curve)
        job.write(request.name, hdus, request.channels, request.region)
        counts[request.name] = int(curve.counts.sum())
    return counts


def _write_spectrum(job: _Job, request: SpectrumRequest, spectrum: Spectrum, backscal: float) -> int:
    region, pixels = job.region(request.region), job.pixels_in(request.region)
    hdus = spectrum_hdus(job.selection, region, spectrum, backscal, pixels)
    said = backscal_history(request.exposure_map, request.normalisation)
    job.write(request.name, hdus, None, request.region, said)
    return spectrum.total


def selection_cautions(selection: Selection) -> Iterable[Caution]:
    """What there is to know of the good time and the frame times of an event list."""
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

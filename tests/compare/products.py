"""What is compared of each kind of product, and how much it may differ."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from differences import FLOAT32, NUMBER, Comparison, Row, largest, relative
from numpy.typing import NDArray

MAP_WORLD = 1e-9
"""Relative: the map tool computes its pixel size, and we the exact one."""
MAP_TOTAL, MAP_EDGE, BACKSCAL_SAME_MAP, BACKSCAL_OWN_MAP = 1e-3, 0.02, 1e-6, 1e-4
FLAT = 1e-6
"""A pixel is an inner one where those around it have its exposure, to this fraction of the whole."""


def image_rows(item: Comparison) -> Iterator[Row]:
    """An image: pixels, coordinates, keywords, good time."""
    yield from item.image()
    yield from item.world()
    yield from item.times("PRIMARY")
    yield from item.keywords("PRIMARY")
    yield from item.gti()


def curve_rows(item: Comparison) -> Iterator[Row]:
    """A light curve: bins, counts, rates and their times."""
    ours, theirs = (hdu.data for hdu in item.pair("RATE"))
    yield item.row("bins", abs(len(ours) - len(theirs)))
    if len(ours) == len(theirs):
        width = item.theirs["RATE"].header["TIMEDEL"]
        counts = [np.rint(table["RATE"].astype(float) * table["FRACEXP"] * width) for table in (ours, theirs)]
        yield item.row("counts", largest(*counts))
        yield item.column("RATE", "TIME", 0.0)
        for name in ("RATE", "ERROR", "FRACEXP"):
            yield item.column("RATE", name, FLOAT32, floor=0.0)
    yield from item.times("RATE")
    yield from item.keywords("RATE")
    yield from item.keywords("PRIMARY")
    yield from item.gti()
    yield from item.region()


def net_curve_rows(item: Comparison) -> Iterator[Row]:
    """A net light curve; what is left after subtraction is as exact as what was subtracted."""
    ours, theirs = (hdu.data for hdu in item.pair("RATE"))
    yield item.row("bins", abs(len(ours) - len(theirs)))
    if len(ours) == len(theirs):
        yield item.column("RATE", "TIME", 0.0)
        for name in ("RATE", "ERROR", "FRACEXP"):
            yield item.column(
                "RATE", name, FLOAT32, floor=float(np.nanmax(np.abs(theirs[name]), initial=0.0))
            )
    yield from item.times("RATE")
    yield from item.keywords("RATE")
    yield from item.keywords("PRIMARY")
    yield from item.gti()
    yield from item.region()


def spectrum_rows(item: Comparison) -> Iterator[Row]:
    """A spectrum: counts, exposure, area, weighted map."""
    ours, theirs = (hdu.data for hdu in item.pair("SPECTRUM"))
    if "WMAP" in item.left_out:
        first = int(theirs["CHANNEL"][0]) - int(ours["CHANNEL"][0])
        ours = ours[first : first + len(theirs)]
    for name in ("CHANNEL", "COUNTS"):
        yield item.row(name, largest(ours[name], theirs[name]))
    yield from item.times("SPECTRUM")
    headers = [hdu.header for hdu in item.pair("SPECTRUM")]
    yield item.row("BACKSCAL", relative(*(header["BACKSCAL"] for header in headers)), BACKSCAL_SAME_MAP)
    yield from item.keywords("SPECTRUM")
    yield from _wmap_rows(item)
    yield from item.gti()
    yield from item.region()


def _wmap_rows(item: Comparison) -> Iterator[Row]:
    if item.theirs["PRIMARY"].data is None:
        return
    if "WMAP" in item.left_out:
        yield item.row("WMAP", None, note=item.left_out["WMAP"])
        return
    for row in item.image():
        yield Row(row.product, f"WMAP {row.quantity}", row.difference, row.limit, row.note)
    for row in (*item.world(), *item.keywords("PRIMARY")):
        yield Row(row.product, f"WMAP {row.quantity}", row.difference, row.limit, row.note)


def grouped_rows(item: Comparison) -> Iterator[Row]:
    """A grouped spectrum: flags, counts, and the extensions that stay."""
    for name in ("COUNTS", "GROUPING", "QUALITY"):
        theirs = item.theirs["SPECTRUM"].data
        expected = theirs[name] if name in theirs.names else np.zeros(len(theirs))
        yield item.row(name, largest(item.ours["SPECTRUM"].data[name], expected))
    yield from item.times("SPECTRUM")
    yield from item.keywords("SPECTRUM")
    lost = [name for name in item.theirs if name not in item.ours]
    yield item.row("extensions kept", len(lost), 0, ", ".join(lost))
    if item.theirs["PRIMARY"].data is not None:
        yield item.row("WMAP", largest(item.ours["PRIMARY"].data, item.theirs["PRIMARY"].data))
    yield from item.gti()
    yield from item.region()


def map_rows(item: Comparison) -> Iterator[Row]:
    """An exposure map: its pixels inside and on edges, and the tables that xaarfgen reads."""
    histogram = item.theirs.get("OFFAXISHIST")
    exposure = histogram.header.get("EXPOSURE") if histogram else None
    yield from _exposure_rows(item, float(exposure or item.theirs["PRIMARY"].data.max()))
    if histogram:
        yield from _histogram_rows(item)
    yield from _numbered_rows(item)


def _histogram_rows(item: Comparison) -> Iterator[Row]:
    ours, theirs = item.pair("OFFAXISHIST")
    if "EXPOSURE" in theirs.header:
        gap = relative(ours.header["EXPOSURE"], theirs.header["EXPOSURE"])
        yield item.row("EXPOSURE", gap, NUMBER)
    yield item.row("wedges", abs(len(ours.data) - len(theirs.data)))
    if len(ours.data) == len(theirs.data):
        gaps = {name: largest(ours.data[name], theirs.data[name]) for name in theirs.columns.names}
        worst = max(gaps, key=lambda name: gaps[name])
        yield item.row("OFFAXISHIST", gaps[worst], 1e-6, worst)


def binned_map_rows(item: Comparison) -> Iterator[Row]:
    """A binned exposure map: its pixels and coordinates; fimgbin keeps no table."""
    if "sum" in item.left_out:
        item.ours["PRIMARY"].data = item.ours["PRIMARY"].data * np.float32(item.left_out["sum"])
    yield from _exposure_rows(item, float(item.theirs["PRIMARY"].data.max()))


def binned_image_rows(item: Comparison) -> Iterator[Row]:
    """An image binned by fimgbin, which leaves the physical coordinates as they were."""
    yield from item.image()


def _exposure_rows(item: Comparison, exposure: float) -> Iterator[Row]:
    ours, theirs = (hdu.data.astype(float) for hdu in item.pair("PRIMARY"))
    yield item.row("size", largest(*(np.array(values.shape) for values in (ours, theirs))))
    if ours.shape == theirs.shape:
        gaps, inner = np.abs(ours - theirs) / exposure, flat(theirs, FLAT * exposure)
        yield item.row("total", relative(ours.sum(), theirs.sum()), MAP_TOTAL)
        yield item.row("interior", float(gaps[inner].max(initial=0)), FLOAT32, f"{inner.sum()} pixels")
        yield item.row("edge", float(gaps[~inner].max(initial=0)), MAP_EDGE, f"{(~inner).sum()} pixels")
    yield from item.world(limit=MAP_WORLD)


def flat(image: NDArray[Any], step: float) -> NDArray[np.bool_]:
    """Where the 3 × 3 pixels around one differ by less than `step`."""
    padded = np.pad(image, 1, mode="edge")
    rows, columns = image.shape
    around = [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.asarray(np.maximum.reduce(around) - np.minimum.reduce(around) < step)


def _numbered_rows(item: Comparison) -> Iterator[Row]:
    """Tables of each wedge, as far as the reference keeps them."""
    for prefix, names in (("GTIEXP", ("START", "STOP")), ("PARTIALEXP", ("DETX", "DETY", "FRACTION"))):
        tables = [name for name in item.theirs if name.startswith(prefix)]
        gaps = {
            table: max(
                float("inf") if item.lacks(table) else largest(*(hdu.data[name] for hdu in item.pair(table)))
                for name in names
            )
            for table in tables
        }
        if gaps:
            worst = max(gaps, key=lambda table: gaps[table])
            yield item.row(prefix, gaps[worst], 0, f"{len(tables)} tables" if not gaps[worst] else worst)


def figure_rows(product: str, ours: Path, kept: Mapping[str, Any]) -> Iterator[Row]:
    """A product of which only figures are kept: sums of an image, totals of a spectrum."""
    with fits.open(ours, memmap=False) as hdus:
        if "shape" in kept:
            image = hdus[0].data
            yield Row(product, "size", largest(image.shape, kept["shape"]))
            yield Row(product, "sum", relative(image.sum(dtype=float), kept["sum"]), NUMBER)
            yield Row(product, "maximum", relative(image.max(), kept["max"]), FLOAT32)
        if "total" in kept:
            spectrum = hdus["SPECTRUM"]
            header = spectrum.header
            yield Row(product, "COUNTS", abs(spectrum.data["COUNTS"].sum() - kept["total"]))
            yield Row(product, "EXPOSURE", relative(header["EXPOSURE"], kept["exposure"]), FLOAT32)
            said = kept["extractor_BACKSCAL"]
            yield Row(product, "BACKSCAL", relative(header["BACKSCAL"], said), BACKSCAL_SAME_MAP)


ROWS: dict[str, Callable[[Comparison], Iterator[Row]]] = {
    "image": image_rows,
    "light curve": curve_rows,
    "spectrum": spectrum_rows,
    "net curve": net_curve_rows,
    "grouped": grouped_rows,
    "map": map_rows,
    "binned map": binned_map_rows,
    "binned image": binned_image_rows,
}

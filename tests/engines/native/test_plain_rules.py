"""The tools' rules written down a second time, plainly: event by event, bin by bin, pixel by pixel.

What the engine makes of the reference data and of generated lists must be what these loops make of them.
"""

import gc
import gzip
import math
import random
import subprocess
import threading
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import EnvironmentFault, Permanent
from tasks.engines.native import fits_stream, spool
from tasks.engines.native.attitude import Attitude, AttitudeHistory, SkyObject, wedges
from tasks.engines.native.axes import Axis
from tasks.engines.native.events import read_events
from tasks.engines.native.extraction import extract
from tasks.engines.native.gti import Gti
from tasks.engines.native.projection import coverage
from tasks.engines.native.rotation import RotationFit
from tasks.xtend.geometry import DET_SIZE, PIXEL_DEG
from tasks.xtend.nominal import Nominal

Shape = tuple[str, str, tuple[float, ...]]
"""Sign, kind and figures of a shape in sky pixels."""
COLUMNS = ("TIME", "X", "Y", "PI", "DETX", "DETY")
BINNINGS = (1, 2, 3, 5, 7, 64)
CHUNKS = (97, 450, 5000)


# The rules.


@dataclass
class Plain:
    """An event list as a reader of the format's description would take it in."""

    header: fits.Header
    rows: list[dict[str, float]] = field(default_factory=list)
    low: dict[str, int] = field(default_factory=dict)
    high: dict[str, int] = field(default_factory=dict)
    gti: list[tuple[float, float]] = field(default_factory=list)


def nint(value: float) -> int:
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)


def read_plain(paths: list[Path]) -> Plain:
    made: Plain | None = None
    for path in paths:
        with fits.open(path) as hdus:
            table = hdus["EVENTS"]
            header = table.header
            made = made or Plain(header.copy())
            zero = header.get("TIMEZERO", 0.0)
            if header.get("TIMEDEL", 0) > 0:
                zero -= (header.get("TIMEPIXR", 0.0) - 0.5) * header["TIMEDEL"]
            values: dict[str, Any] = {}
            for number, name in enumerate(table.columns.names, start=1):
                if name.upper() in COLUMNS:
                    null = header.get(f"TNULL{number}")
                    values[name.upper()] = [
                        math.nan if null is not None and v == null else float(v) for v in table.data[name]
                    ]
                    if f"TLMAX{number}" in header:
                        made.low[name.upper()] = nint(header.get(f"TLMIN{number}", 1))
                        made.high[name.upper()] = nint(header[f"TLMAX{number}"])
            for row in zip(*values.values(), strict=True):
                event = dict(zip(values, row, strict=True))
                event["TIME"] += zero
                made.rows.append(event)
            made.gti += good_time(hdus)
    assert made is not None
    made.gti = merged(made.gti)
    return made


def good_time(hdus: fits.HDUList) -> list[tuple[float, float]]:
    for name in ("GTI", "STDGTI"):
        if name in hdus:
            zero = hdus[name].header.get("TIMEZERO", 0.0)
            rows = hdus[name].data
            return [(a + zero, b + zero) for a, b in zip(rows["START"], rows["STOP"], strict=True)]
    return [(hdus["EVENTS"].header["TSTART"], hdus["EVENTS"].header["TSTOP"])]


def merged(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    for start, stop in sorted(pair for pair in intervals if pair[1] > pair[0]):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(stop, out[-1][1]))
        else:
            out.append((start, stop))
    return out


def is_good(plain: Plain, event: dict[str, float]) -> bool:
    return any(start <= event["TIME"] <= stop for start, stop in plain.gti)


def in_band(event: dict[str, float], band: tuple[int, int] | None) -> bool:
    return band is None or band[0] <= event["PI"] <= band[1]


def in_shape(x: float, y: float, kind: str, at: tuple[float, ...]) -> bool:
    if kind == "polygon":
        return in_polygon(x, y, list(zip(at[::2], at[1::2], strict=True)))
    angle = math.radians(at[4]) if kind in ("box", "ellipse") and len(at) > 4 else 0.0
    dx, dy = x - at[0], y - at[1]
    u, v = dx * math.cos(angle) + dy * math.sin(angle), dy * math.cos(angle) - dx * math.sin(angle)
    if kind == "circle":
        return u * u + v * v <= at[2] ** 2
    if kind == "annulus":
        return at[2] ** 2 <= u * u + v * v <= at[3] ** 2
    if kind == "ellipse":
        return (u / at[2]) ** 2 + (v / at[3]) ** 2 <= 1
    return abs(u) <= at[2] / 2 and abs(v) <= at[3] / 2


def in_polygon(x: float, y: float, corners: list[tuple[float, float]]) -> bool:
    inside = False
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
        cross = (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
        within = (x - x0) * (x - x1) + (y - y0) * (y - y1) <= 0
        if within and abs(cross) < 1e-10 * math.hypot(x1 - x0, y1 - y0):
            return True
    return inside


def in_region(x: float, y: float, shapes: list[Shape] | None) -> bool:
    """Each inclusion with the exclusions after it; the whole field comes first where an exclusion does."""
    if shapes is None:
        return True
    if math.isnan(x) or math.isnan(y):
        return False
    includes: list[bool] = []
    whole = [True] if shapes[0][0] == "-" else []
    for sign, kind, at in shapes:
        hit = in_shape(x, y, kind, at)
        if sign != "-":
            includes.append(hit)
        elif includes:
            includes = [one and not hit for one in includes]
        else:
            whole = [one and not hit for one in whole]
    return any(includes) or any(whole)


def plain_image(plain: Plain, band: tuple[int, int] | None, binning: int) -> tuple[np.ndarray, int]:
    """The image and TOTCTS."""
    shape = tuple((plain.high[name] - plain.low[name] + 1) // binning for name in ("Y", "X"))
    image, selected = np.zeros(shape, int), 0
    for event in plain.rows:
        if not (is_good(plain, event) and in_band(event, band)):
            continue
        selected += 1
        if math.isnan(event["X"]) or math.isnan(event["Y"]):
            continue
        column, row = ((nint(event[name]) - plain.low[name] + binning) // binning - 1 for name in ("X", "Y"))
        if 0 <= row < shape[0] and 0 <= column < shape[1]:
            image[row, column] += 1
    return image, selected


def plain_curve(
    plain: Plain, band: tuple[int, int] | None, shapes: list[Shape] | None, width: float, least: float
) -> list[tuple[float, float, float, float]]:
    """TIME, RATE, ERROR, FRACEXP."""
    start, end = plain.gti[0][0], plain.gti[-1][1]
    counts: Counter[int] = Counter()
    for event in plain.rows:
        if is_good(plain, event) and in_band(event, band) and in_region(event["X"], event["Y"], shapes):
            counts[int((event["TIME"] - start) / width)] += 1
    rows = []
    for number in range(int((end - start) / width) + 1):
        begin = start + width * number
        exposure = 0.0
        for first, last in plain.gti:
            if begin < first and last < begin + width:
                exposure = exposure + last - first
            elif min(last, begin + width) > max(first, begin):
                exposure = min(last, begin + width) - max(first, begin) + exposure
        if exposure > 0 and exposure / width >= least:
            n = counts[number]
            rows.append((begin - start, n / exposure, math.sqrt(n) / exposure, exposure / width))
    return rows


def plain_spectrum(plain: Plain, shapes: list[Shape] | None) -> tuple[list[int], int, float]:
    """Counts per channel, TOTCTS and BACKSCAL."""
    counts, selected = [0] * (plain.high["PI"] - plain.low["PI"] + 1), 0
    for event in plain.rows:
        if is_good(plain, event) and in_region(event["X"], event["Y"], shapes):
            selected += 1
            if not math.isnan(event["PI"]) and plain.low["PI"] <= nint(event["PI"]) <= plain.high["PI"]:
                counts[nint(event["PI"]) - plain.low["PI"]] += 1
    columns = range(plain.low["X"], plain.high["X"] + 1)
    rows = range(plain.low["Y"], plain.high["Y"] + 1)
    inside = sum(in_region(x, y, shapes) for x in columns for y in rows)
    return counts, selected, inside / (len(columns) * len(rows))


def plain_map(plain: Plain, shapes: list[Shape]) -> np.ndarray:
    """The weighted map of a region: the events in it tell how detector pixels lie on the sky."""
    centre = {name: (plain.low[name] + plain.high[name]) / 2 for name in COLUMNS[1:]}
    image = np.zeros(tuple(plain.high[name] - plain.low[name] + 1 for name in ("DETY", "DETX")))
    sums, n = np.zeros(8), 0
    for event in plain.rows:
        if not in_region(event["X"], event["Y"], shapes) or math.isnan(event["DETX"] + event["DETY"]):
            continue
        if is_good(plain, event):
            image[nint(event["DETY"]) - plain.low["DETY"], nint(event["DETX"]) - plain.low["DETX"]] += 1
        if not all(plain.low[name] <= event[name] <= plain.high[name] for name in ("X", "Y")):
            continue
        p, q, u, v = (event[name] - centre[name] for name in ("X", "Y", "DETX", "DETY"))
        sums += (p, q, u, v, p * u, p * v, q * u, q * v)
        n += 1
    p, q, u, v, pu, pv, qu, qv = sums
    turn = math.atan2(pv - qu - p * v / n + q * u / n, pu + qv - p * u / n - q * v / n)
    cosine, sine = math.cos(turn), math.sin(turn)
    x0 = centre["X"] + (p - u * cosine - v * sine) / n
    y0 = centre["Y"] + (q + u * sine - v * cosine) / n
    for row, column in np.ndindex(image.shape):
        du, dv = column + plain.low["DETX"] - centre["DETX"], row + plain.low["DETY"] - centre["DETY"]
        x, y = x0 + du * cosine + dv * sine, y0 - du * sine + dv * cosine
        if not in_region(round(x, 8), round(y, 8), shapes):
            image[row, column] = -1
    rows, columns = np.nonzero(image != -1)
    return image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


# Lists of every kind.


@dataclass
class Case:
    """A generated dataset and what to make of it."""

    paths: list[Path]
    shapes: list[Shape]
    bands: list[tuple[int, int] | None]
    widths: list[float]


def intervals(chance: random.Random, begin: float, length: float) -> list[tuple[float, float]]:
    kind = chance.choice(["one", "some", "frames", "tangled"])
    if kind == "one":
        return [(begin, begin + length)]
    if kind == "frames":
        frame = chance.choice([3.96, 0.46, 0.06])
        count = int(length / 4)
        return [(begin + 4 * n, begin + 4 * n + frame) for n in range(count)]
    starts = [begin + round(chance.uniform(0, length), 1) for _ in range(6)]
    made = [(start, start + chance.choice([0.5, 10.0, 33.3, length / 5])) for start in starts]
    return made if kind == "tangled" else merged(made)


def region_shapes(chance: random.Random, x: float, y: float, size: float) -> list[Shape]:
    def one() -> tuple[str, tuple[float, ...]]:
        at = round(x + chance.uniform(-0.7, 0.7) * size, 2), round(y + chance.uniform(-0.7, 0.7) * size, 2)
        r = round(chance.uniform(0.1, 0.5) * size, 2) + 1
        angle = round(chance.uniform(-400, 400), 1)
        kind = chance.choice(["circle", "annulus", "ellipse", "box", "polygon"])
        figures: dict[str, tuple[float, ...]] = {
            "circle": (*at, r), "annulus": (*at, r / 2, r), "ellipse": (*at, r, r / 3, angle),
            "box": (*at, r, 2 * r, angle),
            "polygon": (at[0] - r, at[1] - r, at[0] + r, at[1], at[0], at[1] + r, at[0] + r / 4, at[1]),
        }  # fmt: skip
        return kind, figures[kind]

    return [(chance.choice("+ +-"), *one()) for _ in range(chance.randint(1, 5))]


def write_case(seed: int, folder: Path) -> Case:
    chance, numbers = random.Random(seed), np.random.default_rng(seed)
    low = chance.choice([1, 0, -40, 5000])
    size = {"X": chance.choice([90, 150]), "Y": chance.choice([80, 127])}
    begin = chance.choice([0.0, 1.5e8 + 0.25])
    length = chance.choice([300.0, 1200.0])
    keys: dict[str, Any] = {"PA_NOM": 360 * chance.random(), "INSTRUME": "XTEND", "TELESCOP": "XRISM"}
    keys |= {"TIMEDEL": chance.choice([4.0, 0.5, 0.0]), "TIMEZERO": chance.choice([0.0, 10.0])}
    keys |= chance.choice([{}, {"TIMEPIXR": 0.0}, {"TIMEPIXR": 0.5}, {"TIMEPIXR": 1.0}])
    keys |= chance.choice([{}, {"TIMEZERI": 1000, "TIMEZERF": 0.5}])
    keys |= chance.choice([{}, {"DEADC": 0.0125}, {"LIVETIME": 50.0, "ONTIME": 100.0}])
    centre = {name: low + (size[name] - 1) / 2 for name in size}
    kinds = {name: chance.choice(["I", "J", "E", "D"]) for name in COLUMNS[1:]}
    gti_name = chance.choice(["GTI", "GTI", "STDGTI", None])
    paths = []
    for number in range(chance.choice([1, 1, 2, 3])):
        count = 0 if number and chance.random() < 0.3 else 400
        gti = intervals(chance, begin + number * length, length)
        values = events_of(chance, numbers, count, gti, centre, float(keys["PA_NOM"]))
        values["TIME"] = values["TIME"] - float(keys["TIMEZERO"])
        path = folder / f"p{number}.evt{chance.choice(['', '.gz'])}"
        write_list(path, values, kinds, keys, low, size, gti, gti_name, lower=chance.random() < 0.4)
        paths.append(path)
    shapes = region_shapes(chance, centre["X"], centre["Y"], min(size.values()) * 0.6)
    shapes[0] = (shapes[0][0], "circle", (centre["X"], centre["Y"], 25.0))
    bands = [None, (0, 19), (3, 8), (8, 12), (40, 60)]
    return Case(paths, shapes, bands, [50.0, 7.3, 37.5, 10 * length])


def events_of(
    chance: random.Random,
    numbers: np.random.Generator,
    count: int,
    gti: list[tuple[float, float]],
    centre: dict[str, float],
    angle: float,
) -> dict[str, np.ndarray]:
    bounds = [bound for pair in gti for bound in pair]
    span = min(bounds) - 20, max(bounds) + 20
    time = np.where(numbers.random(count) < 0.2, numbers.choice(bounds, count), numbers.uniform(*span, count))
    u, v = (np.clip(np.rint(numbers.normal(30.5, 14, count)), 1, 60) for _ in range(2))
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x = (
        np.rint(
            2 * (centre["X"] + (u - 30.5) * cosine - (v - 30.5) * sine + numbers.uniform(-0.4, 0.4, count))
        )
        / 2
    )
    y = (
        np.rint(
            2 * (centre["Y"] + (u - 30.5) * sine + (v - 30.5) * cosine + numbers.uniform(-0.4, 0.4, count))
        )
        / 2
    )
    # Halves, too, which columns of floats keep.
    x, y = np.rint(2 * x) / 2, np.rint(2 * y) / 2
    for values in (x, y):
        values[numbers.random(count) < 0.03] = chance.choice([np.nan, 30000])
    time[numbers.random(count) < 0.02] = np.nan
    pi = numbers.integers(-4, 46, count) / 2
    pi[numbers.random(count) < 0.02] = np.nan
    return {"TIME": time, "X": x, "Y": y, "PI": pi, "DETX": u, "DETY": v}


def write_list(
    path: Path,
    values: dict[str, np.ndarray],
    kinds: dict[str, str],
    keys: dict[str, Any],
    low: int,
    size: dict[str, int],
    gti: list[tuple[float, float]],
    gti_name: str | None,
    *,
    lower: bool,
) -> None:
    count = values["TIME"].size
    columns = [fits.Column("STATUS", "48X", array=np.zeros((count, 48), bool))]
    for name, array in values.items():
        kind = kinds.get(name, "D")
        null = -999 if kind in "IJ" else None
        stored = np.where(np.isnan(array), -999, np.floor(array)).astype(int) if null else array
        columns.append(fits.Column(name.lower() if lower else name, kind, array=stored, null=null))
    lists = np.empty(count, object)
    lists[:] = [np.arange(n % 3, dtype=float) for n in range(count)]
    columns.append(fits.Column("WAVE", "PD()", array=lists))
    columns.append(fits.Column("WORD", "5A", array=np.full(count, "ab")))
    table = fits.BinTableHDU.from_columns(columns, name="EVENTS", nrows=count)
    ranges = {name: (low, low + size[name] - 1) for name in size}
    ranges |= {"PI": (0, 19), "DETX": (1, 60), "DETY": (1, 60)}
    for number, name in enumerate(table.columns.names, start=1):
        if name.upper() in ranges:
            table.header[f"TLMIN{number}"], table.header[f"TLMAX{number}"] = ranges[name.upper()]
            if ranges[name.upper()][0] == 1:
                del table.header[f"TLMIN{number}"]
    bounds = np.array(gti)
    table.header.update({**keys, "TSTART": bounds.min(), "TSTOP": bounds.max()})
    hdus = [fits.PrimaryHDU(), table]
    if gti_name:
        start, stop = (fits.Column(n, "D", array=bounds[:, i]) for i, n in enumerate(("START", "STOP")))
        hdus.append(fits.BinTableHDU.from_columns([start, stop], name=gti_name))
    fits.HDUList(hdus).writeto(path.with_suffix(".tmp"))
    content = path.with_suffix(".tmp").read_bytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


# The comparison.


@pytest.fixture(params=CHUNKS)
def in_chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The files are read in small pieces, and nothing or little of them is held in memory."""
    monkeypatch.setattr(fits_stream, "_CHUNK", request.param)
    monkeypatch.setattr(spool, "_HELD", request.param % 1000)
    return int(request.param)


def hdu(path: Path, name: str | int) -> Any:
    with fits.open(path, memmap=False) as hdus:
        return hdus[name].copy()


def compare_image(path: Path, plain: Plain, band: tuple[int, int] | None, binning: int) -> None:
    made = hdu(path, 0)
    image, selected = plain_image(plain, band, binning)
    assert np.array_equal(made.data, image)
    assert made.header["TOTCTS"] == selected
    for number, name in ((1, "X"), (2, "Y")):
        column = next(n for n in range(1, 99) if plain.header[f"TTYPE{n}"].upper() == name)
        reference = plain.header.get(f"TCRPX{column}", 0.0) - (plain.low[name] - 1)
        expected = reference / binning + (binning - 1) / (2 * binning)
        assert made.header[f"CRPIX{number}"] == pytest.approx(expected, abs=1e-9)
        assert made.header[f"CRVAL{number}P"] == plain.low[name] - 1 + (binning + 1) / 2
        assert (made.header[f"CRPIX{number}P"], made.header[f"CDELT{number}P"]) == (1, binning)


def compare_curve(path: Path, rows: list[tuple[float, float, float, float]], start: float) -> None:
    made = hdu(path, "RATE")
    assert len(made.data) == len(rows)
    for row, expected in zip(made.data, rows, strict=True):
        assert row["TIME"] == pytest.approx(expected[0], abs=1e-7)
        assert tuple(row)[1:] == tuple(np.float32(value) for value in expected[1:])
    assert made.header["TIMEZERO"] == start + made.header["TIMEDEL"] / 2
    assert "TIMEZERI" not in made.header


def live(header: fits.Header) -> float:
    return float(header.get("DEADC", header.get("LIVETIME", 1.0) / header.get("ONTIME", 1.0)))


@pytest.mark.parametrize("seed", range(8))
def test_generated_lists(seed: int, in_chunks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = write_case(seed * 1000 + in_chunks, tmp_path)
    plain = read_plain(case.paths)
    lines = [f"{sign.strip()}{kind}({','.join(map(repr, at))})\n" for sign, kind, at in case.shapes]
    (tmp_path / "a.reg").write_text("physical\n" + "".join(lines))
    monkeypatch.chdir(tmp_path)
    images = [
        {"name": f"i{band}_{binning}.fits", "channels": channels, "binning": binning}
        for band, channels in enumerate(case.bands)
        for binning in random.Random(seed).sample(BINNINGS, 3)
    ]
    curves: list[dict[str, Any]] = [
        {"name": f"c{n}.fits", "channels": random.Random(seed + n).choice(case.bands), "time_bin": width,
         "region": "a.reg" if n % 2 else None, "threshold": (seed % 5) * 0.24}
        for n, width in enumerate(case.widths)
    ]  # fmt: skip
    spectra = [
        {"name": f"s{region}.fits", "region": region, "exposure_map": None} for region in (None, "a.reg")
    ]
    extract([path.name for path in case.paths], images, curves, spectra, "none")
    for image in images:
        compare_image(tmp_path / image["name"], plain, image["channels"], image["binning"])
    for curve in curves:
        shapes = case.shapes if curve["region"] else None
        rows = plain_curve(plain, curve["channels"], shapes, curve["time_bin"], curve["threshold"])
        compare_curve(tmp_path / curve["name"], rows, plain.gti[0][0])
    for name, region in (("sNone.fits", None), ("sa.reg.fits", case.shapes)):
        made = hdu(tmp_path / name, "SPECTRUM")
        counts, selected, share = plain_spectrum(plain, region)
        assert made.data["COUNTS"].tolist() == counts
        assert made.header["TOTCTS"] == selected
        assert made.header["BACKSCAL"] == pytest.approx(share, rel=1e-9)
        ontime = sum(stop - start for start, stop in plain.gti)
        assert made.header["EXPOSURE"] == pytest.approx(ontime * live(plain.header), rel=1e-6)
    assert np.array_equal(hdu(tmp_path / "sa.reg.fits", 0).data, plain_map(plain, case.shapes))


def test_few_events_are_no_mirror_of_xtends_detector() -> None:
    """Where the mirror image fits three events better by chance, HEASoft still turns."""
    axes = Axis("DETX", 1, 60), Axis("DETY", 1, 60)
    detector = np.array([[30.0, 31.0, 32.0], [30.0, 30.0, 31.0]])
    sky = np.array([[50.0, 51.0, 52.0], [40.0, 40.0, 39.0]])
    found = [RotationFit(axes, mirrored=mirrored) for mirrored in (True, False)]
    for fit in found:
        fit.add(detector, sky)
    assert [rotation.sign for fit in found if (rotation := fit.rotation())] == [-1, 1]


# The plain rules themselves, against what the FTOOLS made.


def test_the_plain_rules_make_the_reference_products(alpha: Path) -> None:
    plain = read_plain([alpha / "xa900000010xtd_p030000010_cl.evt.gz"])
    for name, binning in (("image_bin3", 3), ("image_en0.6_10.0_bin4", 4)):
        reference = hdu(alpha / "ref" / f"{name}.fits.gz", 0)
        image, selected = plain_image(plain, (100, 1667), binning)
        assert np.array_equal(image, reference.data)
        assert selected == reference.header["TOTCTS"]
    source: list[Shape] = [
        ("+", "circle", (1215.5, 1215.5, 67.87)),
        ("-", "circle", (2005.7955, 1090.6498, 92)),
        ("-", "circle", (748.9522, 1016.9813, 91)),
    ]
    for width, least, name in ((37.5, 0.5, "37.5s_thresh0.5"), (1000.0, 1.0, "1000s_thresh1")):
        reference = hdu(alpha / "ref" / f"lc_src_all_{name}.fits.gz", "RATE").data
        rows = plain_curve(plain, None, source, width, least)
        assert len(rows) == len(reference)
        assert all(
            tuple(row) == pytest.approx(made, rel=3e-7) for row, made in zip(reference, rows, strict=True)
        )
    shapes: dict[str, list[Shape]] = {
        "box": [("+", "box", (1215.5, 1215.5, 120, 60, 25))],
        "ellipse": [("+", "ellipse", (1215.5, 1215.5, 80, 35, 30))],
        "polygon": [("+", "polygon", (1155.5, 1175.5, 1285.5, 1185.5, 1235.5, 1295.5))],
        "late_include": [
            ("+", "circle", (1215.5, 1215.5, 60)),
            ("-", "circle", (1215.5, 1215.5, 30)),
            ("+", "circle", (1225.5, 1215.5, 15)),
        ],
        "exclude_only": [("-", "circle", (1215.5, 1215.5, 200))],
    }
    for name, region in shapes.items():
        reference = hdu(alpha / "ref" / f"region_{name}.fits.gz", "SPECTRUM").data["COUNTS"]
        counts = Counter(
            event["PI"]
            for event in plain.rows
            if in_region(event["X"], event["Y"], region) and is_good(plain, event)
        )
        assert [counts[channel] for channel in range(4096)] == reference.tolist()


# Exposure maps.


def sampled(mask: np.ndarray, attitude: Attitude, nominal: Nominal, x: int, y: int, k: int = 48) -> float:
    """The part of a SKY pixel that the mask covers, by k × k points and spherical trigonometry."""
    points = (np.arange(k) + 0.5) / k - 0.5
    dx, dy = np.meshgrid(x + points - 1215.5, y + points - 1215.5)
    scale = math.radians(PIXEL_DEG)
    xi, eta = -scale * dx, scale * dy
    d0, d1 = math.radians(nominal.dec), math.radians(attitude.dec)
    turn = np.arctan2(xi, math.cos(d0) - eta * math.sin(d0)) + math.radians(nominal.ra - attitude.ra)
    dec = np.arcsin((math.sin(d0) + eta * math.cos(d0)) / np.sqrt(1 + xi**2 + eta**2))
    away = math.sin(d1) * np.sin(dec) + math.cos(d1) * np.cos(dec) * np.cos(turn)
    u = -np.cos(dec) * np.sin(turn) / away / scale
    v = (math.cos(d1) * np.sin(dec) - math.sin(d1) * np.cos(dec) * np.cos(turn)) / away / scale
    roll = math.radians(attitude.roll)
    det_x = np.rint(748.5 + u * math.cos(roll) + v * math.sin(roll)).astype(int)
    det_y = np.rint(748.5 - u * math.sin(roll) + v * math.cos(roll)).astype(int)
    on = (det_x >= 1) & (det_x <= DET_SIZE) & (det_y >= 1) & (det_y <= DET_SIZE)
    hit = mask[np.clip(det_y, 1, DET_SIZE) - 1, np.clip(det_x, 1, DET_SIZE) - 1] & on
    return float(hit.mean())


@pytest.mark.parametrize(
    ("dec", "roll", "off"), [(-30.0, 0.0, 0.0), (89.0, 45.0, 0.01), (12.4, 273.3, -0.05), (0.0, 180.0, 0.2)]
)
def test_covered_area_against_points(dec: float, roll: float, off: float) -> None:
    chance = np.random.default_rng(int(abs(roll)))
    mask = np.zeros((DET_SIZE, DET_SIZE), bool)
    mask[256:1553, 710:790] = True
    mask[700:720, 600:900] = False
    mask[900:1000, 600:1700] = chance.random((100, 1100)) < 0.7
    mask[0, :] = mask[:, -1] = True
    nominal, attitude = Nominal(359.95, dec, roll), Attitude(0.02, dec + off, (roll + 0.3) % 360)
    made = coverage(mask, attitude, nominal)
    edges = np.argwhere((made > 0) & (made < 1))
    inner = np.argwhere(made == 1)
    for row, column in (*chance.permutation(edges)[:400], *chance.permutation(inner)[:50]):
        expected = sampled(mask, attitude, nominal, column + 1, row + 1)
        assert made[row, column] == pytest.approx(expected, abs=0.025)
    for row, column in chance.integers(0, 2430, (200, 2)):
        assert made[row, column] == pytest.approx(
            sampled(mask, attitude, nominal, column + 1, row + 1), abs=0.025
        )


def plain_wedges(
    time: np.ndarray, ring: list[tuple[int, int]], gti: list[tuple[float, float]]
) -> dict[tuple[int, int], float]:
    """Seconds in each ring and sector: from sample to sample, the first sample rules from the start on."""
    seconds: Counter[tuple[int, int]] = Counter()
    for start, stop in gti:
        inside = [n for n in range(time.size) if start <= time[n] <= stop]
        inside = inside or [next((n for n in range(time.size) if time[n] >= start), time.size - 1)]
        opened, now = start, ring[inside[0]]
        for n in inside[1:]:
            if ring[n] != now:
                seconds[now] += time[n] - opened
                opened, now = time[n], ring[n]
        seconds[now] += stop - opened
    return {place: total for place, total in seconds.items() if total > 0}


@pytest.mark.parametrize("numphi", [0, 1, 4])
@pytest.mark.parametrize("delta", [0.2, 1.0, 20.0])
def test_seconds_of_wedges(numphi: int, delta: float) -> None:
    chance = np.random.default_rng(7)
    time = np.sort(chance.choice(np.arange(0.0, 600.0), 300, replace=False))
    time = time[(time < 200) | (time > 290)]
    ra, dec = (np.cumsum(chance.normal(0, 0.004, time.size)) + at for at in (359.99, 12.0))
    history = AttitudeHistory(
        time, ra, dec, np.full(time.size, 30.0), ra, dec, axis_known=True, object=SkyObject(0.0, 12.0)
    )
    gti = [(3.5, 3.9), (10.0, 60.25), (61.0, 150.0), (205.0, 280.0), (285.5, 500.0), (598.0, 601.5)]
    rings = []
    for a, d in zip(ra, dec, strict=True):
        one, other = math.radians(d), math.radians(12.0)
        cosine = math.sin(one) * math.sin(other) + math.cos(one) * math.cos(other) * math.cos(math.radians(a))
        number = int(math.degrees(math.acos(min(cosine, 1.0))) * 60 / delta)
        east, north = ((0.0 - a + 180) % 360 - 180) * math.cos(other), 12.0 - d
        sine, cos = math.sin(math.radians(30)), math.cos(math.radians(30))
        azimuth = math.degrees(math.atan2(east * sine + north * cos, east * cos - north * sine)) % 360
        rings.append((number, int(azimuth / 360 * number * numphi) if number * numphi else 0))
    expected = plain_wedges(time, rings, gti)
    made = wedges(history, Gti.merged(*zip(*gti, strict=True)), SkyObject(0.0, 12.0), delta, numphi)
    found = {(w.ring, round(w.azimuth[0] / (w.azimuth[1] - w.azimuth[0]))): w.gti.total for w in made}
    assert found.keys() == expected.keys()
    for place, seconds in expected.items():
        assert found[place] == pytest.approx(seconds, abs=1e-9)


# Files in pieces that end, break or are left where they should not.


def long_list(path: Path, count: int = 400) -> Path:
    columns = [
        fits.Column("TIME", "D", array=np.arange(float(count))),
        fits.Column("X", "I", array=np.ones(count)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    table.header["TSTART"], table.header["TSTOP"] = 0.0, 1e6
    table.writeto(path, checksum=True)
    return path


@pytest.mark.parametrize("cut", [3000, 5763, 6100, 9000])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_ends_within_a_piece(cut: int, zipped: bool, in_chunks: int, tmp_path: Path) -> None:
    path = long_list(tmp_path / "a.evt")
    content = path.read_bytes()[:cut]
    path.write_bytes(gzip.compress(content) if zipped else content)
    before = threading.active_count()
    with pytest.raises(Permanent, match=r"a\.evt is (truncated|broken)"):
        read_events([path], ["TIME"])
    assert threading.active_count() == before


def test_a_reader_left_early_leaves_no_thread_and_no_file(in_chunks: int, tmp_path: Path) -> None:
    path, before = long_list(tmp_path / "a.evt"), threading.active_count()
    with fits_stream.opened(path) as stream:
        for header in fits_stream.headers(stream, path):
            if header.get("EXTNAME") == "EVENTS":
                layout = fits_stream.layout_of(header, path)
                chunks = fits_stream.table_chunks(stream, header, layout, ["TIME"], path)
                assert next(chunks)["TIME"][0] == 0
                chunks.close()
                break
            fits_stream.skip(stream, fits_stream.padded_size(header), path)
    events = read_events([path], ["TIME"])
    parts = iter(events.parts)
    assert next(parts)["TIME"][0] == 0
    again = [part["TIME"] for part in events.parts]
    assert np.concatenate(again).tolist() == list(range(400))
    del events, parts
    gc.collect()
    assert threading.active_count() == before


def test_wrong_checksums_are_passed_over_as_heasoft_does(tmp_path: Path) -> None:
    path = long_list(tmp_path / "a.evt")
    content = bytearray(path.read_bytes())
    first = content.rindex(b"DATASUM = '") + len(b"DATASUM = '")
    content[first] = ord("1") if content[first] != ord("1") else ord("2")
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with fits.open(path, checksum=True) as hdus:
            assert len(hdus["EVENTS"].data) == 400
    assert any("verification failed" in str(one.message) for one in said)
    assert read_events([path], ["TIME"]).size == 400


@pytest.mark.system
@pytest.mark.parametrize("count", [104_850, 104_858, 104_860, 200_000])
def test_a_full_disk_is_told_whenever_it_shows(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        monkeypatch.setattr(spool, "_HELD", 0)
        monkeypatch.setattr(fits_stream, "_CHUNK", 1100)
        path = long_list(tmp_path / "a.evt", count)
        with monkeypatch.context() as inside:
            inside.chdir(small)
            if count * 10 <= 1 << 20:
                assert sum(part["X"].size for part in read_events([path], ["TIME", "X"]).parts) == count
            else:
                with pytest.raises(EnvironmentFault, match="No space left"):
                    read_events([path], ["TIME", "X"])
        gc.collect()
    finally:
        subprocess.run(["umount", str(small)], check=True)  # noqa: S607

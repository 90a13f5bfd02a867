"""Spectra: channels, the weighted map on detector pixels, and BACKSCAL."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Permanent
from tasks.engines.native.axes import Axis
from tasks.engines.native.backscal import (
    ExposureMap,
    backscal_by_exposure,
    backscal_by_pixels,
    count_pixels,
    read_exposure_map,
)
from tasks.engines.native.events import EventList, read_events
from tasks.engines.native.gti import Gti
from tasks.engines.native.rotation import Rotation, RotationFit
from tasks.engines.native.selection import Selection, select
from tasks.engines.native.spectra import Spectrum, SpectrumCounter, spectrum_hdus
from tasks.xtend.regions import Region, Shape, read_region

MakeEvents = Callable[..., Path]
WriteRegion = Callable[..., Path]
COLUMNS = ["TIME", "X", "Y", "PI"]
PLANES = (("DETX", "DETY"), ("X", "Y"))
SKY = {
    "X": Axis("X", 1, 200),
    "Y": Axis("Y", 1, 200),
    "DETX": Axis("DETX", 1, 100),
    "DETY": Axis("DETY", 1, 100),
}


def read(path: Path) -> Selection:
    return select(read_events([path], COLUMNS, ["DETX", "DETY"]))


def inside(selection: Selection, region: Region | None) -> list[float]:
    """X of the events that lie in a region."""
    return [float(x) for chunk in selection.chunks() for x in chunk.cut(region).columns["X"]]


def count(selection: Selection, region: Region | None) -> Spectrum:
    counter = SpectrumCounter(selection, region)
    for chunk in selection.chunks():
        counter.add(chunk)
    return counter.spectrum()


def fitted(selection: Selection) -> Rotation | None:
    """The rotation that all events tell, added in two parts."""
    fit = RotationFit((SKY["DETX"], SKY["DETY"]))
    for chunk in selection.chunks():
        detector, sky = (np.array([chunk.columns[name] for name in names], float) for names in PLANES)
        for part in (slice(0, 2), slice(2, None)):
            fit.add(detector[:, part], sky[:, part])
    return fit.rotation()


def on_detector(detx: np.ndarray, dety: np.ndarray, rotation: Rotation) -> Selection:
    """A selection whose sky pixels are those of detector pixels, rounded."""
    x, y = (
        np.round(values).astype(np.int16) for values in rotation.sky(detx.astype(float), dety.astype(float))
    )
    columns = {"TIME": np.zeros(detx.size), "X": x, "Y": y, "DETX": detx, "DETY": dety}
    return Selection(EventList(("a",), fits.Header(), [columns], SKY, Gti.merged([-1], [1])))


def test_channels_in_good_time(make_events: MakeEvents) -> None:
    path = make_events(
        columns={"TIME": [1, 2, 3, 200, 5], "X": [1] * 5, "Y": [1] * 5, "PI": [0, 19, 19, 4, -999]}
    )
    counts = count(read(path), None).counts
    assert counts.size == 20
    assert {channel: int(n) for channel, n in enumerate(counts) if n} == {0: 1, 19: 2}


def test_a_region_takes_known_positions_wherever_they_lie(
    make_events: MakeEvents, write_region: WriteRegion
) -> None:
    columns = {"TIME": [1] * 4, "X": [50, -5, 200, -999], "Y": [40] * 4, "PI": [1] * 4}
    elsewhere = read_region(write_region("physical", "-circle(50,40,3)"))
    assert inside(read(make_events(columns=columns)), elsewhere) == [-5, 200]
    for number in ("X", "Y"):
        columns[number] = [50.0, -5.0, 200.0, np.nan] if number == "X" else [40.0] * 4
    unknown = {name: np.array(values) for name, values in columns.items()}
    axes = {"X": Axis("X", 1, 100), "Y": Axis("Y", 1, 80)}
    selection = Selection(EventList(("a",), fits.Header(), [unknown], axes, Gti.merged([0], [9])))
    assert inside(selection, elsewhere) == [-5, 200]
    (chunk,) = selection.chunks()
    assert chunk.on_sky.tolist() == [True, False, False, False]


def test_all_selected_events_are_told_counted_or_not(
    make_events: MakeEvents, write_region: WriteRegion
) -> None:
    columns = {"TIME": [1, 1, 1, 500], "X": [50] * 4, "Y": [40] * 4, "PI": [1, -999, 4000, 1],
               "DETX": [30, 30, -999, 30], "DETY": [20] * 4}  # fmt: skip
    selection, region = read(make_events(columns=columns)), read_region(write_region("circle(50,40,3)"))
    wmap, table, *_ = spectrum_hdus(selection, region, count(selection, region), 0.1, 29)
    assert table.data["COUNTS"].sum() == 1
    assert table.header["TOTCTS"] == wmap.header["TOTCTS"] == 3


def test_positions_between_pixels_tell_the_rotation_as_they_are() -> None:
    truth = Rotation(100.25, 99.5, (50.5, 50.5), 1, 0.3)
    detx, dety = np.array([10.0, 90.0, 50.0, 20.0]), np.array([10.0, 20.0, 90.0, 60.0])
    x, y = truth.sky(detx, dety)
    columns = {"TIME": np.zeros(4), "X": x, "Y": y, "DETX": detx, "DETY": dety}
    found = fitted(Selection(EventList(("a",), fits.Header(), [columns], SKY, Gti.merged([-1], [1]))))
    assert found is not None
    assert (found.x0, found.y0, found.angle) == pytest.approx((truth.x0, truth.y0, truth.angle), abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.floats(-3.1, 3.1), st.sampled_from([1, -1]), st.integers(3, 12), st.integers(0, 1000))
def test_a_rotation_or_mirror_is_found(angle: float, sign: int, count: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    spread = chance.integers(1, 101, (2, count)).astype(np.int16)
    detector = np.concatenate((spread, [[1, 100, 1], [1, 1, 100]]), axis=1).astype(np.int16)
    truth = Rotation(100.0, 100.0, (50.5, 50.5), sign, angle)
    found = fitted(on_detector(*detector, truth))
    assert found is not None
    assert found.sign == sign
    corners = np.array([1.0, 100.0, 1.0, 100.0]), np.array([1.0, 1.0, 100.0, 100.0])
    assert np.allclose(found.sky(*corners), truth.sky(*corners), atol=1.5)
    assert np.allclose(found.det(*found.sky(*corners)), corners)


def test_events_elsewhere_tell_the_rotation_where_the_region_has_too_few(
    make_events: MakeEvents, write_region: WriteRegion
) -> None:
    detx, dety = np.array([10, 50, 40], np.int16), np.array([10, 20, 50], np.int16)
    x, y = Rotation(50.0, 40.0, (30.5, 30.5), 1, 0.5).sky(detx.astype(float), dety.astype(float))
    columns = {"TIME": [1] * 3, "X": np.round(x), "Y": np.round(y), "PI": [1] * 3, "DETX": detx, "DETY": dety}
    region = read_region(write_region(f"circle({x[0]},{y[0]},3)"))
    found = count(read(make_events(columns=columns, PA_NOM=200.0)), region).weights.rotation
    assert found is not None
    assert found.angle == pytest.approx(0.5, abs=0.02)


def test_events_on_one_pixel_tell_no_rotation() -> None:
    columns = {name: np.full(5, 7.3) for name in ("TIME", "X", "Y", "DETX", "DETY")}
    alike = Selection(EventList(("a",), fits.Header(), [columns], SKY, Gti.merged([-1], [1])))
    assert fitted(alike) is None
    assert RotationFit((SKY["DETX"], SKY["DETY"])).rotation() is None


def test_the_map_covers_the_region_and_drops_what_is_outside(
    make_events: MakeEvents, write_region: WriteRegion
) -> None:
    # FOC = DET + 20: the sky pixel of a detector pixel at PA 0.
    detx, dety = np.array([30, 32, 30, 34, 10, 50]), np.array([20, 20, 22, 20, 10, 50])
    path = make_events(
        columns={
            "TIME": [1] * 5 + [500],
            "X": detx + 20,
            "Y": dety + 20,
            "PI": [1] * 6,
            "DETX": detx,
            "DETY": dety,
        }
    )
    selection, region = read(path), read_region(write_region("physical", "circle(50,40,3)"))
    made = count(selection, region).weights
    assert made.axes[0].name == "DETX"
    assert made.first == (27, 17)
    assert made.image.shape == (7, 7)
    assert made.image.dtype == np.float32
    assert (made.image >= 0).sum() == 29
    assert made.image[3, 3] == made.image[3, 5] == made.image[5, 3] == 1
    assert made.image[0, 0] == -1


def test_the_map_of_the_field_covers_the_events(make_events: MakeEvents) -> None:
    columns = {
        "TIME": [1, 1, 1],
        "X": [1, 2, 3],
        "Y": [1, 1, 1],
        "PI": [1] * 3,
        "DETX": [5, 9, -999],
        "DETY": [7, 8, 9],
    }
    selection = read(make_events(columns=columns))
    made = count(selection, None).weights
    assert made.first == (5, 7)
    assert made.image.tolist() == [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]


def test_without_detector_columns_the_map_lies_on_the_sky(
    make_events: MakeEvents, write_region: WriteRegion
) -> None:
    selection = read(make_events(columns={"TIME": [1, 1], "X": [50, 60], "Y": [40, 40], "PI": [1, 1]}))
    region = read_region(write_region("box(50,40,3,3,0)"))
    made = count(selection, region).weights
    assert made.axes[0].name == "X"
    assert made.first == (49, 39)
    assert made.image.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_an_empty_region_still_has_a_map_by_the_nominal_angle(
    make_events: MakeEvents, write_region: WriteRegion
) -> None:
    path = make_events(columns={"TIME": [1], "X": [50], "Y": [40], "PI": [1], "DETX": [-999], "DETY": [-999]})
    selection, region = read(path), read_region(write_region("circle(1215.5,1215.5,3)"))
    made = count(selection, region).weights
    assert made.axes[0].name == "DETX"
    assert made.rotation is not None
    assert made.rotation.x0 == pytest.approx(30.5 + 467)
    other = read(
        make_events(
            "other.evt",
            columns={"TIME": [1], "X": [50], "Y": [40], "PI": [1], "DETX": [-999], "DETY": [-999]},
            INSTRUME="OTHER",
        )
    )
    assert count(other, region).weights.axes[0].name == "X"


def test_the_file(make_events: MakeEvents, write_region: WriteRegion) -> None:
    columns = {"TIME": [1, 1], "X": [50, 52], "Y": [40, 40], "PI": [3, 3], "DETX": [30, 32], "DETY": [20, 20]}
    selection = read(make_events(columns=columns, DTCOR=0.5))
    region = read_region(write_region("fk5", 'circle(30.0,0.0,20")', '-annulus(30,0.01,1",3")'))
    pixels = count_pixels(region, selection.events)
    backscal = backscal_by_pixels(pixels, selection.events)
    hdus = spectrum_hdus(selection, region, count(selection, region), backscal, pixels)
    wmap, table, gti, shapes = hdus
    assert [table.name, gti.name, shapes.name] == ["SPECTRUM", "GTI", "REG00101"]
    assert table.data["CHANNEL"].tolist() == list(range(20))
    assert table.data["COUNTS"][3] == 2
    assert table.columns.formats == ["J", "J"]
    header = table.header
    expected = {
        "EXPOSURE": 50.0,
        "ONTIME": 100.0,
        "AREASCAL": 1.0,
        "CORRSCAL": 1.0,
        "BACKFILE": "none",
        "RESPFILE": "none",
        "ANCRFILE": "none",
        "CORRFILE": "none",
        "DETCHANS": 20,
        "CHANTYPE": "PI",
        "POISSERR": True,
        "STAT_ERR": 0,
        "SYS_ERR": 0,
        "GROUPING": 0,
        "QUALITY": 0,
        "HDUVERS": "1.2.0",
        "PHAVERSN": "1992a",
        "HDUCLAS1": "SPECTRUM",
        "HDUCLAS2": "TOTAL",
        "HDUCLAS3": "COUNT",
        "TLMIN1": 0,
        "TLMAX1": 19,
        "TOTCTS": 2,
        "TELESCOP": "XRISM",
    }
    assert {key: header[key] for key in expected} == expected
    assert header["BACKSCAL"] == pixels / 8000
    assert wmap.header["HDUCLAS2"] == "WMAP"
    assert (wmap.header["X-OFFSET"], wmap.header["Y-OFFSET"]) == (25, 15)
    assert wmap.header["NPIXSOU"] == pixels
    assert [name.strip() for name in shapes.data["SHAPE"]] == ["CIRCLE", "!ANNULUS"]
    assert shapes.data["COMPONENT"].tolist() == [1, 1]
    assert shapes.data["R"][0].tolist() == pytest.approx([20 / 3.6, 0.0], rel=1e-6)


def test_a_region_table_of_polygons(make_events: MakeEvents, write_region: WriteRegion) -> None:
    selection = read(make_events())
    region = read_region(write_region("polygon(40,30,60,30,60,50,40,50)", "circle(10,10,2)"))
    shapes = spectrum_hdus(selection, region, count(selection, region), 0.1, 10)[-1]
    assert shapes.data["X"].tolist() == [[40, 60, 60, 40], [10, 10, 10, 10]]
    assert shapes.data["R"].tolist() == [0, 2]


@settings(deadline=None, max_examples=30)
@given(st.integers(-5, 110), st.integers(-5, 90), st.integers(1, 40))
def test_pixels_are_counted_on_the_image_only(x: int, y: int, radius: int) -> None:
    region = _circle(x, y, radius)
    axes = {"X": Axis("X", 1, 100), "Y": Axis("Y", 1, 80)}
    events = EventList(("a",), fits.Header(), (), axes, Gti.merged([0], [1]))
    columns, rows = np.arange(1, 101), np.arange(1, 81)[:, None]
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    assert count_pixels(region, events) == inside.sum()
    values = np.random.default_rng(1).random((80, 100)).astype(np.float32)
    expected = values[inside].sum(dtype=float) / 4.0 / 8000
    assert backscal_by_exposure(region, events, ExposureMap(values, 4.0)) == pytest.approx(expected)


def test_the_whole_field(make_events: MakeEvents) -> None:
    events = read(make_events()).events
    assert backscal_by_pixels(count_pixels(None, events), events) == 1
    assert backscal_by_exposure(None, events, ExposureMap(np.full((80, 100), 2, np.float32), 4.0)) == 0.5


def test_an_exposure_map_that_does_not_fit(make_events: MakeEvents, tmp_path: Path) -> None:
    events = read(make_events()).events

    def write(name: str, shape: tuple[int, int], histogram: str, exposure: float) -> Path:
        table = fits.BinTableHDU.from_columns([fits.Column("A", "D", array=np.ones(1))], name=histogram)
        table.header["EXPOSURE"] = exposure
        fits.HDUList([fits.PrimaryHDU(np.ones(shape, np.float32)), table]).writeto(tmp_path / name)
        return tmp_path / name

    assert read_exposure_map(write("good.fits", (80, 100), "OFFAXISHIST", 7.0), events).exposure == 7.0
    with pytest.raises(Permanent, match="no unbinned exposure map"):
        read_exposure_map(write("binned.fits", (20, 25), "OFFAXISHIST", 7.0), events)
    with pytest.raises(Permanent, match="does not say its exposure"):
        read_exposure_map(write("silent.fits", (80, 100), "OFFAXISHIST", 0.0), events)
    with pytest.raises(Permanent, match="OFFAXISHIST"):
        read_exposure_map(write("none.fits", (80, 100), "OTHER", 1.0), events)


def _circle(x: int, y: int, radius: int) -> Region:
    return Region("a", "physical", (Shape("circle", True, "pixel", (x,), (y,), (radius,), 0.0, ""),))

"""Reading event lists: what columns and headers hold, several files, good time, and damaged files."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import BadInput, Permanent
from tasks.engines.native.events import EventList, read_events, read_header

MakeEvents = Callable[..., Path]


def column(events: EventList, name: str) -> np.ndarray:
    """A column as a whole."""
    return np.concatenate([part[name] for part in events.parts])


def columns_of(events: EventList) -> set[str]:
    return {name for part in events.parts for name in part}


@pytest.mark.parametrize("name", ["small.evt", "small.evt.gz"])
def test_columns_axes_and_good_time(make_events: MakeEvents, name: str) -> None:
    columns = {"TIME": [1.0, 2.5, 90.0], "X": [1, -999, 100], "Y": [1, 2, 80], "PI": [0, 19, -999]}
    events = read_events([make_events(name, columns, gti=[(0, 10), (5, 20)])], ["time", "X", "Pi"])
    assert columns_of(events) == {"TIME", "X", "PI"}
    assert column(events, "TIME").tolist() == [1.0, 2.5, 90.0]
    assert column(events, "X").dtype == np.dtype(np.int16)
    assert column(events, "X").dtype.isnative
    assert events.axes["X"].size == 100
    assert events.axes["X"].valid(column(events, "X")).tolist() == [True, False, True]
    assert (events.axes["PI"].low, events.axes["PI"].high, events.axes["PI"].null) == (0, 19, -999)
    assert events.gti.total == 20
    assert events.header["OBS_ID"] == "900000001"
    assert events.names == (name,)
    assert events.size == 3


def test_the_sky_coordinates(make_events: MakeEvents) -> None:
    wcs = read_events([make_events()], ["X", "Y"]).wcs
    assert wcs is not None
    assert [float(value) for value in wcs.wcs_pix2world(50.5, 40.5, 1)] == pytest.approx([30.0, 0.0])
    bare = make_events("bare.evt", drop=[f"TCTYP{number}" for number in (2, 3)])
    assert read_events([bare], ["X", "Y"]).wcs is None


def test_lower_case_float_columns_and_odd_neighbours(tmp_path: Path) -> None:
    lists = np.array([np.ones(3, np.float32), np.ones(0, np.float32)], dtype=object)
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("time", "1D", array=np.array([1.0, 2.0])),
            fits.Column("waves", "PE()", array=lists),
            fits.Column("x", "1E", array=np.array([1.25, 99.5], np.float32)),
            fits.Column("status", "48X", array=np.zeros((2, 48), bool)),
            fits.Column("u", "1I", bzero=32768, array=np.array([7, 65535], np.uint16)),
            fits.Column("pha", "9I", array=np.zeros((2, 9), np.int16)),
            fits.Column("word", "7A", array=np.array(["a", "bb"])),
        ],
        name="events",
    )
    table.header["TLMIN3"], table.header["TLMAX3"] = 0.5, 100.5
    table.header["TSTART"], table.header["TSTOP"] = 0.0, 10.0
    path = tmp_path / "odd.fits"
    table.writeto(path)
    events = read_events([path], ["TIME", "X", "U"])
    assert column(events, "X").tolist() == [1.25, 99.5]
    assert (events.axes["X"].low, events.axes["X"].high) == (1, 101)
    assert column(events, "U").tolist() == [7, 65535]
    for name in ("PHA", "WAVES", "WORD"):
        with pytest.raises(Permanent, match=f"column {name} holds no single numbers"):
            read_events([path], [name])


def test_scaled_columns(make_events: MakeEvents) -> None:
    scaled = fits.Column("S", "I", array=np.array([2], np.int16))
    path = make_events(extra=[scaled])
    with fits.open(path, mode="update") as hdus:
        hdus["EVENTS"].header["TSCAL5"], hdus["EVENTS"].header["TZERO5"] = 0.5, 3.0
    assert column(read_events([path], ["S"]), "S").tolist() == [4.0]


def test_scaled_single_precision_is_not_rounded(make_events: MakeEvents) -> None:
    path = make_events(extra=[fits.Column("S", "E", array=np.array([1.25], np.float32))])
    with fits.open(path, mode="update") as hdus:
        hdus["EVENTS"].header["TZERO5"] = 1.7e8
    assert column(read_events([path], ["S"]), "S").tolist() == [170000001.25]


def test_rows_beyond_one_chunk(make_events: MakeEvents) -> None:
    count = 400_000
    times = np.arange(count) * 1.5
    path = make_events(
        "many.evt",
        {"TIME": times, "X": np.arange(count) % 100, "Y": np.ones(count), "PI": np.zeros(count)},
    )
    events = read_events([path], ["X", "TIME"])
    assert np.array_equal(column(events, "TIME"), times)
    assert np.array_equal(column(events, "X"), np.arange(count) % 100)


def test_files_of_one_dataset_are_joined(make_events: MakeEvents) -> None:
    first = make_events("p0.evt", {"PI": [1]}, gti=[(0, 10)])
    second = make_events("p1.evt.gz", {"PI": [2]}, gti=[(8, 30)], OBS_ID="other")
    events = read_events([first, second], ["PI"], ["DETX"])
    assert column(events, "PI").tolist() == [1, 2]
    assert "DETX" not in columns_of(events)
    assert events.gti.total == 30
    assert events.header["OBS_ID"] == "900000001"
    assert events.names == ("p0.evt", "p1.evt.gz")


def test_good_time_is_shifted_by_its_own_zero_only(make_events: MakeEvents) -> None:
    path = make_events(gti=[(10, 20)], TIMEZERO=7.0)
    assert read_events([path], ["X"]).gti.start.tolist() == [10]
    with fits.open(path, mode="update") as hdus:
        hdus["GTI"].header["TIMEZERO"] = 100.5
    gti = read_events([path], ["X"]).gti
    assert (gti.start.tolist(), gti.stop.tolist()) == ([110.5], [120.5])


@pytest.mark.parametrize("key", ["TIMEZERO", "TIMEDEL", "TIMEPIXR"])
def test_files_with_different_frames_are_refused(make_events: MakeEvents, key: str) -> None:
    with pytest.raises(Permanent, match="do not share TIMEZERO"):
        read_events([make_events("a.evt"), make_events("b.evt", **{key: 0.25})], ["X"])


def test_files_on_different_skies_are_refused(make_events: MakeEvents) -> None:
    with pytest.raises(Permanent, match="do not share"):
        read_events([make_events("a.evt"), make_events("b.evt", TCRVL2=31.0)], ["X"])


def test_optional_columns_are_read_where_all_have_them(make_events: MakeEvents) -> None:
    with_det = make_events("a.evt", {"DETX": [3]})
    assert column(read_events([with_det], ["X"], ["DETX"]), "DETX").tolist() == [3]
    assert columns_of(read_events([with_det, make_events("b.evt")], ["X"], ["DETX"])) == {"X"}


def test_good_time_is_looked_for_in_order(make_events: MakeEvents) -> None:
    assert read_events([make_events(gti=[(0, 7)], gti_name="STDGTI")], ["X"]).gti.total == 7
    fallback = read_events([make_events(gti=None)], ["X"])
    assert fallback.gti.total == 100
    assert "no good-time intervals" in fallback.notes[0]
    with pytest.raises(Permanent, match="neither"):
        read_events([make_events(gti=None, drop=["TSTOP"])], ["X"])


def test_gti_comes_before_stdgti_and_the_first_of_several_is_taken(make_events: MakeEvents) -> None:
    path = make_events(gti=[(0, 7)], gti_name="STDGTI")
    for length in (20.0, 30.0):
        start, stop = (
            fits.Column(name, "D", array=np.array([at])) for name, at in (("START", 0.0), ("STOP", length))
        )
        fits.append(path, None, fits.BinTableHDU.from_columns([start, stop], name="GTI").header)
        with fits.open(path, mode="update") as hdus:
            hdus[-1] = fits.BinTableHDU.from_columns([start, stop], name="GTI")
    events = read_events([path], ["X"])
    assert events.gti.total == 20
    assert "2 extensions GTI" in events.notes[0]


def test_an_empty_gti_is_no_good_time(make_events: MakeEvents) -> None:
    assert read_events([make_events(gti=[])], ["X"]).gti.total == 0


def test_a_missing_file_or_a_directory_is_the_callers_fault(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no file"):
        read_events([tmp_path / "none.evt"], ["X"])
    with pytest.raises(BadInput, match="cannot be read"):
        read_header(tmp_path)


def test_a_missing_column_extension_or_range(make_events: MakeEvents, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="no column GRADE"):
        read_events([make_events()], ["GRADE"])
    no_range = read_events([make_events("a.evt", drop=["TLMAX4"])], ["PI"])
    with pytest.raises(Permanent, match=r"a\.evt gives no range .* PI"):
        no_range.axis("PI")
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
    for read in (lambda path: read_events([path], ["X"]), read_header):
        with pytest.raises(Permanent, match="no EVENTS extension"):
            read(tmp_path / "image.fits")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: raw[: len(raw) // 2], "broken|truncated"),
        (lambda raw: raw[:-5], "broken"),
        (lambda raw: raw[:-6] + bytes([raw[-6] ^ 1]) + raw[-5:], "CRC"),
        (lambda raw: raw[:2], "broken"),
        (lambda raw: gzip.compress(gzip.decompress(raw)[:9000]), "truncated"),
        (lambda raw: gzip.compress(b"no FITS" * 1000), "no FITS file"),
        (lambda raw: b"no FITS" * 1000, "no FITS file"),
        (lambda raw: b"", "no EVENTS"),
        (
            lambda raw: gzip.compress(gzip.decompress(raw).replace(b"BITPIX  =", b"BITQIX  =")),
            "broken header|size of",
        ),
    ],
)
def test_a_damaged_file(make_events: MakeEvents, damage: Callable[[bytes], bytes], said: str) -> None:
    path = make_events("small.evt.gz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Permanent, match=f"small.evt.gz.*({said})"):
        read_events([path], ["X"])


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"TIMEDEL": "short"}, "does not give TIMEDEL"),
        ({"TIMEPIXR": True}, "does not give TIMEPIXR"),
        ({"TIMEZERO": "x"}, "does not give TIMEZERO"),
        ({"MJDREFI": "x"}, "does not give MJDREFI"),
        ({"TLMIN2": "x"}, "does not give TLMIN2"),
        ({"TNULL2": "x"}, "does not give TNULL2"),
        ({"TLMAX2": 0}, "impossible range of its column X: 1 to 0"),
        ({"TLMAX2": 2_000_000_000}, "impossible range"),
        ({"NAXIS2": 10**16}, "truncated"),
        ({"NAXIS2": -1}, "negative size"),
        ({"TFIELDS": 5}, "not described well"),
        ({"XTENSION": "TABLE"}, "no EVENTS extension"),
    ],
)
def test_a_header_that_cannot_be(make_events: MakeEvents, header: dict[str, object], said: str) -> None:
    path = make_events()
    with fits.open(path) as hdus:
        changed = hdus["EVENTS"].header.copy()
        raw, before = path.read_bytes(), hdus["EVENTS"].header.tostring().encode()
    changed.update(header)
    assert len(changed.tostring()) == len(before)
    path.write_bytes(raw.replace(before, changed.tostring().encode()))
    with pytest.raises(Permanent, match=rf"small\.evt.*{said}"):
        read_events([path], ["TIME", "X"])


def test_what_a_header_says_of_columns_that_are_not_read_does_not_matter(make_events: MakeEvents) -> None:
    path = make_events(TLMIN3="x")
    assert set(read_events([path], ["X"]).axes) == {"X"}


@pytest.mark.parametrize("world", [{"TCDLT2": 0.0}, {"TCRVL3": 95.0}])
def test_sky_coordinates_that_cannot_be(make_events: MakeEvents, world: dict[str, float]) -> None:
    events = read_events([make_events(**world)], ["X", "Y"])
    with pytest.raises(
        Permanent, match=r"small\.evt: the sky coordinates of X and Y cannot be: [A-Z][^0-9]*$"
    ):
        _ = events.wcs


def test_bytes_that_no_header_may_hold_are_replaced(make_events: MakeEvents) -> None:
    path = make_events()
    path.write_bytes(path.read_bytes().replace(b"'SMALL   '", b"'M\xfcller  '"))
    assert read_events([path], ["X"]).header["OBJECT"] == "M?ller"


@pytest.mark.parametrize("bound", [np.nan, np.inf])
def test_good_time_without_a_bound(make_events: MakeEvents, bound: float) -> None:
    with pytest.raises(Permanent, match="without a start or an end"):
        read_events([make_events(gti=[(0, 5), (7, bound)])], ["X"])


def test_junk_after_the_last_extension_is_passed_over(make_events: MakeEvents) -> None:
    path = make_events("small.evt.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\0" * 2880))
    assert read_events([path], ["X"]).size == 1


def test_astropy_reads_the_same_from_the_reference(alpha: Path) -> None:
    path = alpha / "xa900000010xtd_p030000010_cl.evt.gz"
    names = ["TIME", "CCD_ID", "DETX", "X", "Y", "PI", "GRADE"]
    events = read_events([path], names)
    with fits.open(path) as hdus:
        for name in names:
            assert np.array_equal(column(events, name), hdus["EVENTS"].data[name])
    assert events.gti.total == 20345.5

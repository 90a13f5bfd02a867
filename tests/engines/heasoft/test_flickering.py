"""Flickering pixels: the calls that find them, and the events that they cost."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Permanent, SoftwareFault
from tasks.engines.heasoft import flickering
from tasks.engines.heasoft.flickering import (
    bright_pixels,
    clip_parameters,
    coordinate_parameters,
    cut,
    find_calls,
    flickers,
    merge,
    read_pixels,
    search_parameters,
)
from tasks.engines.heasoft.sequence import Calls
from tasks.library.recipe import HEASoft
from tasks.xtend.cautions import Severity

COLUMNS = ("CCD_ID", "ACTX", "ACTY", "DETX", "DETY", "START", "STOP")
NUMBERS = st.integers(0, 3)


def write_list(path: Path, rows: list[tuple[float, ...]], columns: tuple[str, ...] = COLUMNS) -> Path:
    formats = {"CCD_ID": "B", "START": "D", "STOP": "D"}
    values = np.array(rows, float).reshape(-1, len(COLUMNS)).T
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name, formats.get(name, "I"), array=column)
            for name, column in zip(COLUMNS, values, strict=True)
            if name in columns
        ],
        name="PIXELS",
    )
    table.header["OBS_ID"] = "900000001"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def write_events(path: Path, rows: list[tuple[float, ...]]) -> Path:
    values = dict(zip(("TIME", "CCD_ID", "ACTX", "ACTY"), np.array(rows, float).T, strict=True))
    formats = {"TIME": "D", "CCD_ID": "B"}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, formats.get(name, "I"), array=column) for name, column in values.items()],
        name="EVENTS",
    )
    gti = fits.BinTableHDU.from_columns([fits.Column("START", "D", array=[0.0])], name="GTI")
    fits.HDUList([fits.PrimaryHDU(), table, gti]).writeto(path)
    return path


def test_searchflickpix():
    assert search_parameters("events0.evt", "raw.fits") == {
        "infile": "events0.evt",
        "outfile": "raw.fits",
        "timecol": "TIME",
        "chipcol": "CCD_ID",
        "xcol": "ACTX",
        "ycol": "ACTY",
        "chancol": "PI",
        "gradecol": "GRADE",
        "grade": "0,2,3,4,6",
        "n_division": 1,
        "cleanimg": False,
        "cellsize": 7,
        "impfac": 320.0,
        "logprob1": -5.6,
        "logprob2": -5.6,
        "bthresh": 3,
        "clobber": True,
    }


def test_coordevt():
    assert coordinate_parameters("raw.fits", "list.fits", 11) == {
        "infile": "raw.fits",
        "outfile": "list.fits",
        "teldeffile": "CALDB",
        "attfile": "NONE",
        "dattfile": "NONE",
        "orbfile": "NONE",
        "startsys": "ACT",
        "stopsys": "DET",
        "infileext": "PIXELS",
        "seed": 11,
        "clobber": True,
    }


def test_xtdpixclip():
    assert clip_parameters("events0.evt", "clip") == {
        "evtinfile": "events0.evt",
        "outroot": "clip",
        "pmode": "apply",
        "clobber": True,
    }


def test_searching_is_two_calls_for_a_file():
    calls = Calls()
    for number in range(2):
        find_calls(
            calls,
            f"events{number}.evt",
            f"/there/{number}.evt",
            f"list{number}.fits",
            HEASoft(flickering="searchflickpix", seed=11),
        )
    assert [call.parameters["tool"] for call in calls.calls] == ["searchflickpix", "coordevt"] * 2
    assert [call.outputs for call in calls.calls[2:]] == [("raw_list1.fits",), ("list1.fits",)]
    assert calls.calls[2].inputs == {"events1.evt": "/there/1.evt"}
    assert calls.calls[3].after == {"raw_list1.fits": 2}
    assert calls.calls[3].parameters["parameters"]["seed"] == 11
    # Releases differ in this one; the default says the same.
    assert "impfac" in calls.calls[0].parameters["optional"]


def test_clipping_is_one_call_that_finds_its_list():
    calls = Calls()
    find_calls(calls, "events0.evt", "/there/a.evt", "list0.fits", HEASoft(flickering="xtdpixclip"))
    [call] = calls.calls
    assert call.function == "tasks.engines.heasoft.flickering:clip"
    assert call.parameters["output"] == "list0.fits"
    assert call.parameters["tool"] == "xtdpixclip"
    assert call.outputs == ("list0.fits",)


@pytest.mark.parametrize(
    ("made", "reason"), [([], "there is none"), (["a.fpix", "b.fpix"], "a.fpix, b.fpix")]
)
def test_a_clip_must_leave_one_list(tmp_path, monkeypatch, made, reason):
    clips(tmp_path, monkeypatch, *made)
    with pytest.raises(SoftwareFault, match=f"one list of pixels.*{reason}"):
        flickering.clip("list.fits", tool="xtdpixclip")


def test_the_list_of_a_clip_gets_its_name(tmp_path, monkeypatch):
    clips(tmp_path, monkeypatch, "clip_1.fpix")
    flickering.clip("list.fits", tool="xtdpixclip")
    assert Path("list.fits").read_text() == "pixels"


def clips(folder: Path, monkeypatch: pytest.MonkeyPatch, *made: str) -> None:
    """Has xtdpixclip leave some files in a folder, which becomes the working directory."""
    monkeypatch.chdir(folder)

    def run(then, **_):
        for name in made:
            Path(name).write_text("pixels")
        then()

    monkeypatch.setattr(flickering, "run_tool", run)


def test_events_of_a_pixel_are_cut_while_it_flickers(tmp_path):
    rows = [(1, 0, 5, 5), (10, 0, 5, 5), (20, 0, 5, 5), (21, 0, 5, 5), (15, 1, 5, 5), (15, 0, 5, 6)]
    events = write_events(tmp_path / "a.evt", rows)
    pixels = write_list(tmp_path / "a.fpix", [(0, 5, 5, 9, 9, 10.0, 20.0)])
    assert cut(events, pixels, tmp_path / "cut.evt") == 2
    with fits.open(tmp_path / "cut.evt") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "EVENTS", "GTI"]
        assert hdus["EVENTS"].data["TIME"].tolist() == [1, 21, 15, 15]
    # The pipeline's file stays as it was.
    assert fits.getheader(events, "EVENTS")["NAXIS2"] == len(rows)


def test_events_on_nothing_but_flickering_pixels_are_refused(tmp_path):
    events = write_events(tmp_path / "a.evt", [(1, 0, 5, 5)])
    pixels = write_list(tmp_path / "a.fpix", [(0, 5, 5, 9, 9, 0.0, 2.0)])
    with pytest.raises(Permanent, match=r"all events of a\.evt lie on flickering pixels"):
        cut(events, pixels, tmp_path / "cut.evt")


@given(
    st.lists(st.tuples(st.integers(0, 9), NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=30),
    st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, st.integers(0, 9), st.integers(0, 9)), max_size=10),
)
@settings(deadline=None)
def test_flickering_is_what_a_loop_over_all_pairs_finds(events, pixels):
    listed = np.zeros(len(pixels), [(name, "f8" if name in ("START", "STOP") else "i4") for name in COLUMNS])
    for row, (ccd, x, y, start, stop) in zip(listed, pixels, strict=True):
        row["CCD_ID"], row["ACTX"], row["ACTY"], row["START"], row["STOP"] = ccd, x, y, start, stop
    time, *place = (np.array(column) for column in zip(*events, strict=True))
    found = flickers(place, time.astype(float), listed)
    assert found.tolist() == [
        any((ccd, x, y) == pixel[:3] and pixel[3] <= t <= pixel[4] for pixel in pixels)
        for t, ccd, x, y in events
    ]


def listed(*places: tuple[int, int]) -> list[tuple[float, ...]]:
    """Rows of a list for pixels that flicker all the time."""
    return [(1, x, y, x, y, 0.0, 100.0) for x, y in places]


APART = [(100 * x, 50 * y) for x in range(1, 6) for y in range(1, 5)]
CORE = [(700 + x, 700 + y) for x in range(4) for y in range(4)]


@pytest.mark.parametrize(
    ("places", "lost", "told"),
    [
        ([], 0, False),
        (APART, 100, False),
        # Two that lie side by side by chance, corner to corner.
        ([*APART, (101, 51)], 100, False),
        (CORE, 10, True),
        ([*APART, *CORE], 100, True),
        (APART, 2000, False),
        (APART, 2001, True),
    ],
)
def test_what_looks_like_a_source_is_told(tmp_path, places, lost, told):
    path = write_list(tmp_path / "list.fits", listed(*places))
    cautions = bright_pixels(path, lost, 100_000)
    assert [(each.id, each.severity) for each in cautions] == [("flickering-source", Severity.SEVERE)] * told


def test_a_source_is_told_in_figures(tmp_path):
    [told] = bright_pixels(write_list(tmp_path / "list.fits", listed(*APART, *CORE)), 1234, 5000)
    assert "44% lie side by side" in told.sentence
    assert "1234 of 5000 events" in told.sentence


def test_lists_are_merged_by_time(tmp_path):
    first = write_list(tmp_path / "a.fpix", [(0, 5, 5, 9, 9, 30.0, 40.0), (0, 1, 1, 2, 2, 5.0, 6.0)])
    second = write_list(tmp_path / "b.fpix", [(3, 7, 8, 1, 2, 10.0, 20.0)])
    empty = write_list(tmp_path / "c.fpix", [])
    assert merge([first, second, empty], tmp_path / "all.fits") == 3
    pixels: Any = read_pixels(tmp_path / "all.fits")
    assert pixels["START"].tolist() == [5, 10, 30]
    assert pixels["DETX"].tolist() == [2, 1, 9]
    assert fits.getheader(tmp_path / "all.fits", "PIXELS")["OBS_ID"] == "900000001"


# Few pixels and whole seconds, so that intervals meet, overlap and hold each other.
INTERVALS = st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(0, 20), st.integers(0, 8))


def seconds(pixels: Any) -> dict[tuple[int, int], set[int]]:
    """The whole seconds in which each DET pixel flickers, one by one."""
    found: dict[tuple[int, int], set[int]] = {}
    for row in pixels:
        time = range(int(row["START"]), int(row["STOP"]))
        found.setdefault((int(row["DETX"]), int(row["DETY"])), set()).update(time)
    return found


@given(st.lists(st.lists(INTERVALS, max_size=6), min_size=1, max_size=3))
@settings(deadline=None, max_examples=25)
def test_a_merged_list_has_disjoint_intervals_and_the_same_time_of_every_pixel(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("lists")
    lists = [
        write_list(folder / f"{number}.fpix", [(0, x, y, x, y, t, t + length) for x, y, t, length in part])
        for number, part in enumerate(parts)
    ]
    count = merge(lists, folder / "all.fits")
    made: Any = read_pixels(folder / "all.fits")
    assert len(made) == count
    assert seconds(made) == seconds(np.concatenate([read_pixels(path) for path in lists]))
    assert (np.diff(made["START"]) >= 0).all()
    for place in seconds(made):
        mine = made[(made["DETX"] == place[0]) & (made["DETY"] == place[1])]
        assert (mine["START"][1:] > mine["STOP"][:-1]).all()


def test_a_list_without_detector_pixels_is_refused(tmp_path):
    pixels = write_list(tmp_path / "a.fpix", [(0, 5, 5, 9, 9, 0.0, 2.0)], columns=COLUMNS[:3])
    with pytest.raises(SoftwareFault, match=r"a\.fpix is no list of flickering pixels: .*DETX"):
        read_pixels(pixels)

"""Light curves: where bins lie, what is exposed, and what is left out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.engines.native.axes import Axis
from tasks.engines.native.cuts import Cuts
from tasks.engines.native.events import EventList, read_events
from tasks.engines.native.gti import Gti
from tasks.engines.native.light_curves import CurveCounter, LightCurve, light_curve_hdus
from tasks.engines.native.selection import Selection, frame_shift, live_fraction, select
from tasks.xtend.channels import Channels

MakeEvents = Callable[..., Path]


def curve(
    times: list[float], gti: list[tuple[float, float]], width: float, threshold: float = 0.0
) -> LightCurve:
    intervals = Gti.merged([a for a, _ in gti], [b for _, b in gti])
    # In two parts, as a long list comes.
    parts = [
        {"TIME": np.array(part, float), "PI": np.zeros(len(part), np.int16)}
        for part in (times[:2], times[2:])
    ]
    axes = {"PI": Axis("PI", 0, 9)}
    events = EventList(("a.evt",), {"TIMEDEL": 4.0, "TIMEPIXR": 0.5}, parts, axes, intervals)  # type: ignore[arg-type]
    return counted(Selection(events), width, threshold)


def counted(selection: Selection, width: float, threshold: float = 0.0) -> LightCurve:
    """The curve of all events."""
    counter = CurveCounter(selection, Cuts([None], selection.events.axis("PI")), None, width)
    for chunk in selection.chunks():
        counter.add(chunk)
    return counter.curve(None, threshold)


def test_bins_start_with_the_good_time_and_count_per_exposed_second() -> None:
    made = curve([9.9, 10.0, 19.0, 20.0, 34.0, 36.0], [(10, 25), (35, 40)], 10.0)
    assert made.start == 10.0
    assert made.begin.tolist() == [10, 20, 30]
    assert made.counts.tolist() == [2, 1, 1]
    assert made.exposure.tolist() == [10.0, 5.0, 5.0]


def test_bins_without_good_time_are_missing() -> None:
    made = curve([1.0, 45.0], [(0, 10), (40, 50)], 10.0)
    assert made.begin.tolist() == [0, 40]


def test_an_event_on_the_last_stop_that_is_an_edge_has_no_bin() -> None:
    made = curve([0.0, 20.0], [(0, 20)], 10.0)
    assert made.begin.tolist() == [0, 10]
    assert made.counts.tolist() == [1, 0]


def test_the_threshold_is_met_by_an_equal_fraction() -> None:
    gti = [(0.0, 10.0), (10.0, 15.0), (20.0, 24.0)]
    assert curve([1.0], gti, 10.0, 0.5).begin.tolist() == [0, 10]
    assert curve([1.0], gti, 10.0, 1.0).begin.tolist() == [0]


def shares(begin: float, end: float, gti: list[tuple[float, float]]) -> float:
    """Good time of a bin as extractor adds it up."""
    return sum(
        (min(stop, end) - max(start, begin) for start, stop in gti if start < end and stop > begin), 0.0
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 400), st.integers(1, 900), st.sampled_from([0.1, 3.3, 37.7, 200.0]), st.floats(0, 1))
def test_bins_round_as_in_extractor_late_in_a_mission(
    offset: int, length: int, width: float, threshold: float
) -> None:
    start = 1.7e8 + offset / 10
    gti = [(start, start + length / 10), (start + 100.1, start + 150.3)]
    threshold = 1.0 if threshold > 0.5 else threshold
    made = curve([start], gti, width, threshold)
    begin = [start + width * number for number in range(int((gti[1][1] - start) / width) + 1)]
    exposed = {at: shares(at, at + width, gti) for at in begin}
    kept = {at: share for at, share in exposed.items() if share != 0 and share / width >= threshold}
    assert made.begin.tolist() == list(kept)
    assert made.exposure.tolist() == list(kept.values())


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 120).map(lambda tenth: tenth / 4), max_size=40),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), min_size=1, max_size=5),
    st.integers(1, 9),
)
def test_counts_and_exposure_add_up(times: list[float], spans: list[tuple[int, int]], width: int) -> None:
    gti = [(float(a), float(a + length)) for a, length in spans]
    made = curve(times, gti, float(width))
    intervals = Gti.merged([a for a, _ in gti], [b for _, b in gti])
    assert made.exposure.sum() == pytest.approx(intervals.total)
    assert np.all(made.exposure <= width + 1e-9)
    start = intervals.start[0]
    bins = {int((t - start) // width) for t in times if intervals.contains(t)}
    numbers = set(((made.begin - start) / width).astype(int).tolist())
    lost = sum(int((t - start) // width) not in numbers for t in times if intervals.contains(t))
    assert made.counts.sum() == intervals.contains(times).sum() - lost
    assert all(number in numbers or (start + number * width) in intervals.stop for number in bins)


def test_bins_that_are_far_too_short() -> None:
    with pytest.raises(BadInput, match="use longer ones"):
        curve([1.0], [(0, 1000)], 1e-9)


@pytest.mark.parametrize(
    ("header", "shift"),
    [
        ({}, 0.0),
        ({"TIMEPIXR": 0.0}, 0.0),
        ({"TIMEDEL": 4.0}, 2.0),
        ({"TIMEDEL": 4.0, "TIMEPIXR": 0.5}, 0.0),
        ({"TIMEDEL": 4.0, "TIMEPIXR": 1.0}, -2.0),
        ({"TIMEDEL": 4.0, "TIMEPIXR": 0.5, "TIMEZERO": 7.0}, 7.0),
        ({"TIMEZERI": 7, "TIMEZERF": 0.25}, 0.0),
    ],
)
def test_the_centre_of_a_frame(header: dict[str, Any], shift: float) -> None:
    assert frame_shift(header) == shift


@pytest.mark.parametrize(
    ("header", "fraction"),
    [
        ({}, 1.0),
        ({"DEADC": 0.9, "DTCOR": 0.8, "LIVETIME": 1.0, "ONTIME": 2.0}, float(np.float32(0.9))),
        ({"DTCOR": 0.8, "LIVETIME": 1.0, "ONTIME": 2.0}, float(np.float32(0.8))),
        ({"LIVETIME": 1.0, "ONTIME": 2.0}, 0.5),
        ({"LIVETIME": 1.0, "ONTIME": 0.0}, 1.0),
        ({"DEADC": "N/A", "DTCOR": True, "LIVETIME": 1.0, "ONTIME": 4.0}, 0.25),
        ({"DEADC": 0.0}, 1.0),
    ],
)
def test_dead_time(header: dict[str, Any], fraction: float) -> None:
    assert live_fraction(header) == fraction


def test_times_in_single_precision_are_counted_in_double() -> None:
    made = curve([0.0], [(1.7e8, 1.7e8 + 40)], 2.0)
    parts = [{"TIME": np.array([1.7e8 + 16], np.float32), "PI": np.zeros(1, np.int16)}]
    gti = Gti.merged([1.7e8], [1.7e8 + 40])
    single = counted(Selection(EventList(("a.evt",), {}, parts, {"PI": Axis("PI", 0, 9)}, gti)), 2.0)  # type: ignore[arg-type]
    assert made.begin.tolist() == single.begin.tolist()
    assert single.begin[single.counts > 0].tolist() == [1.7e8 + 16]


def test_bands_of_one_region_are_counted_together(make_events: MakeEvents) -> None:
    columns = {"TIME": np.arange(20.0), "X": np.ones(20), "Y": np.ones(20), "PI": np.arange(20)}
    selection = select(read_events([make_events(columns=columns)], ["TIME", "X", "Y", "PI"]))
    bands = [Channels(2, 9), Channels(9, 12), None]
    counter = CurveCounter(selection, Cuts(bands, selection.events.axis("PI")), None, 5.0)
    for chunk in selection.chunks():
        counter.add(chunk)
    counts = [counter.curve(band, 0.0).counts[:4].tolist() for band in bands]
    assert counts == [[3, 5, 0, 0], [0, 1, 3, 0], [5, 5, 5, 5]]


@pytest.mark.parametrize(("given", "said"), [("N/A", 1.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5), (None, None)])
def test_a_product_tells_the_live_fraction_that_was_taken(
    make_events: MakeEvents, given: object, said: float | None
) -> None:
    path = make_events(**({} if given is None else {"DEADC": given}))
    selection = select(read_events([path], ["TIME", "X", "Y", "PI"]))
    made = counted(selection, 40.0)
    rate = light_curve_hdus(selection, None, None, 8000, made)[1]
    assert rate.header.get("DEADC") == said


def test_the_file(make_events: MakeEvents) -> None:
    path = make_events(columns={"TIME": [1.0, 2.0], "X": [1, 2], "Y": [1, 2], "PI": [3, 4]}, DEADC=0.5)
    selection = select(read_events([path], ["TIME", "X", "Y", "PI"]))
    made = counted(selection, 40.0, 0.25)
    primary, rate, gti = light_curve_hdus(selection, Channels(3, 4), None, 8000, made)
    assert primary.data is None
    assert (primary.header["TIMEZERO"], primary.header["TIMEDEL"]) == (20.0, 40.0)
    assert rate.columns.names == ["TIME", "RATE", "ERROR", "FRACEXP"]
    assert rate.columns.formats == ["D", "E", "E", "E"]
    assert rate.data["TIME"].tolist() == [0.0, 40.0, 80.0]
    assert rate.data["RATE"].tolist() == pytest.approx([0.05, 0, 0])
    assert rate.data["ERROR"].tolist() == pytest.approx([np.sqrt(2) / 40, 0, 0])
    assert rate.data["FRACEXP"].tolist() == [1.0, 1.0, 0.5]
    header = rate.header
    assert (header["TIMEZERO"], header["TIMEDEL"], header["TIMEPIXR"]) == (20.0, 40.0, 0.5)
    assert (header["ONTIME"], header["EXPOSURE"], header["DEADC"], header["DEADAPP"]) == (100, 50, 0.5, False)
    assert (header["PHALCUT"], header["PHAHCUT"], header["MINFREXP"]) == (3, 4, 0.25)
    assert header["HDUCLAS1"] == "LIGHTCURVE"
    assert gti.data["STOP"].tolist() == [100.0]
    assert selection.events.header["DEADC"] == 0.5
    assert "EXPOSURE" not in selection.events.header

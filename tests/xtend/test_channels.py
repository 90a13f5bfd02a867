from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.xtend.channels import CHANNEL_COUNT, Channels, channels, energies_kev, why_other_channels

keV = st.integers(0, 24_000).map(lambda number: Decimal(number) / 1000)  # noqa: N816


@pytest.mark.parametrize(
    ("band", "low", "high"),
    [
        ("0.4-2", 66, 334),
        ("0.5-2", 83, 334),
        ("0.6-2", 100, 334),
        ("2-6", 333, 1001),
        ("2-10", 333, 1667),
        ("6-10", 1000, 1667),
        ("10-12", 1667, 2001),
        ("0-24.6", 0, 4095),
        ("0.6-100", 100, 4095),
    ],
)
def test_the_table_of_the_design(band, low, high):
    assert channels(Band.parse(band)) == (low, high)


@pytest.mark.parametrize(
    ("band", "low", "high"),
    [("0.6-2", 100, 332), ("2-6", 333, 999), ("6-10", 1000, 1666), ("10-12", 1667, 1999)],
)
def test_disjoint_bands(band, low, high):
    assert channels(Band.parse(band), "disjoint") == (low, high)


@settings(deadline=None)
@given(keV, keV)
def test_floor_and_ceiling_in_exact_arithmetic(one, other):
    low, high = sorted((one, other))
    if low == high or low * Decimal("166.7") >= CHANNEL_COUNT:
        return
    found = channels(Band(low=low, high=high))
    scale = Fraction(1667, 10)
    assert found.low == floor(Fraction(low) * scale)
    assert found.high == min(ceil(Fraction(high) * scale), CHANNEL_COUNT - 1)


@settings(deadline=None)
@given(st.lists(st.integers(0, 240), min_size=3, max_size=6, unique=True).map(sorted))
def test_disjoint_neighbours_share_nothing_and_leave_nothing_out(tenths):
    edges = [Decimal(number) / 10 for number in tenths]
    parts = [channels(Band(low=low, high=high), "disjoint") for low, high in pairwise(edges)]
    for left, right in pairwise(parts):
        assert right.low == left.high + 1


@settings(deadline=None)
@given(st.lists(st.integers(0, 240), min_size=3, max_size=3, unique=True).map(sorted))
def test_shared_neighbours_overlap_by_no_more_than_the_edge(tenths):
    low, middle, high = (Decimal(number) / 10 for number in tenths)
    left, right = channels(Band(low=low, high=middle)), channels(Band(low=middle, high=high))
    assert 0 <= left.high - right.low <= 1


@pytest.mark.parametrize(
    ("band", "edges"),
    [("25-30", "shared"), ("25-30", "disjoint"), ("2-2.001", "disjoint"), ("0-0.001", "disjoint")],
)
def test_a_band_without_a_channel(band, edges):
    with pytest.raises(BadInput, match="holds no channel of 0–4095"):
        channels(Band.parse(band), edges)


def test_true_energies_on_the_grid_of_the_rmf():
    assert energies_kev(Channels(100, 333)) == pytest.approx((0.6, 2.004))
    assert energies_kev(Channels(0, 0)) == pytest.approx((0, 0.006))
    assert energies_kev(Channels(0, 4095))[1] == pytest.approx(24.576)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("100:334", (100, 334)), (" 1 : 1 ", (1, 1)), ("0:4095", (0, 4095)), ("007:8", (7, 8))],
)
def test_ranges(text, expected):
    assert Channels.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":", "1", "1:", ":2", "a:b", "1:2:3", "-1:2", "1.5:2", "1-2", "²:3", "1:∞"]
)
def test_what_is_no_range(text):
    with pytest.raises(BadInput, match="is not a channel range: give LO:HI"):
        Channels.parse(text)


def test_a_range_runs_upwards():
    with pytest.raises(BadInput, match="upside down"):
        Channels.parse("334:100")


def ebounds(width=0.006, first=0, count=CHANNEL_COUNT, kind=np.float32):
    number = np.arange(count)
    return number + first, (number * width).astype(kind), ((number + 1) * width).astype(kind)


def test_a_response_has_the_channels_of_the_events():
    assert why_other_channels(*ebounds()) is None
    channel, low, high = ebounds(kind=float)
    assert why_other_channels(channel, np.maximum(low, 1e-4), high) is None
    # The channels of a band have the energies that the response gives them.
    selection = channels(Band.parse("0.6-10"))
    assert (low[selection.low], high[selection.high]) == pytest.approx(energies_kev(selection))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (ebounds(first=1), "has not the channels 0 to 4095"),
        (ebounds(count=4095), "has not the channels 0 to 4095"),
        (ebounds(count=0), "has not the channels 0 to 4095"),
        (ebounds(width=0.00601), "has not 6 eV per channel"),
        (ebounds(width=0.005), "has not 6 eV per channel"),
        ((*ebounds()[:2], np.full(CHANNEL_COUNT, np.nan)), "has not 6 eV per channel"),
        ((ebounds()[0], ebounds()[2], ebounds()[1]), "has not 6 eV per channel"),
    ],
)
def test_other_channels_are_told(given, why):
    assert why_other_channels(*given) == f"{why} in its EBOUNDS"

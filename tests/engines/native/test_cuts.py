"""Cuts of the PI axis: every band is some whole pieces, whatever the bands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.native.axes import Axis
from tasks.engines.native.cuts import Cuts
from tasks.xtend.channels import Channels

BANDS = st.lists(
    st.none() | st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda p: Channels(p[0], p[0] + p[1])),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(BANDS, st.lists(st.integers(-5, 90), max_size=40), st.sampled_from(["i2", "i4", "u1", "f4"]))
def test_the_pieces_of_a_band_hold_its_events(
    bands: list[Channels | None], values: list[int], kind: str
) -> None:
    pi = np.array(values).astype(kind) if kind != "u1" else np.abs(np.array(values, int)).astype(kind)
    cuts = Cuts(bands, Axis("PI", 0, 80, null=7))
    piece = cuts.piece(pi)
    for band in bands:
        found = np.isin(piece, cuts.pieces(band))
        expected = (
            np.ones(pi.size, bool) if band is None else (pi >= band.low) & (pi <= band.high) & (pi != 7)
        )
        assert np.array_equal(found, expected)


def test_pieces_that_no_band_holds_are_none() -> None:
    cuts = Cuts([Channels(1, 2), Channels(2, 3), Channels(10, 10)], Axis("PI", 0, 20))
    assert cuts.count == 4
    assert cuts.piece(np.array([0, 1, 2, 3, 4, 9, 10, 11], np.int16)).tolist() == [-1, 0, 1, 2, -1, -1, 3, -1]
    assert cuts.pieces(Channels(2, 3)) == [1, 2]


@pytest.mark.parametrize("high", [40_000, 900_000_000])
def test_bands_beyond_what_the_column_can_hold(high: int) -> None:
    cuts = Cuts([Channels(3, high)], Axis("PI", 0, 20))
    assert cuts.piece(np.array([2, 3, 32_000], np.int16)).tolist() == [-1, 0, 0]


def test_channels_that_are_no_numbers_belong_to_no_band_but_to_all_events() -> None:
    pi = np.array([1.0, np.nan])
    assert Cuts([Channels(0, 9)], Axis("PI", 0, 9)).piece(pi).tolist() == [0, -1]
    both = Cuts([Channels(0, 9), None], Axis("PI", 0, 9))
    assert both.pieces(None) == [0, 1]
    assert (both.piece(pi) >= 0).all()

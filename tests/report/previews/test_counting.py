import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.report.previews.counting import count_errors


@pytest.mark.parametrize(
    ("counts", "down", "up"),
    # The exact 84.13 % limits of Gehrels' tables 1 and 2; his approximations are good to a few per cent.
    [(0, 0.0, 1.841), (1, 0.827, 2.300), (3, 1.633, 2.918), (5, 2.159, 3.382), (9, 2.943, 4.110)],
)
def test_few_counts_have_the_errors_of_gehrels_tables(counts, down, up):
    assert count_errors(np.array([float(counts)]))[:, 0] == pytest.approx([down, up], rel=0.03)


def test_many_counts_have_the_square_root():
    assert count_errors(np.array([10.0, 400.0])) == pytest.approx(
        np.array([[3.162, 20], [3.162, 20]]), rel=1e-3
    )


@settings(deadline=None)
@given(arrays(float, 20, elements=st.integers(0, 10**6)))
def test_errors_never_reach_below_zero_counts(counts):
    down, up = count_errors(counts)
    assert (down >= 0).all()
    assert (down <= counts).all()
    assert (up >= down).all()
    assert (up > 0).sum() == 20 - ((counts >= 10) & (up == 0)).sum()

"""Statistics: laws, XSPEC's cases, and an independent search for W's hidden background."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.fitting.statistics import background_in_source, chi2, cstat, variance, wstat

counts = st.integers(0, 500).map(float)
means = st.floats(1e-3, 500)
ratios = st.floats(0.05, 50)


def one(function, *values):
    return float(function(*(np.array([value], float) for value in values))[0])


def by_cases(s, b, m, ts, tb):
    """W of one group as XSPEC's manual writes it (appendix B), for a rate m and exposures ts and tb."""
    if s == 0:
        return 2 * (ts * m - (b * np.log(tb / (ts + tb)) if b else 0))
    if b == 0:
        if m < s / (ts + tb):
            return 2 * (-tb * m - s * np.log(ts / (ts + tb)))
        return 2 * (ts * m + s * (np.log(s) - np.log(ts * m) - 1))
    d = np.sqrt(((ts + tb) * m - s - b) ** 2 + 4 * (ts + tb) * b * m)
    f = (s + b - (ts + tb) * m + d) / (2 * (ts + tb))
    return 2 * (
        ts * m
        + (ts + tb) * f
        - s * np.log(ts * m + ts * f)
        - b * np.log(tb * f)
        - s * (1 - np.log(s))
        - b * (1 - np.log(b))
    )


@settings(deadline=None)
@given(s=counts, m=means)
def test_cstat_is_never_negative_and_0_for_perfect_data(s, m):
    assert one(cstat, s, m) >= 0
    assert one(cstat, s, s) == pytest.approx(0, abs=1e-20)


def test_cstat_has_the_normalisation_of_castor():
    # 2 (m − S + S ln(S/m)), worked out by hand for S = 3, m = 2.
    assert one(cstat, 3, 2) == pytest.approx(2 * (2 - 3 + 3 * np.log(1.5)))
    assert one(cstat, 0, 2) == pytest.approx(4)


def test_a_count_where_none_is_expected_is_finite():
    assert np.isfinite(one(cstat, 1, 0))


@settings(deadline=None)
@given(s=counts, b=counts, m=means, ratio=ratios)
def test_w_is_that_of_the_manual(s, b, m, ratio):
    assert one(wstat, s, b, m, ratio) == pytest.approx(by_cases(s, b, m, 1.0, ratio), rel=1e-7, abs=1e-7)


@settings(deadline=None)
@given(s=counts, b=counts, m=means, ratio=ratios)
def test_w_is_the_least_over_all_backgrounds(s, b, m, ratio):
    hidden = np.concatenate([[0.0], np.geomspace(1e-6, 2 * (s + b + 1), 4000)])
    tried = cstat(np.full(hidden.size, s), m + hidden) + cstat(np.full(hidden.size, b), ratio * hidden)
    least = one(wstat, s, b, m, ratio)
    assert least <= tried.min() + 1e-9
    # The search steps by half a percent, so that it comes near.
    assert tried.min() - least < 1e-4 * (1 + s + b)


@settings(deadline=None)
@given(net=st.floats(0.01, 300), hidden=st.floats(0.01, 300), ratio=ratios)
def test_w_is_0_for_perfect_data(net, hidden, ratio):
    assert one(wstat, net + hidden, ratio * hidden, net, ratio) == pytest.approx(0, abs=1e-7)
    assert one(background_in_source, net + hidden, ratio * hidden, net, ratio) == pytest.approx(hidden)


@settings(deadline=None)
@given(s=counts, b=counts, m=means, ratio=ratios, factor=st.integers(2, 9))
def test_more_of_the_same_scales_the_statistic(s, b, m, ratio, factor):
    more = one(wstat, factor * s, factor * b, factor * m, ratio)
    assert more == pytest.approx(factor * one(wstat, s, b, m, ratio), rel=1e-7, abs=1e-7)
    assert one(cstat, factor * s, factor * m) == pytest.approx(factor * one(cstat, s, m), rel=1e-9, abs=1e-9)


def test_w_nears_cstat_where_the_background_is_known_well():
    assert one(wstat, 30, 1e8, 20, 1e7) == pytest.approx(one(cstat, 30, 30), abs=1e-3)


def test_chi2_with_variances_as_xspec_weighs_them():
    own, behind, scale = np.array([4.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0]), np.full(3, 0.5)
    weights = variance(own, behind, scale)
    # 4 counts; only background; neither: the lesser of 1 and scale².
    assert weights.tolist() == [4, 2, 0.25]
    assert variance(np.zeros(1), np.zeros(1), np.array([3.0])).tolist() == [1]
    assert chi2(np.array([4.0]), np.array([4.0]), np.array([2.0])).tolist() == [1]

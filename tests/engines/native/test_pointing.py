import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.native.attitude import AttitudeHistory
from tasks.engines.native.gti import Gti
from tasks.engines.native.pointing import wander_arcsec

ARCSEC = 1 / 3600


def history(ra, dec):
    time = np.arange(len(ra), dtype=float)
    ra, dec = np.asarray(ra, float) % 360, np.asarray(dec, float)
    return AttitudeHistory(time, ra, dec, ra * 0, ra, dec, axis_known=True, object=None)


def test_a_steady_pointing_does_not_wander():
    assert wander_arcsec(history([0.0] * 9, [89.0] * 9), Gti.merged([0.0], [9.0])) == pytest.approx(
        0, abs=1e-6
    )


@settings(deadline=None, max_examples=50)
@given(ra=st.floats(0, 360), dec=st.floats(-89, 89), far=st.floats(0.01, 1000))
def test_half_of_the_way_between_two_pointings_anywhere(ra, dec, far):
    east = far * ARCSEC / np.cos(np.radians(dec))
    north = np.array([0, far * ARCSEC * (1 if dec < 0 else -1)])
    gti = Gti.merged([0.0], [2.0])
    assert wander_arcsec(history([ra, ra], dec + north), gti) == pytest.approx(far / 2, rel=1e-4)
    if abs(dec) < 60:
        assert wander_arcsec(history([ra, ra + east], [dec, dec]), gti) == pytest.approx(far / 2, rel=1e-4)


def test_only_good_time_counts():
    moved = history([10.0] * 10, [0.0] * 8 + [1.0] * 2)
    assert wander_arcsec(moved, Gti.merged([0.0], [7.0])) == pytest.approx(0, abs=1e-6)
    assert wander_arcsec(moved, Gti.merged([0.0], [8.0])) > 1000
    assert wander_arcsec(moved, Gti.merged([3.2], [3.4])) is None

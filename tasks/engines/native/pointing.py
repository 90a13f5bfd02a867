"""How steadily the telescope pointed."""

import numpy as np

from tasks.engines.native.attitude import AttitudeHistory
from tasks.engines.native.gti import Gti


def wander_arcsec(history: AttitudeHistory, gti: Gti) -> float | None:
    """How far the pointing went from its mean at most, in arcsec; None without a sample in good time.

    Parameters
    ----------
    history : AttitudeHistory
        The attitude.
    gti : Gti
        Good time; samples outside do not count.
    """
    good = gti.contains(history.time)
    if not good.any():
        return None
    ra, dec = np.radians(history.ra[good]), np.radians(history.dec[good])
    pointing = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    mean = pointing.mean(axis=1)
    mean /= np.linalg.norm(mean)
    # A chord of unit vectors: exact where the cosine of so small an angle is not.
    chord = np.linalg.norm(pointing - mean[:, None], axis=0).max()
    return float(np.degrees(2 * np.arcsin(chord / 2)) * 3600)

"""What is simulated: observations with a target of known position, flux, spectrum and variability."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.archive.simulated.programme import Observation
from tasks.archive.simulated.sources import POWER_LAW, Source, Spectrum
from tasks.core.identifiers import DataClass, ObsID
from tasks.fitting.model import photons_of
from tasks.library.spectral.model import Model
from tasks.xtend.geometry import DET_AIM, PIXEL_ARCMIN

Floats = NDArray[np.float64]

FULL: Final = DataClass("30000010")
EIGHTH: Final = DataClass("31100010")
MODEL: Final = "phabs*powerlaw"
TRUTH: Final = {"phabs.nH": 0.3, "powerlaw.PhoIndex": 1.9}
_PA: Final = 37.0
_DEC: Final = 12.0
_BIN_KEV: Final = 0.0025


def _density(energy: Floats) -> Floats:
    """The target's photons: the model that is fitted, in narrow bins around the energies."""
    photons = photons_of(Model.build(MODEL), energy - _BIN_KEV, energy + _BIN_KEV)
    return np.asarray(photons({**TRUTH, "powerlaw.norm": 1.0}) / (2 * _BIN_KEV))


KNOWN: Final = Spectrum("known", _density, MODEL, (*TRUTH.items(), ("powerlaw.norm", 1.0)))


@dataclass(frozen=True)
class Scene:
    """A kind of observation.

    Parameters
    ----------
    number : int
        Of the scene, 0 to 99: each has random numbers of its own, since these go by the ObsID.
    observation : Observation
        As simulated, but for the ObsID.
    cautions : tuple of str
        Cautions that must be there, by id.
    judged : {"everything", "outside the spectrum", "nothing"}
        What of the target has to be right. The spectrum need not be where a caution says that something else
        is in it; and where nothing is right there must be no fit.
    """

    number: int
    observation: Observation
    cautions: tuple[str, ...] = ()
    judged: Literal["everything", "outside the spectrum", "nothing"] = "everything"

    def of_seed(self, seed: int) -> Observation:
        """The observation with the events of a seed, 0 to 999."""
        return replace(self.observation, obsid=ObsID(f"9{self.number:02d}{seed:03d}010"))


def _toward(det_x: float, det_y: float) -> tuple[float, float]:
    """Where the telescope points, in arcmin east and north of a target that is to be at a DET position."""
    dx, dy = det_x - DET_AIM, det_y - DET_AIM
    cosine, sine = np.cos(np.radians(_PA)), np.sin(np.radians(_PA))
    # East is −X.
    east, north = -(dx * cosine - dy * sine), dx * sine + dy * cosine
    return -east * PIXEL_ARCMIN, -north * PIXEL_ARCMIN


def _beside(east: float, north: float) -> tuple[float, float]:
    """A DET position some arcmin from the target on axis."""
    return DET_AIM + east / PIXEL_ARCMIN, DET_AIM + north / PIXEL_ARCMIN


_FIELD: Final = (
    Source("field 1", 0.05, POWER_LAW, (1210.0, 640.0)),
    Source("field 2", 0.03, POWER_LAW, (520.0, 1120.0)),
)
_TARGET: Final = Source("target", 0.25, KNOWN, variable=True)
_WINDOW: Final = Observation(
    ObsID("900100010"), "COVERAGE", "known truth", (FULL,), 150.0, _DEC, _PA, 151070000.25, 34200.0, _TARGET,
    field=_FIELD,
)  # fmt: skip


def _with(neighbour: Source) -> Observation:
    return replace(_WINDOW, field=(*_FIELD, neighbour))


SCENES: Final = {
    "full window": Scene(1, _WINDOW),
    "1/8 window": Scene(
        2, replace(_WINDOW, classes=(EIGHTH,), frame_gtis=True), cautions=("source-cut", "window-edge")
    ),
    "near the edge": Scene(
        3,
        replace(_WINDOW, target=replace(_TARGET, rate=0.6), aim_arcmin=_toward(304.0, 620.0)),
        cautions=("window-edge",),
    ),
    "second bright source": Scene(4, _with(Source("neighbour", 0.5, POWER_LAW, _beside(6.0, 3.6)))),
    # Its wings are 3 % of what lies in the source circle, and nothing takes them away.
    "close neighbour": Scene(
        5,
        _with(Source("neighbour", 0.25, POWER_LAW, _beside(2.8, 2.8))),
        cautions=("neighbour",),
        judged="outside the spectrum",
    ),
    "calibration source": Scene(
        6, replace(_WINDOW, target=replace(_TARGET, rate=0.5), aim_arcmin=_toward(830.0, 1450.0))
    ),
    "extended target": Scene(
        7,
        replace(_WINDOW, target=replace(_TARGET, rate=0.5, core_arcmin=1.0)),
        cautions=("extended-target",),
        judged="nothing",
    ),
    "nothing at the target": Scene(
        8,
        replace(_WINDOW, target=replace(_TARGET, rate=0.0)),
        cautions=("no-source-at-target",),
        judged="nothing",
    ),
}

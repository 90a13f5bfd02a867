"""Components: integrals and norms against what they stand for."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.fitting.components import SHAPES
from tasks.library.spectral.components import COMPONENTS

ERG_PER_KEV = 1.602176634e-9
CM_PER_10_KPC = 3.0856775815e22


def photons(name, edges, **values):
    return SHAPES[name](edges[:-1], edges[1:], "angr")(**values)


def test_names_and_parameters_are_those_of_xspec():
    named = {name: [p.name for p in component.parameters] for name, component in COMPONENTS.items()}
    assert named == {
        "phabs": ["nH"],
        "powerlaw": ["PhoIndex", "norm"],
        "bbody": ["kT", "norm"],
        "bremss": ["kT", "norm"],
        "gaussian": ["LineE", "Sigma", "norm"],
    }


@settings(deadline=None)
@given(index=st.floats(-3, 9), low=st.floats(0.01, 10), width=st.floats(1e-4, 5))
def test_a_power_law_is_integrated(index, low, width):
    high = low + width
    # The midpoint of many fine bins is an integral of its own.
    fine = np.linspace(low, high, 20001)
    middle = (fine[1:] + fine[:-1]) / 2
    expected = 2.0 * (middle**-index).sum() * (fine[1] - fine[0])
    found = photons("powerlaw", np.array([low, high]), PhoIndex=index, norm=2.0)[0]
    assert found == pytest.approx(expected, rel=2e-3 if width > low else 1e-5)


@given(index=st.floats(1 - 1e-7, 1 + 1e-7))
def test_the_integral_passes_through_the_logarithm(index):
    found = photons("powerlaw", np.array([0.5, 7.0]), PhoIndex=index, norm=1.0)[0]
    assert found == pytest.approx(math.log(14), rel=1e-6)


@given(split=st.floats(1.01, 6.9), index=st.floats(0, 4))
def test_bins_add_up(split, index):
    whole = photons("powerlaw", np.array([1.0, 7.0]), PhoIndex=index, norm=1.0).sum()
    parts = photons("powerlaw", np.array([1.0, split, 7.0]), PhoIndex=index, norm=1.0).sum()
    assert parts == pytest.approx(whole)


@pytest.mark.parametrize("kt", [0.1, 0.5, 3.0])
def test_a_black_body_radiates_its_luminosity(kt):
    edges = np.geomspace(1e-4 * kt, 60 * kt, 4001)
    flux = (photons("bbody", edges, kT=kt, norm=1.0) * (edges[1:] + edges[:-1]) / 2).sum() * ERG_PER_KEV
    assert flux == pytest.approx(1e39 / (4 * math.pi * CM_PER_10_KPC**2), rel=3e-3)


def test_a_black_body_peaks_where_wien_says():
    edges = np.linspace(0.1, 30, 3000)
    energy = (edges[1:] + edges[:-1]) / 2
    per_kev = photons("bbody", edges, kT=2.0, norm=1.0) * energy / np.diff(edges)
    assert energy[np.argmax(per_kev)] == pytest.approx(2.8214 * 2.0, rel=5e-3)


@settings(deadline=None)
@given(energy=st.floats(1.0, 8.0), sigma=st.floats(0.0, 0.1), bins=st.integers(3, 400))
def test_a_line_keeps_its_photons_in_any_binning(energy, sigma, bins):
    found = photons("gaussian", np.linspace(0.1, 10, bins), LineE=energy, Sigma=sigma, norm=3.0)
    assert found.sum() == pytest.approx(3.0)
    assert (found >= 0).all()


@pytest.mark.parametrize("energy", [0.05, 10.0, 20.0])
def test_a_line_elsewhere_is_not_seen(energy):
    assert photons("gaussian", np.linspace(0.1, 10, 50), LineE=energy, Sigma=0.0, norm=3.0).sum() == 0


@given(energy=st.floats(1.0, 8.0))
def test_a_line_without_width_has_its_mean_energy(energy):
    edges = np.linspace(0.1, 10, 100)
    share = photons("gaussian", edges, LineE=energy, Sigma=0.0, norm=1.0)
    assert (share * (edges[1:] + edges[:-1]) / 2).sum() == pytest.approx(energy)
    assert np.count_nonzero(share) <= 2


def test_a_line_has_its_width():
    edges = np.linspace(5.0, 7.0, 2001)
    energy = (edges[1:] + edges[:-1]) / 2
    share = photons("gaussian", edges, LineE=6.0, Sigma=0.1, norm=1.0)
    assert (share * energy).sum() == pytest.approx(6.0)
    assert math.sqrt((share * (energy - 6.0) ** 2).sum()) == pytest.approx(0.1, rel=1e-4)


def test_bremsstrahlung_has_the_emissivity_of_a_plasma():
    # 6.842e-38 Z² n_e n_i T^-1/2 g e^(-E/kT) erg/cm³/s/Hz (Rybicki & Lightman 1979, eq. 5.14) as photons/keV,
    # here with factors of 1.165 for H and 1.229 for He (Karzas & Latter 1961).
    kt, energy = 4.0, 2.0
    kelvin = kt * 1.160451812e7
    of_hydrogen = 6.842e-38 / 6.62607015e-27 / energy * kelvin**-0.5 * math.exp(-energy / kt)
    found = photons("bremss", np.array([1.999, 2.001]), kT=kt, norm=1.0)[0] / 0.002
    assert found * 3.02e-15 / of_hydrogen == pytest.approx(1.165 + 4 * 0.085 * 1.229, rel=0.015)


def test_bremsstrahlung_is_the_same_whatever_was_asked_before():
    edges = np.linspace(0.5, 10, 50)
    shape = SHAPES["bremss"](edges[:-1], edges[1:], "angr")
    first = shape(kT=3.0, norm=1.0).copy()
    shape(kT=5.0, norm=2.0)
    assert shape(kT=3.0, norm=2.0) == pytest.approx(2 * first)

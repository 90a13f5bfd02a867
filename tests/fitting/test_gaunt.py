"""The Gaunt factor against the table that XSPEC interpolates, and its limits."""

import numpy as np
import pytest

from tasks.fitting.gaunt import gaunt

# kT and E in keV, charge, factor: Karzas & Latter (1961) as Kellogg, Baldwin & Koch (1975) fit them.
TABLE = [
    (1.0, 0.5, 1, 1.229),
    (1.0, 5.0, 1, 0.538),
    (3.0, 1.0, 1, 1.337),
    (3.0, 6.0, 2, 0.789),
    (7.0, 2.0, 1, 1.375),
    (7.0, 2.0, 2, 1.424),
    (10.0, 9.0, 1, 0.924),
]


@pytest.mark.parametrize(("kt", "energy", "charge", "expected"), TABLE)
def test_as_in_the_table(kt, energy, charge, expected):
    assert gaunt(np.array([energy]), kt, charge)[0] == pytest.approx(expected, rel=0.015)


def test_born_where_electrons_are_fast():
    # Born's approximation in a thermal distribution: sqrt(3)/pi e^(u/2) K0(u/2), K0(0.5) = 0.924419.
    expected = np.sqrt(3) / np.pi * np.exp(0.5) * 0.9244190712
    assert gaunt(np.array([1e4]), 1e4, 1)[0] == pytest.approx(expected, rel=5e-3)


def test_it_falls_with_energy():
    assert (np.diff(gaunt(np.geomspace(0.1, 20, 40), 3.0, 1)) < 0).all()

"""Redistribution as numbers and as OGIP files."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tasks.archive.simulated.response import arf_hdus, fwhm_ev, redistribution, rmf_hdus


def test_every_photon_lands_in_some_channel():
    grid = redistribution()
    assert grid.matrix.sum(axis=1) == pytest.approx(1)
    assert (grid.matrix[:, 0] > 0).all()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3), st.integers(0, 2700))
def test_folding_loses_nothing(values, at):
    photons = np.zeros(len(redistribution().first))
    photons[at : at + 3] = values
    assert redistribution().fold(photons).sum() == pytest.approx(sum(values))


@pytest.mark.parametrize("energy", [0.7, 1.487, 5.895, 9.7])
def test_a_line_has_its_energy_and_width(energy):
    grid = redistribution()
    counts = grid.fold(grid.line(energy))
    centre = (np.arange(4096) + 0.5) * 0.006
    mean = (counts * centre).sum()
    sigma = np.sqrt((counts * (centre - mean) ** 2).sum())
    assert mean == pytest.approx(energy, abs=0.006)
    assert sigma * 2.3548 * 1000 == pytest.approx(float(fwhm_ev(energy)), rel=0.02)


def test_resolution_is_that_of_the_instrument():
    assert fwhm_ev(np.array([5.9, 0.7])) == pytest.approx([175, 70], rel=0.01)


def test_the_files_follow_ogip():
    _, matrix, ebounds = rmf_hdus()
    assert matrix.header["HDUCLAS2"] == "RSP_MATRIX"
    assert matrix.header["TLMIN4"] == ebounds.header["TLMIN1"] == 0
    assert matrix.header["DETCHANS"] == len(ebounds.data) == 4096
    assert (matrix.data["ENERG_LO"] > 0).all()
    assert [len(row) for row in matrix.data["MATRIX"]] == matrix.data["N_CHAN"].tolist()
    assert ebounds.data["E_MAX"] - ebounds.data["E_MIN"] == pytest.approx(0.006, rel=1e-2)
    _, half = arf_hdus(0.5)
    _, full = arf_hdus(1.0)
    assert half.data["SPECRESP"] == pytest.approx(full.data["SPECRESP"] / 2)
    assert full.header["TUNIT3"] == "cm**2"

"""Reading responses, and that an RMF and an ARF belong together."""

import numpy as np
import pytest
from astropy.io import fits

from tasks.archive.simulated.response import arf_hdus, redistribution, rmf_hdus
from tasks.core.errors import BadInput
from tasks.fitting.response import read_response


def dense(response):
    matrix = np.zeros((response.low.size, response.channel.size))
    matrix[response.row, response.column] = response.value
    return matrix


@pytest.mark.parametrize("first", [0, 1])
def test_the_matrix(toy, first):
    found = read_response(toy.rmf(first=first), toy.arf())
    assert dense(found) == pytest.approx(toy.matrix(), rel=1e-6)
    assert found.channel[[0, -1]].tolist() == [first, first + 99]
    assert found.low == pytest.approx(toy.edges[:-1], rel=1e-6)
    assert (found.area == 50).all()
    assert found.has_area
    assert (found.fwhm[1:-1] == 2).all()


def test_a_first_channel_that_is_not_told_is_that_of_ebounds(toy):
    path = toy.rmf(first=1)
    with fits.open(path, mode="update") as hdus:
        del hdus["MATRIX"].header["TLMIN4"]
    assert dense(read_response(path)) == pytest.approx(toy.matrix(), rel=1e-6)


def test_without_an_area(toy):
    assert not read_response(toy.rmf()).has_area
    assert read_response(toy.rmf(HDUCLAS3="FULL")).has_area
    assert read_response(toy.rmf(EXTNAME="SPECRESP MATRIX")).has_area


def test_extensions_are_known_by_their_class_too(toy):
    path = toy.rmf(EXTNAME="RESPONSE", HDUCLAS2="RSP_MATRIX")
    assert dense(read_response(path)) == pytest.approx(toy.matrix(), rel=1e-6)


def test_a_response_of_several_groups_a_row(tmp_path):
    path = tmp_path / "simulated.rmf"
    fits.HDUList(rmf_hdus()).writeto(path)
    area = tmp_path / "simulated.arf"
    fits.HDUList(arf_hdus(0.8)).writeto(area)
    found = read_response(path, area)
    grid = redistribution()
    photons = np.exp(-((grid.centres - 3.0) ** 2))
    folded = np.bincount(found.column, found.value * photons[found.row], minlength=4096)
    assert folded == pytest.approx(grid.fold(photons), rel=1e-5, abs=1e-9)


def test_the_real_one_has_rows_of_several_groups(pn):
    # Of all photons of an energy no more than all land somewhere.
    kept = np.bincount(pn.response.row, pn.response.value)
    assert kept.max() == pytest.approx(1, abs=2e-3)
    assert 10 < pn.response.fwhm[200] < 40


def test_channels_of_falling_energy(toy):
    path = toy.rmf()
    with fits.open(path, mode="update") as hdus:
        table = hdus["EBOUNDS"].data
        table["E_MIN"], table["E_MAX"] = table["E_MAX"].copy(), table["E_MIN"].copy()
    found = read_response(path)
    assert (found.e_min < found.e_max).all()


def test_energies_of_0_become_small(toy):
    path = toy.rmf()
    with fits.open(path, mode="update") as hdus:
        hdus["MATRIX"].data["ENERG_LO"][0] = 0.0
    # Effective areas often say another first energy than the matrix.
    found = read_response(path, toy.arf())
    assert 0 < found.low[0] < 1e-3


def test_what_does_not_belong_together(toy):
    with pytest.raises(BadInput, match=r"toy\.arf has 90 energies and toy\.rmf 100"):
        read_response(toy.rmf(), toy.arf(rows=90))
    with pytest.raises(BadInput, match="do not belong together: their energies differ"):
        read_response(toy.rmf(), toy.arf(shift=0.02))


def test_files_that_are_none(toy):
    with pytest.raises(BadInput, match=r"toy\.arf holds no response matrix"):
        read_response(toy.arf())
    with pytest.raises(BadInput, match=r"toy\.rmf holds no effective area"):
        read_response(toy.rmf(), toy.rmf())
    path = toy.rmf()
    with fits.open(path, mode="update") as hdus:
        hdus["MATRIX"].data["F_CHAN"][5] = 7
    with pytest.raises(BadInput, match="outside of its channels in row 6"):
        read_response(path)
    path = toy.rmf("empty.rmf")
    with fits.open(path, mode="update") as hdus:
        hdus["MATRIX"].data["MATRIX"][:] = 0
    with pytest.raises(BadInput, match="a matrix of zeros"):
        read_response(path)

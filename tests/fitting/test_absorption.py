"""Absorption against the published cross sections of Morrison & McCammon."""

import numpy as np
import pytest

from tasks.core.errors import EnvironmentFault
from tasks.fitting import absorption, extras
from tasks.fitting.components import SHAPES
from tasks.library.spectral.abundances import TABLES

# Morrison & McCammon 1983, ApJ 270, 119, table 2: from an energy on, 1e-24 (c0 + c1 E + c2 E²) / E³ cm².
COEFFICIENTS = [
    (0.284, 78.1, 18.8, 4.3), (0.4, 71.4, 66.8, -51.4), (0.532, 95.5, 145.8, -61.1),
    (0.707, 308.9, -380.6, 294.0), (0.867, 120.6, 169.3, -47.7), (1.303, 141.3, 146.8, -31.5),
    (1.84, 202.7, 104.7, -17.0), (2.471, 342.7, 18.7, 0.0), (3.21, 352.2, 18.7, 0.0),
    (4.038, 433.9, -2.4, 0.75), (7.111, 629.0, 30.9, 0.0), (8.331, 701.2, 25.2, 0.0),
]  # fmt: skip
# Their abundances, 12 + log.
ABUNDANCES = {
    "H": 12, "He": 11, "C": 8.65, "N": 7.96, "O": 8.87, "Ne": 8.14, "Na": 6.32, "Mg": 7.60, "Al": 6.49,
    "Si": 7.57, "S": 7.28, "Cl": 5.28, "Ar": 6.58, "Ca": 6.35, "Cr": 5.69, "Fe": 7.52, "Ni": 6.26,
}  # fmt: skip


@pytest.mark.parametrize(
    "energy", [0.3, 0.35, 0.45, 0.6, 0.75, 0.8, 0.9, 1.0, 1.5, 2.0, 2.8, 3.5, 5.0, 6.5, 7.5, 9.0]
)
def test_within_a_percent_of_morrison_and_mccammon(energy, monkeypatch):
    pytest.importorskip("periodictable")
    solar = {element: 10.0 ** (log - 12) for element, log in ABUNDANCES.items()}
    monkeypatch.setattr(absorption, "TABLES", {"angr": solar})
    _, c0, c1, c2 = [row for row in COEFFICIENTS if row[0] <= energy][-1]
    expected = 1e-24 * (c0 + c1 * energy + c2 * energy**2) / energy**3
    assert absorption.cross_section(np.array([energy]), "angr")[0] == pytest.approx(expected, rel=0.01)


def test_tables_differ_as_their_oxygen_does():
    pytest.importorskip("periodictable")
    angr, aspl, wilm = (
        absorption.cross_section(np.array([1.0]), name)[0] for name in ("angr", "aspl", "wilm")
    )
    assert angr == pytest.approx(2.594e-22, rel=2e-3)
    assert aspl == pytest.approx(1.792e-22, rel=2e-3)
    assert wilm == pytest.approx(1.775e-22, rel=2e-3)


def test_beyond_the_tables_it_goes_on():
    pytest.importorskip("periodictable")
    below, above = absorption.cross_section(np.array([1e-4, 0.0105]), "wilm")
    assert below > 0
    assert np.isfinite(above)
    at, twice = absorption.cross_section(np.array([29.9, 59.8]), "wilm")
    assert twice == pytest.approx(at / 8)


def test_a_column_absorbs_exponentially():
    pytest.importorskip("periodictable")
    edges = np.array([0.5, 0.6, 1.0, 2.0])
    shape = SHAPES["phabs"](edges[:-1], edges[1:], "angr")
    assert shape(nH=0.0).tolist() == [1, 1, 1]
    assert shape(nH=0.6) == pytest.approx(shape(nH=0.2) ** 3)
    depth = 1e22 * absorption.cross_section((edges[1:] + edges[:-1]) / 2, "angr")
    assert -np.log(shape(nH=0.3)) == pytest.approx(0.3 * depth)


def test_every_table_knows_every_element():
    assert {name: len(table) for name, table in TABLES.items()} == {"angr": 18, "aspl": 18, "wilm": 18}
    assert all(table["H"] == 1 and 0.05 < table["He"] < 0.1 for table in TABLES.values())


def test_without_the_package_the_extra_is_named(monkeypatch):
    def absent(module):
        raise ImportError(module)

    monkeypatch.setattr(extras, "import_module", absent)
    with pytest.raises(EnvironmentFault, match=r"needs periodictable.*pip install 'xtendflow\[sherpa\]'"):
        absorption.cross_section(np.array([1.0]), "angr")

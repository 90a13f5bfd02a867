"""Abundances of the elements by number relative to hydrogen, under XSPEC's names for the tables."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

Abundances = Literal["angr", "aspl", "wilm"]

_ELEMENTS: Final = (
    "H", "He", "C", "N", "O", "Ne", "Na", "Mg", "Al", "Si", "S", "Cl", "Ar", "Ca", "Cr", "Fe", "Co", "Ni",
)  # fmt: skip
"""Those whose absorption counts in X-rays: the elements of XSPEC's phabs."""

# Anders & Grevesse 1989, GeCoA 53, 197 (photosphere, table 2).
_ANGR: Final = (
    1.0, 9.77e-2, 3.63e-4, 1.12e-4, 8.51e-4, 1.23e-4, 2.14e-6, 3.80e-5, 2.95e-6, 3.55e-5, 1.62e-5, 1.88e-7,
    3.63e-6, 2.29e-6, 4.84e-7, 4.68e-5, 8.60e-8, 1.78e-6,
)  # fmt: skip
# Asplund, Grevesse, Sauval & Scott 2009, ARA&A 47, 481 (photosphere, table 1).
_ASPL: Final = (
    1.0, 8.51e-2, 2.69e-4, 6.76e-5, 4.90e-4, 8.51e-5, 1.74e-6, 3.98e-5, 2.82e-6, 3.24e-5, 1.32e-5, 3.16e-7,
    2.51e-6, 2.19e-6, 4.37e-7, 3.16e-5, 9.77e-8, 1.66e-6,
)  # fmt: skip
# Wilms, Allen & McCray 2000, ApJ 542, 914 (interstellar medium, table 2).
_WILM: Final = (
    1.0, 9.77e-2, 2.40e-4, 7.59e-5, 4.90e-4, 8.71e-5, 1.45e-6, 2.51e-5, 2.14e-6, 1.86e-5, 1.23e-5, 1.32e-7,
    2.57e-6, 1.58e-6, 3.24e-7, 2.69e-5, 8.32e-8, 1.12e-6,
)  # fmt: skip

TABLES: Final[Mapping[Abundances, Mapping[str, float]]] = MappingProxyType(
    {
        name: MappingProxyType(dict(zip(_ELEMENTS, numbers, strict=True)))
        for name, numbers in zip(get_args(Abundances), (_ANGR, _ASPL, _WILM), strict=True)
    }
)

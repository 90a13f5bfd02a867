"""Keywords that a step cannot do without."""

import math
from collections.abc import Mapping
from typing import Any

from tasks.core.errors import Permanent
from tasks.xtend.nominal import Nominal


def figure(header: Mapping[str, Any], key: str, name: str) -> float:
    """A number in a header of the file `name`.

    Raises
    ------
    Permanent
        When it is missing, no number or not finite.
    """
    value = header.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Permanent(f"{name} does not give {key}")
    return float(value)


def nominal_of(header: Mapping[str, Any], name: str) -> Nominal:
    """The aspect in a header of the file `name`.

    Raises
    ------
    Permanent
        When RA_NOM, DEC_NOM or PA_NOM is missing or no number.
    """
    return Nominal(*(figure(header, key, name) for key in ("RA_NOM", "DEC_NOM", "PA_NOM")))

"""Models in energy bins: what is added and what is multiplied."""

import numpy as np
import pytest

from tasks.fitting.model import photons_of
from tasks.library.spectral.model import Model

EDGES = np.linspace(1.0, 8.0, 71)
LOW, HIGH = EDGES[:-1], EDGES[1:]


def test_sums_add_and_each_component_has_its_own_values():
    model = Model.build("powerlaw+powerlaw")
    values = model.values | {"powerlaw.norm": 2.0, "powerlaw_2.PhoIndex": 3.0}
    one = photons_of(Model.build("powerlaw"), LOW, HIGH)
    expected = one({"powerlaw.PhoIndex": 1.0, "powerlaw.norm": 2.0}) + one(
        {"powerlaw.PhoIndex": 3.0, "powerlaw.norm": 1.0}
    )
    assert photons_of(model, LOW, HIGH)(values) == pytest.approx(expected)


def test_absorption_multiplies_what_stands_behind_it():
    pytest.importorskip("periodictable")
    model = Model.build("phabs*powerlaw+gaussian", start={"phabs.nH": 3.0})
    parts = [
        photons_of(Model.build(text), LOW, HIGH)(model.values)
        for text in ("powerlaw", "gaussian", "phabs*powerlaw")
    ]
    total = photons_of(model, LOW, HIGH)(model.values)
    assert total == pytest.approx(parts[2] + parts[1])
    assert (parts[2] < parts[0]).all()

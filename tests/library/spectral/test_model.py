"""Models: parameters under XSPEC's names, and which values they may have."""

import pytest

from tasks.core.errors import BadInput
from tasks.library.spectral.model import Model


def test_parameters_in_the_order_of_the_expression():
    model = Model.build("phabs*(powerlaw+gaussian)")
    assert list(model.values) == [
        "phabs.nH", "powerlaw.PhoIndex", "powerlaw.norm", "gaussian.LineE", "gaussian.Sigma", "gaussian.norm",
    ]  # fmt: skip
    assert [parameter.unit for parameter in model.parameters[:2]] == ["1e22 cm^-2", ""]
    assert model.free == model.parameters


def test_values_to_freeze_and_to_start_from():
    model = Model.build(
        "phabs*powerlaw",
        frozen={"phabs.nh": 0.07},
        start={"powerlaw.norm": 1e-3},
        bounds={"powerlaw.PhoIndex": (1.5, 3.0)},
    )
    nh, index, norm = model.parameters
    assert (nh.start, nh.frozen) == (0.07, True)
    # A start value outside of the bounds is brought inside.
    assert (index.start, index.low, index.high, index.frozen) == (1.5, 1.5, 3.0, False)
    assert (norm.start, norm.scales) == (1e-3, False)
    assert [free.name for free in model.free] == ["powerlaw.PhoIndex", "powerlaw.norm"]


def test_norms_are_scaled_unless_given():
    scales = {parameter.name: parameter.scales for parameter in Model.build("powerlaw+bbody").parameters}
    assert scales == {
        "powerlaw.PhoIndex": False,
        "powerlaw.norm": True,
        "bbody.kT": False,
        "bbody.norm": True,
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"frozen": {"phabs.NH2": 1}}, "has no parameter phabs.NH2: it has phabs.nH, powerlaw.PhoIndex"),
        ({"frozen": {"phabs.nH": -1}}, "phabs.nH cannot be -1: it lies between 0 and 1e+06"),
        ({"start": {"powerlaw.PhoIndex": float("nan")}}, "powerlaw.PhoIndex cannot be nan"),
        ({"bounds": {"powerlaw.PhoIndex": (3, 1)}}, "upside down"),
        ({"bounds": {"phabs.nH": (-1, 1)}}, "outside of 0 to 1e+06"),
        ({"abundances": "gold"}, "no table of abundances 'gold': known are angr, aspl, wilm"),
    ],
)
def test_what_cannot_be(given, said):
    with pytest.raises(BadInput) as refused:
        Model.build("phabs*powerlaw", **given)
    assert said in str(refused.value)

"""The call of a fit fits the function that makes it, with the files of the dataset under their own names."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import SoftwareFault
from tasks.engines.heasoft.engine import HEASoftEngine
from tasks.engines.interface import StepInputs
from tasks.engines.native.engine import NativeEngine
from tasks.fitting.step import fit_spectrum
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, Product, ProductSpec, Role, Step
from tasks.library.orders import Wanted
from tasks.library.recipe import Fit

NAME = "source-fit.json"
MADE = {
    (Kind.SPECTRUM, Role.SOURCE): ("source.fits", {}),
    (Kind.GROUPED_SPECTRUM, Role.SOURCE): ("source-opt.fits", {"grouping": "opt"}),
    (Kind.SPECTRUM, Role.BACKGROUND): ("back.fits", {}),
    (Kind.RMF, Role.SOURCE): ("a.rmf", {}),
    (Kind.ARF, Role.SOURCE): ("a.arf", {}),
}
RECIPE = {
    "model": "phabs*powerlaw", "band": "0.7-8", "freeze": {"phabs.nH": 0.1}, "start": {"powerlaw.norm": 1e-3},
    "bounds": {"powerlaw.PhoIndex": (1, 3)}, "statistic": "cstat", "despite": ("extended-target",),
}  # fmt: skip


@pytest.fixture
def planned():
    """The calls that an engine plans where these kinds are missing."""

    def plan(engine: Any, *missing: tuple[Kind, Role]):
        dataset = Dataset.model_validate(
            {
                "obsid": "900001010",
                "dataclass": "30000010",
                "recipe": {"fit": RECIPE},
                "inputs": {"events": ("a.evt",), "inputs": ()},
                "engines": {},
            }
        )
        products = tuple(
            Product(
                step=Step.RESPONSES, kind=kind, role=role, name=name, entry=entry, path=name, size=1,
                sha256="0" * 64, fingerprint="0" * 64,
            )
            for (kind, role), (name, entry) in MADE.items()
            if (kind, role) not in missing
        )  # fmt: skip
        manifest = Manifest(obsid=dataset.obsid, dataclass=dataset.dataclass, recipe="any", products=products)
        inputs = StepInputs(dataset, manifest, Path("/down"), lambda product: Path("/store") / product.path)
        spec = ProductSpec(step=Step.FIT, kind=Kind.FIT, role=Role.SOURCE, name=NAME)
        return engine.plan(Step.FIT, inputs, [Wanted(spec, "0" * 64)])

    return plan


@pytest.mark.parametrize(
    ("engine", "fitter"), [(NativeEngine(), "sherpa"), (HEASoftEngine({"heasoft": "6.36"}), "xspec")]
)
def test_one_call_of_one_function_whoever_fits(planned, engine, fitter):
    assert engine.can(Step.FIT) is None
    [call] = planned(engine)
    inspect.signature(fit_spectrum).bind(**call.parameters)
    assert call.function == f"{fit_spectrum.__module__}:{fit_spectrum.__name__}"
    assert (call.parameters["fitter"], call.outputs) == (fitter, (NAME,))
    files = {"spectrum": "source-opt.fits", "background": "back.fits", "rmf": "a.rmf", "arf": "a.arf"}
    assert call.parameters["files"] == files
    assert call.inputs == {name: f"/store/{name}" for name in files.values()}
    part = {name: call.parameters[name] for name in RECIPE if name != "despite"}
    assert Fit.model_validate(part | {"despite": RECIPE["despite"]}) == Fit.model_validate(RECIPE)
    # As it goes to the child.
    assert type(call).model_validate_json(call.model_dump_json()).parameters == call.parameters


def test_what_is_not_there_is_left_out(planned):
    [call] = planned(NativeEngine(), (Kind.SPECTRUM, Role.BACKGROUND), (Kind.ARF, Role.SOURCE))
    assert call.parameters["files"] == {"spectrum": "source-opt.fits", "rmf": "a.rmf"}


def test_an_order_without_a_response_is_a_fault_of_ours(planned):
    with pytest.raises(SoftwareFault, match="without a spectrum or its response"):
        planned(NativeEngine(), (Kind.RMF, Role.SOURCE))

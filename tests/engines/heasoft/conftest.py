"""Plans of the HEASoft engine for a dataset of which everything before is published, without a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.engines.interface import StepInputs
from tasks.library.call import Call
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Manifest, Step
from tasks.library.orders import PRODUCT_STEPS, Order, Wanted, order

OBSID, DATACLASS = "900001010", "30000010"
EVENTS = f"xtend/event_cl/xa{OBSID}xtd_p0{DATACLASS}_cl.evt.gz"
SPLIT = (EVENTS, EVENTS.replace("_p0", "_p1"))
BIMG = f"xtend/event_uf/xa{OBSID}xtd_p0{DATACLASS}.bimg.gz"
EHK = f"auxil/xa{OBSID}.ehk.gz"
VERSIONS = {"heasoft": "6.36", "heasoftpy": "1.5", "caldb": "20251115-aaaaaaaaaaaa", "heasoft-engine": "1"}
STEPS = (Step.PROCESSING, *PRODUCT_STEPS)
NATIVELY = ("tasks.engines.native.given_responses:make", "tasks.engines.heasoft.response_tools:load")

Lacks = Callable[[Wanted], bool]


@dataclass(frozen=True)
class Planned:
    """A plan, and what it was made for."""

    calls: list[Call]
    ordered: Order
    dataset: Dataset
    manifest: Manifest

    def tool(self, name: str) -> list[Call]:
        """The calls of a tool."""
        return [call for call in self.calls if call.parameters.get("tool") == name]

    def given(self, name: str) -> list[dict[str, Any]]:
        """The parameters of a tool's calls."""
        return [call.parameters["parameters"] for call in self.tool(name)]

    @property
    def finish(self) -> dict[str, dict[str, Any]]:
        """What the finish names, by the file that it takes."""
        found = (call for call in self.calls if call.function.endswith("finishing:finish"))
        return {item["file"]: item for call in found for item in call.parameters["products"]}


@pytest.fixture
def planned(done: Callable[..., Manifest]) -> Callable[..., Planned]:
    """Plans a step.

    `events` are the dataset's, `lacks` says what is not published of the steps before, `published` whether
    the step itself has been done before, `only` which of its products are wanted.
    """

    def plan(
        step: Step,
        planner: Callable[[StepInputs, Sequence[Wanted]], list[Call]],
        *,
        recipe: dict[str, Any] | None = None,
        events: tuple[str, ...] = (EVENTS,),
        versions: dict[str, str] | None = None,
        lacks: Lacks = lambda wanted: False,
        only: Callable[[Wanted], bool] = lambda wanted: True,
        published: bool = False,
    ) -> Planned:
        dataset = a_dataset(events, recipe or {}, VERSIONS | (versions or {}))
        until = STEPS[: STEPS.index(step) + (1 if published else 0)]
        manifest = done(dataset, until, lacks)
        ordered = order(step, dataset, manifest)
        inputs = StepInputs(dataset, manifest, Path("/down"), lambda product: Path("/store") / product.path)
        wanted = [item for item in ordered.wanted if only(item)]
        return Planned(planner(inputs, wanted), ordered, dataset, manifest)

    return plan


def a_dataset(events: tuple[str, ...], recipe: dict[str, Any], versions: dict[str, str]) -> Dataset:
    native = {"name": "native", "versions": {"native": "1"}}
    heasoft = {"name": "heasoft", "versions": versions}
    return Dataset.model_validate(
        {
            "obsid": OBSID,
            "dataclass": DATACLASS,
            "recipe": recipe,
            "inputs": {
                "events": events,
                "bad_pixels": BIMG,
                "ehk": EHK,
                "inputs": [
                    {"name": name, "size": 1, "sha256": fingerprint(name)} for name in (*events, BIMG, EHK)
                ],
            },
            "engines": {
                step: native if step in (Step.PROCESSING, Step.REGIONS) else heasoft for step in Step
            },
        }
    )


@pytest.fixture
def holds() -> Callable[[Planned, Step], None]:
    """Checks what holds for every plan: calls take what there is, and the wanted products come of it.

    Those that no tool makes come of the native engine's function, or of the one that asks it for scripts, all
    others of the finish.
    """

    def check(planned: Planned, step: Step) -> None:
        names = [item.spec.name for item in planned.ordered.wanted]
        natively = [call for call in planned.calls if call.function in NATIVELY]
        [finish] = (call for call in planned.calls if call.function.endswith("heasoft.finishing:finish"))
        assert sorted(name for call in (finish, *natively) for name in call.outputs) == sorted(names)
        assert all(call in natively for call in planned.calls[planned.calls.index(finish) + 1 :])
        store = {f"/store/{item.path}" for item in planned.manifest.products if item.step != step}
        for number, call in enumerate(planned.calls):
            assert Call.model_validate_json(call.model_dump_json()) == call
            assert set(call.inputs.values()) <= store
            assert not set(call.inputs) & set(call.after)
            for name, earlier in call.after.items():
                assert earlier < number
                assert name in planned.calls[earlier].outputs
            taken = [value for value in call.parameters.get("parameters", {}).values() if "." in str(value)]
            for value in taken:
                assert "/" not in str(value), "tools are given names, not paths"
        items = planned.finish.values()
        assert sorted(item["name"] for item in items) == sorted(finish.outputs)
        assert {item["file"] for item in items} <= finish.after.keys() | finish.inputs.keys()

    return check

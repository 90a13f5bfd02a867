"""Where a dataset stands after a run that ended somehow: with the step in which it failed."""

import asyncio
import importlib
from contextlib import asynccontextmanager, nullcontext
from types import SimpleNamespace

import pytest

from tasks.core.errors import EnvironmentFault, LeaseLost, NoData, Permanent, Transient
from tasks.core.state import Standing, State
from tasks.library.manifest import Step
from tasks.steps import during, standing_of, step_task

prefect_states = importlib.import_module("prefect.states")


def after(error):
    """The standing after a run in whose exposure step this was raised."""
    with pytest.raises(type(error)) as raised, during(Step.EXPOSURE):
        raise error
    return asyncio.run(standing_of(prefect_states.Failed(data=raised.value)))


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (Permanent("it is broken"), "permanent", "it is broken"),
        (Transient("503"), "transient", "503"),
        (LeaseLost("taken over"), "transient", "taken over"),
        (EnvironmentFault("the disk is full"), "transient", "the disk is full"),
        (ZeroDivisionError("by zero"), "software", "ZeroDivisionError: by zero"),
    ],
)
def test_a_failure_says_in_which_step(error, kind, reason):
    assert after(error) == Standing(state=State.FAILED, kind=kind, reason=reason, step="exposure")


def test_a_failure_outside_of_steps_has_none():
    assert asyncio.run(standing_of(prefect_states.Failed(data=Permanent("no catalogue")))).step is None
    assert asyncio.run(standing_of(prefect_states.Failed(data=RuntimeError("what?")))).step is None


def test_what_is_done_or_skipped_has_none():
    assert asyncio.run(standing_of(prefect_states.Completed(data="made"))) == Standing(state=State.DONE)
    assert Standing.of(NoData("no good time")).step is None


def test_steps_that_end_well_leave_no_trace():
    with during(Step.FIT):
        value = 7
    assert value == 7


def test_a_task_stamps_what_its_step_raises(monkeypatch):
    @asynccontextmanager
    async def claimed(site, obsid):
        yield held

    async def broken(*anything):
        raise Permanent("no pixel is live")

    held = SimpleNamespace(tries=0, site=None, confirm=None)
    stands_in = {"claim": claimed, "this_site": lambda: None, "make": broken}
    for name, value in (stands_in | {"task_tags": lambda **names: nullcontext()}).items():
        monkeypatch.setattr(f"tasks.steps.{name}", value)
    use = SimpleNamespace(name="native")
    dataset = SimpleNamespace(obsid="000128000", dataclass="30000010", engine_of=lambda step: use)
    with pytest.raises(Permanent) as raised:
        asyncio.run(step_task(Step.REGIONS).fn(dataset, "fingerprint"))
    assert (raised.value.step, held.tries) == ("regions", 1)

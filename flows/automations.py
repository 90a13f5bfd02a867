"""Automations: what a Prefect server does by itself about runs that die, fail or are late."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

HEARTBEAT: Final = timedelta(seconds=30)
"""How often a run gives a sign of life, as `deployments/prefect.yaml` has it."""

SILENCE: Final = 10 * HEARTBEAT
"""After this time without a sign a run is dead. That is more than the three heartbeats that a busy host may
miss: a server that was away for three minutes must not take for dead what went on meanwhile."""

_TAGS = ["xtendflow"]
_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
_FAILURES = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"}
_BODY = "{{ flow_run.state.message }}\n\n{{ flow_run|ui_url }}"


def watch(flows: Collection[str], silence: timedelta = SILENCE) -> AutomationCore:
    """The automation that finds runs whose process is gone.

    Parameters
    ----------
    flows : collection of str
        Names of the flows that are watched.
    silence : timedelta
        After this time without a heartbeat a run has crashed; Prefect wants 10 s at least.
    """
    return AutomationCore(
        name="xtendflow: runs whose heartbeat stops have crashed",
        description="A run whose process was killed together with its worker goes on for ever otherwise.",
        tags=_TAGS,
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            # Anything that is heard of it: ends have names of their own here, such as Skipped.
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification(_RUNS),
            match_related=_of(*flows),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"nothing was heard of its process for {silence.total_seconds():.0f} s",
            )
        ],
    )


def notifications(block: str) -> list[AutomationCore]:
    """The automations that tell somebody.

    Parameters
    ----------
    block : str
        Id of the notification block.
    """
    return [
        _notification("a sweep failed", "sweep", _FAILURES, block),
        _notification("an observation failed", "observation", _FAILURES, block),
        # Observations wait for their turn by design.
        _notification("a sweep is late", "sweep", {"prefect.flow-run.Late"}, block),
    ]


def _notification(what: str, flow: str, events: set[str], block: str) -> AutomationCore:
    return AutomationCore(
        name=f"xtendflow: {what}",
        description=f"Tells that {what}.",
        tags=_TAGS,
        trigger=EventTrigger(
            expect=events,
            match=ResourceSpecification(_RUNS),
            match_related=_of(flow),
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            SendNotification(
                block_document_id=UUID(block),
                subject=f"xtendflow: {what}: {{{{ flow_run.name }}}}",
                body=_BODY,
            )
        ],
    )


def _of(*flows: str) -> ResourceSpecification:
    """Runs of these flows."""
    return ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": list(flows)})

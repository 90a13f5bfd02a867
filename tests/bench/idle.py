"""Sweeps and observations whose steps do nothing: what is left is records, leases, manifests and Prefect.

As a program it runs the sweep that standard input asks for, as `xtendflow sweep` has it run; as a module it
is where a deployment finds the flow for one observation.
"""

import sys
from pathlib import Path
from typing import Any

from flows.observation import observation
from tasks.core.identifiers import DataClass, ObsID
from tasks.engines import drawing, fetching, step
from tasks.engines.runner import CallResult
from tasks.library.call import Call, Report
from tasks.library.dataset import DatasetInputs
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import InputFile
from tasks.library.orders import Order

__all__ = ["observation"]

CLASS = DataClass("31100010")
"""Of every observation: one dataset, as most have."""


async def run_call(call: Call, *_: Any, **__: Any) -> CallResult:
    """Start no child: a download brings nothing, and a page has no pictures."""
    if "archive" not in call.parameters:
        return CallResult(call, Report(not_made=dict.fromkeys(call.outputs, "nothing is drawn")), 0.0)
    obsid = ObsID(call.parameters["obsid"])
    found = {CLASS: _inputs(obsid).model_dump(mode="json")}
    Path(call.parameters["directory"]).mkdir(parents=True, exist_ok=True)
    return CallResult(call, Report(facts={"datasets": found, "bytes": 0}), 0.0)


def _inputs(obsid: ObsID) -> DatasetInputs:
    file = f"xtend/event_cl/xa{obsid}xtd_p0{CLASS}_cl.evt.gz"
    return DatasetInputs(events=(file,), inputs=(InputFile(name=file, size=1, sha256=fingerprint(file)),))


def order(*_: Any) -> Order:
    """Nothing to make: a step then publishes the record that it was done, and no product."""
    return Order(())


# The names under which the code calls what does the work.
drawing.run_call = run_call
fetching.run_call = run_call
step.order = order

if __name__ == "__main__":
    # Not for the flow alone, whose start counts.
    from flows.cli import run_sweep

    sys.exit(run_sweep.main())

"""Doing a step of a dataset: what is missing or stale is made in scratch, checked and published.

The manifest says what is there; a step that finds everything in it does nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tasks.core.errors import SoftwareFault
from tasks.engines.choice import engine
from tasks.engines.interface import StepInputs
from tasks.engines.runner import CallResult, run_call
from tasks.engines.workplace import workplace
from tasks.library.call import linked
from tasks.library.dataset import Dataset
from tasks.library.manifest import Manifest, NotMade, Product, Step, StepRecord, Target
from tasks.library.orders import Order, Wanted, order
from tasks.library.publication import NewProduct, missing, publish, read_manifest
from tasks.library.site import Site
from tasks.xtend.cautions import Caution

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a step of a dataset is.

    Parameters
    ----------
    step : Step
        Which one.
    order : Order
        What it has to make.
    manifest : Manifest or None
        What is published.
    kept : tuple of Product
        Products of this step that are as ordered, and there.
    stale : tuple of Wanted
        Those that are still to be made.
    lost : tuple of Product
        Products of later steps whose files are gone; each step makes its own again.
    engine : str
        That does the step.
    """

    step: Step
    order: Order
    manifest: Manifest | None
    kept: tuple[Product, ...]
    stale: tuple[Wanted, ...]
    lost: tuple[Product, ...]
    engine: str

    @property
    def complete(self) -> bool:
        """Whether there is nothing to do, not even to the record."""
        record = self.record
        if self.stale or record is None:
            return False
        # An order for nothing is the same for every engine.
        return (record.fingerprint, record.engine) == (self.order.fingerprint, self.engine)

    @property
    def record(self) -> StepRecord | None:
        """The step's record of the last time."""
        return self.manifest.steps.get(self.step) if self.manifest else None


def progress(step: Step, dataset: Dataset, site: Site) -> Progress:
    """Compare what a step has to make with what is published."""
    manifest = read_manifest(site.store, dataset.obsid, dataset.dataclass)
    ordered, name = order(step, dataset, manifest), dataset.engine_of(step).name
    if manifest is None:
        return Progress(step, ordered, None, (), ordered.wanted, (), name)
    vanished = missing(site.store, manifest)
    gone = {product.name for product in vanished}
    wanted = {(item.spec.name, item.fingerprint) for item in ordered.wanted}
    kept = tuple(
        product
        for product in manifest.of(step)
        if product.name not in gone and (product.name, product.fingerprint) in wanted
    )
    settled: set[tuple[str | None, str | None]] = {(item.name, item.fingerprint) for item in kept}
    settled |= {(item.name, item.fingerprint) for item in manifest.not_made if item.step == step}
    stale = tuple(item for item in ordered.wanted if (item.spec.name, item.fingerprint) not in settled)
    later = [*Step][[*Step].index(step) + 1 :]
    lost = tuple(product for product in vanished if product.step in later)
    return Progress(step, ordered, manifest, kept, stale, lost, name)


async def make(step: Step, dataset: Dataset, site: Site, confirm: Callable[[], None]) -> Manifest:
    """Make and publish exactly the missing or stale products of a step.

    Parameters
    ----------
    step, dataset, site
        What to do, for which dataset, where.
    confirm : callable
        Raises `LeaseLost` when this process must not publish any more.

    Returns
    -------
    Manifest
        As published.

    Raises
    ------
    Outcome
        Why the step could not be done.
    """
    found = await _in_thread(progress, step, dataset, site)
    if found.complete and found.manifest:
        return found.manifest
    with workplace(site, f"{dataset.obsid}-{dataset.dataclass}-{step}") as directory:
        results = await _run(found, dataset, site, directory)
        draft = _draft(found, dataset, results)
        new = _new(found, results, directory)
        return await _in_thread(publish, site.store, found.manifest, draft, new, confirm)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of something that waits for disks and networks, while heartbeats go on.

    A cancellation waits for its end: until then it needs its scratch and the lease.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    finally:
        if not running.done():
            await asyncio.wait([running])


async def _run(found: Progress, dataset: Dataset, site: Site, directory: Path) -> list[CallResult]:
    """Do the engine's calls one after another; outputs are left in `directory/{number}`."""
    if not found.stale:
        return []
    chosen = engine(dataset.engine_of(found.step).name)
    if why_not := chosen.can(found.step):
        raise SoftwareFault(why_not)
    fetched = directory / "inputs"
    inputs = StepInputs(
        dataset,
        found.manifest,
        site.downloads / dataset.obsid,
        lambda product: site.store.local(f"{dataset.key}/{product.path}", fetched, product.sha256),
        site.scratch,
    )
    log = site.log(dataset.obsid, dataset.dataclass)
    calls = linked(await _in_thread(chosen.plan, found.step, inputs, found.stale), directory)
    return [
        await run_call(call, directory / str(number), log, cores=site.cores)
        for number, call in enumerate(calls)
    ]


def _new(found: Progress, results: list[CallResult], directory: Path) -> list[NewProduct]:
    """The files that the calls left, as products to publish."""
    refused = {name for result in results for name in result.report.not_made}
    files = {
        name: directory / str(number) / name
        for number, result in enumerate(results)
        for name in result.call.outputs
    }
    told: dict[str, tuple[Caution, ...]] = {}
    for result in results:
        told |= result.report.file_cautions
    return [
        NewProduct(
            item.spec,
            item.fingerprint,
            files[item.spec.name],
            (*item.cautions, *told.get(item.spec.name, ())),
        )
        for item in found.stale
        if item.spec.name not in refused
    ]


def _draft(found: Progress, dataset: Dataset, results: list[CallResult]) -> Manifest:
    """The manifest to be, without the new products."""
    before = found.manifest or Manifest(
        obsid=dataset.obsid, dataclass=dataset.dataclass, recipe=dataset.recipe.name
    )
    steps = {**before.steps, found.step: _record(found, dataset, results)}
    others = [item for item in before.not_made if item.step != found.step]
    facts = steps[Step.PROCESSING].facts if Step.PROCESSING in steps else {}
    stay = tuple(item for item in before.products if item.step != found.step and item not in found.lost)
    return before.model_copy(
        update={
            "recipe": dataset.recipe.name,
            "target": Target.model_validate(facts["target"]) if "target" in facts else before.target,
            "inputs": dataset.inputs.inputs,
            "steps": {step: steps[step] for step in Step if step in steps},
            "products": stay + found.kept,
            "not_made": (*others, *found.order.not_made, *_refused(found, results)),
            "cautions": _distinct(record.cautions for record in steps.values()),
        }
    )


def _record(found: Progress, dataset: Dataset, results: list[CallResult]) -> StepRecord:
    """How the step was done; calls of an earlier go stay as long as something they made does."""
    settled = {item.name for item in found.kept} | {item.name for item in _known(found)}
    before = found.record.calls if found.record else ()
    calls = [*_earlier(before, settled), *map(_call, results)]
    told = [tuple(map(Caution.model_validate, call["cautions"])) for call in calls]
    use = dataset.engine_of(found.step)
    return StepRecord(
        fingerprint=found.order.fingerprint,
        engine=use.name,
        versions={**use.versions, **engine(use.name).provenance()},
        calls=tuple(calls),
        facts=_facts(calls),
        cautions=_distinct([found.order.cautions, *told]),
    )


def _call(result: CallResult) -> dict[str, Any]:
    """A call as the manifest keeps it: as it ran, without the paths of this machine, with what it told."""
    call = result.call.model_dump(mode="json", exclude={"inputs", "after"})
    if result.report.settled:
        call["parameters"]["parameters"] |= result.report.settled
    return {
        **call,
        "inputs": sorted(result.call.inputs),
        "seconds": round(result.seconds, 3),
        "memory": result.memory,
        "disk": result.disk,
        **result.report.model_dump(mode="json", include={"facts", "cautions"}),
    }


def _earlier(before: Sequence[dict[str, Any]], settled: set[str | None]) -> list[dict[str, Any]]:
    """Calls of earlier goes that made something that stays, and those that these took files from."""
    needed, kept = set(settled), []
    for call in reversed(before):
        if needed & set(call["outputs"]):
            kept.append(_trimmed(call, needed))
            needed |= set(call["inputs"])
    return kept[::-1]


def _trimmed(call: dict[str, Any], settled: set[str | None]) -> dict[str, Any]:
    """A call of an earlier go without its figures of files that are gone or made again."""
    gone = set(call["outputs"]) - settled
    facts = {
        key: {name: item for name, item in value.items() if name not in gone}
        if isinstance(value, dict)
        else value
        for key, value in call["facts"].items()
    }
    return {**call, "facts": facts}


def _facts(calls: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What the calls told, the latest last; figures by name are put together."""
    facts: dict[str, Any] = {}
    for call in calls:
        for key, value in call["facts"].items():
            if isinstance(value, dict) and isinstance(facts.get(key), dict):
                value = facts[key] | value
            facts[key] = value
    return facts


def _refused(found: Progress, results: list[CallResult]) -> list[NotMade]:
    """What the calls could not make, and what they could not make the last time for the same reason."""
    whys: dict[str, str] = {}
    for result in results:
        whys |= result.report.not_made
    new = [
        NotMade(
            step=found.step,
            kind=item.spec.kind,
            role=item.spec.role,
            why=whys[item.spec.name],
            name=item.spec.name,
            fingerprint=item.fingerprint,
        )
        for item in found.stale
        if item.spec.name in whys
    ]
    return [*_known(found), *new]


def _known(found: Progress) -> list[NotMade]:
    """What is ordered again as it was when it could not be made."""
    asked = {(item.spec.name, item.fingerprint) for item in found.order.wanted}
    before = found.manifest.not_made if found.manifest else ()
    return [item for item in before if item.step == found.step and (item.name, item.fingerprint) in asked]


def _distinct(groups: Any) -> tuple[Caution, ...]:
    """Cautions in order, each once."""
    return tuple(dict.fromkeys(item for group in groups for item in group))

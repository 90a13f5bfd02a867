"""Which engines there are, and which one does each step of a recipe."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tasks.core.errors import BadInput, EnvironmentFault
from tasks.engines.fitters import NEEDED, REGISTERED, fitters
from tasks.engines.heasoft.engine import COME_WITH, HEASoftEngine
from tasks.engines.heasoft.installation import find_installation
from tasks.engines.interface import Engine
from tasks.engines.native.engine import NativeEngine
from tasks.library.dataset import EngineUse
from tasks.library.manifest import Step
from tasks.library.recipe import EngineName, Engines, Recipe
from tasks.library.site import Site

logger = logging.getLogger("xtendflow.engines")

Versions = dict[str, str]

STEPS = tuple(Step(name) for name in Engines.model_fields)
"""The steps that an engine does."""

DEFAULT_QUEUE, HEASOFT_QUEUE = "default", "heasoft"
"""Work queues of the pool; `deployments/prefect.yaml` names the same."""


@dataclass(frozen=True)
class Chosen:
    """The engine of each step, settled once for a whole run.

    Parameters
    ----------
    recipe : Recipe
        With the name of an engine for every step, and the versions of HEASoft and CALDB where it is used:
        from then on it means the same everywhere.
    uses : dict
        Engine and versions of each step.
    """

    recipe: Recipe
    uses: dict[Step, EngineUse]

    @property
    def name(self) -> str:
        """The engines in use, such as `heasoft+native`."""
        return "+".join(sorted({use.name for use in self.uses.values()}))

    @property
    def versions(self) -> Versions:
        """The versions of all engines in use."""
        return {name: given for use in self.uses.values() for name, given in use.versions.items()}

    @property
    def queue(self) -> str:
        """The work queue whose workers can run it: those without HEASoft serve the default one alone."""
        return HEASOFT_QUEUE if HEASoftEngine.name in self.name.split("+") else DEFAULT_QUEUE

    @property
    def reprocesses(self) -> bool:
        """Whether events are made anew from the unfiltered ones."""
        return self.uses[Step.PROCESSING].name == HEASoftEngine.name

    @property
    def takes_rmf(self) -> bool:
        """Whether the archive's own response stands in for one: none is made, and none is given."""
        return self.uses[Step.RESPONSES].name == NativeEngine.name and self.recipe.responses.rmf is None


def engine(name: str) -> Engine:
    """The engine of a name.

    Raises
    ------
    BadInput
        When there is no such engine.
    """
    if name == NativeEngine.name:
        return NativeEngine()
    if name == HEASoftEngine.name:
        return HEASoftEngine()
    raise BadInput(f"there is no engine {name!r}: give {HEASoftEngine.name} or {NativeEngine.name}")


def installed() -> tuple[Engine, ...]:
    """The engines that this host has; others cannot count on a HEASoft that does not do every step."""
    heasoft = HEASoftEngine()
    return (NativeEngine(), *([] if find_installation().lacking or not _complete(heasoft) else [heasoft]))


def _complete(heasoft: HEASoftEngine) -> bool:
    """Whether it can do every step."""
    return not any(map(heasoft.can, STEPS))


def register(site: Site) -> None:
    """Tell the ledger which engines this host has, so that hosts without them know what is stale."""
    for each in installed():
        try:
            site.ledger.register_versions(site.host, each.name, each.versions())
        except EnvironmentFault as exc:
            # Whoever asks for this engine hears of it as an error.
            logger.warning("the engine %s cannot be used on this host: %s", each.name, exc)
    site.ledger.register_versions(site.host, REGISTERED, fitters())


def choose(
    recipe: Recipe,
    registered: Iterable[Mapping[str, str]] | None = None,
    fitting: Iterable[Mapping[str, str]] = (),
) -> Chosen:
    """Settle the engine of each step: HEASoft where it is asked for or, by `auto`, where it is all there.

    Parameters
    ----------
    recipe : Recipe
        Its `engine`, `engines` and pins of versions count.
    registered : iterable of mapping
        Versions of the HEASoft engine that workers have; without them only this host counts.
    fitting : iterable of mapping
        What workers have to fit with.

    Raises
    ------
    EnvironmentFault
        When HEASoft is asked for and is not there, cannot do the step, or is not the version asked for.
    """
    asked = {step: getattr(recipe.engines, step) or recipe.engine for step in STEPS}
    heasoft = _heasoft(recipe, registered, asked)
    native = NativeEngine()
    by_heasoft = {"heasoft", "auto"} if heasoft and _complete(heasoft) else {"heasoft"}
    engines: dict[Step, Engine] = {
        step: heasoft if heasoft and name in by_heasoft else native for step, name in asked.items()
    }
    uses = {step: EngineUse(name=each.name, versions=each.versions()) for step, each in engines.items()}
    if recipe.fit.model is not None:
        uses[Step.FIT] = _of_fits(uses[Step.FIT], asked[Step.FIT], native, [*map(dict, fitting), fitters()])
    return Chosen(_frozen(recipe, uses), uses)


def _heasoft(
    recipe: Recipe, registered: Iterable[Mapping[str, str]] | None, asked: Mapping[Step, EngineName]
) -> HEASoftEngine | None:
    """The HEASoft engine in the newest version that fits; None where no step gets it."""
    if set(asked.values()) == {"native"}:
        return None
    found = find_installation()
    here = [] if found.lacking else [HEASoftEngine()]
    there = [*map(HEASoftEngine, registered or ()), *here]
    steps = [step for step, name in asked.items() if name == HEASoftEngine.name]
    if not there and not steps:
        return None
    if not there:
        elsewhere = "" if registered is None else ", nor has a worker registered it"
        raise EnvironmentFault(
            f"the engine heasoft is asked for ({', '.join(steps)}) and is not here{elsewhere}: it lacks "
            f"{'; '.join(found.lacking)}. xtendflow doctor tells more; the engine native needs none of it"
        )
    newest = _newest(there, {"heasoft": recipe.heasoft.version, "caldb": recipe.heasoft.caldb})
    if whys := [f"{step} ({why})" for step in steps if (why := newest.can(step))]:
        raise EnvironmentFault(
            f"the engine heasoft is asked for and cannot do {', '.join(whys)}: {COME_WITH}. "
            "xtendflow doctor tells more; the engine native needs none of it"
        )
    return newest


def _newest(there: Sequence[HEASoftEngine], pins: Mapping[str, str | None]) -> HEASoftEngine:
    """The newest of those that have the pinned versions, where one that can do every step goes first.

    Raises
    ------
    EnvironmentFault
        When none has.
    """
    versions = {each: each.versions() for each in there}
    fitting = [
        each for each in there if all(_fits(versions[each].get(name, ""), pin) for name, pin in pins.items())
    ]
    if not fitting:
        wanted = ", ".join(f"{name} {pin}" for name, pin in pins.items() if pin)
        have = "; ".join(", ".join(f"{name} {each.get(name)}" for name in pins) for each in versions.values())
        raise EnvironmentFault(f"the recipe asks for {wanted}, and there is only {have}")
    names = ("heasoft", "caldb", "heasoftpy")
    return max(fitting, key=lambda each: (_complete(each), _newness(names, versions[each])))


def _of_fits(
    use: EngineUse, asked: EngineName, native: Engine, there: Sequence[Mapping[str, str]]
) -> EngineUse:
    """The engine of fits, whose versions hold what it fits with where that is anywhere.

    By `auto` Sherpa stands in for an XSPEC that is nowhere.
    """
    able = {
        name: max((each for each in there if needed[0] in each), key=partial(_newness, needed), default={})
        for name, needed in NEEDED.items()
    }
    if asked == "auto" and not able[use.name] and able[native.name]:
        use = EngineUse(name=native.name, versions=native.versions())
    more = {name: able[use.name][name] for name in NEEDED[use.name] if name in able[use.name]}
    return use.model_copy(update={"versions": {**use.versions, **more}})


def _fits(given: str, pin: str | None) -> bool:
    """Whether a version is the pinned one; the day of a CALDB's index is enough."""
    ways = (given, _bare(given))
    return pin is None or any(way == pin or way.startswith(f"{pin}-") for way in ways)


def _bare(version: str) -> str:
    """A version without the address that stands before that of a remote CALDB."""
    return version.rpartition(" ")[2]


def _newness(names: Sequence[str], versions: Mapping[str, str]) -> list[list[tuple[int, str]]]:
    """A key that sorts versions as people do, 6.9 before 6.36: those of the first name first."""
    return [
        [
            (int(part), "") if part.isdecimal() else (-1, part)
            for part in re.findall(r"\d+|\D+", _bare(versions.get(name, "")))
        ]
        for name in names
    ]


def _frozen(recipe: Recipe, uses: Mapping[Step, EngineUse]) -> Recipe:
    """The recipe that means these engines and versions, written in one way only."""
    names = sorted(use.name for use in uses.values())
    overall = max(names, key=names.count)
    engines = {step: use.name for step, use in uses.items() if use.name != overall}
    heasoft = next((use.versions for use in uses.values() if use.name == "heasoft"), None)
    pins = {"version": heasoft["heasoft"], "caldb": heasoft["caldb"]} if heasoft else {}
    return recipe.model_copy(
        update={
            "engine": overall,
            "engines": Engines.model_validate(engines),
            "heasoft": recipe.heasoft.model_copy(update=pins),
        }
    )

"""The HEASoft engine as a planner: which tools make which products, and with which versions."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Final

from tasks.engines.heasoft.installation import find_installation
from tasks.engines.interface import StepInputs
from tasks.library.call import Call
from tasks.library.manifest import Step
from tasks.library.orders import Wanted

ENGINE_VERSION = "1"
"""Raised by hand when the results of this engine change in more than one step."""

Plan = Callable[[StepInputs, Sequence[Wanted]], list[Call]]

_PLANNERS = {
    Step.PROCESSING: "pipeline",
    Step.EXPOSURE: "exposure",
    Step.REGIONS: "calibration_sources",
    Step.EXTRACTION: "extractor",
    Step.DERIVED: "derived",
    Step.RESPONSES: "responses",
    Step.FIT: "fit",
}
"""The module of this package that plans a step."""

TOOLS: Final[Mapping[Step, tuple[str, ...]]] = {
    Step.PROCESSING: ("xtdpipeline",),
    Step.EXPOSURE: ("xaexpmap", "fimgbin"),
    Step.REGIONS: ("coordpnt",),
    Step.EXTRACTION: ("extractor", "ahbackscal"),
    Step.DERIVED: ("lcmath", "ftgrouppha"),
    Step.RESPONSES: ("xtdrmf", "coordpnt", "xaarfgen", "ftgrouppha"),
    Step.FIT: (),
}
"""What a step needs of HEASoft; tools that only some recipes ask for do not count."""

COME_WITH: Final = "XRISM's tools come with HEASoft 6.34 or newer"


class HEASoftEngine:
    """Does steps with the HEASoft tools, from unfiltered events on.

    Parameters
    ----------
    versions : mapping, optional
        Those of the worker that will do it; without them, what is installed here.
    """

    name = "heasoft"

    def __init__(self, versions: Mapping[str, str] | None = None) -> None:
        self._versions = versions

    def versions(self) -> dict[str, str]:
        """HEASoft, heasoftpy and CALDB, and the version of this engine.

        Raises
        ------
        EnvironmentFault
            When one of them is not installed here, or does not tell its version.
        """
        found = find_installation().versions() if self._versions is None else self._versions
        return {**found, "heasoft-engine": ENGINE_VERSION}

    def provenance(self) -> dict[str, str]:
        """The version of the project."""
        return {"xtendflow": version("xtendflow")}

    def can(self, step: Step) -> str | None:
        """A step needs its tools; the order refuses ARFs that a version cannot make, and says why.

        Of another host only versions are known; it has told them because it has all the tools.
        """
        if step not in _PLANNERS:
            return f"the {self.name} engine has no step {step}"
        missing = find_installation().without(TOOLS[step]) if self._versions is None else ()
        return f"the HEASoft of this host has no {', '.join(missing)}" if missing else None

    def plan(self, step: Step, inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
        """The tools' calls in order, the last of which names and checks the products."""
        # Only hosts that have the tools plan with them, so nobody else need load this.
        planner: Plan = import_module(f"{__package__}.{_PLANNERS[step]}").plan
        return planner(inputs, products)

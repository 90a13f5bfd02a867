"""Cautions that forbid a step: what a dataset is like decides, and what the recipe says of it."""

from typing import Final

from tasks.library.dataset import Dataset
from tasks.library.manifest import Manifest, Step
from tasks.xtend.cautions import Caution

ALWAYS: Final = ("live-fraction",)
"""Without a known exposure there are no fluxes and no responses."""
_BLOCKED: Final = (Step.RESPONSES, Step.FIT)


def why_blocked(step: Step, dataset: Dataset, manifest: Manifest) -> str | None:
    """Why a step is not done because of a caution on the dataset; None when nothing forbids it.

    What the step itself, or one after it, told the last time does not count: it would come and go.

    Parameters
    ----------
    step : Step
        Responses and fits can be forbidden, nothing else.
    dataset : Dataset
        Its recipe's `blocking` names cautions that forbid them besides `live-fraction`.
    manifest : Manifest
        The cautions on the dataset as published.
    """
    if step not in _BLOCKED:
        return None
    for caution in _known_before(step, manifest):
        if caution.id in ALWAYS:
            return f"no {step} with the caution {caution.id}: {caution.sentence}"
        if caution.id in dataset.recipe.blocking:
            return f"the recipe forbids the step {step} with the caution {caution.id}: {caution.sentence}"
    return None


def _known_before(step: Step, manifest: Manifest) -> list[Caution]:
    steps = list(Step)
    earlier, later = (
        {item for name in names if name in manifest.steps for item in manifest.steps[name].cautions}
        for names in (steps[: steps.index(step)], steps[steps.index(step) :])
    )
    return [item for item in manifest.cautions if item in earlier or item not in later]

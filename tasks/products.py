"""Tasks that make products of cleaned events."""

from tasks.library.manifest import Step
from tasks.steps import step_task

exposure = step_task(Step.EXPOSURE)
regions = step_task(Step.REGIONS)
extraction = step_task(Step.EXTRACTION)
derived = step_task(Step.DERIVED)
responses = step_task(Step.RESPONSES)
fit = step_task(Step.FIT)

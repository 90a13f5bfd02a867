"""Tasks that calibrate and screen."""

from tasks.library.manifest import Step
from tasks.steps import step_task

process = step_task(Step.PROCESSING)

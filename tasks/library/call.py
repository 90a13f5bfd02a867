"""A call is data: what to run, on what, and what must come out."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from tasks.xtend.cautions import Caution

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$", max_length=255)]
OnProgress = Callable[[int, int], None]
"""Hears how far something is: done, and in all."""
PROGRESS = "::progress "
"""What a line of a call's output begins with that says how far it is: `::progress DONE TOTAL`."""


class Call(BaseModel):
    """One thing for the runner to do in a child process and a working directory of its own.

    Parameters
    ----------
    function : str
        `package.module:name` of a function that takes `parameters` as keywords, works in the current
        directory and returns a `Report` (or None).
    parameters : dict
        JSON-able keywords; files are named as they are called inside the working directory.
    inputs : dict
        Name inside the working directory → absolute path of a local file; linked before the start.
    outputs : tuple of str
        Names of the files that must be there afterwards.
    timeout : float
        Seconds until the whole process group is killed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    function: Annotated[str, Field(pattern=r"^tasks(\.\w+)+:\w+$")]
    parameters: dict[str, Any] = {}
    inputs: dict[FileName, str] = {}
    outputs: tuple[FileName, ...] = ()
    timeout: Annotated[float, Field(gt=0)] = 3600.0


class Report(BaseModel):
    """What a function tells besides its files.

    Parameters
    ----------
    facts : dict
        JSON-able figures for later steps and the manifest.
    cautions : tuple of Caution
        On the dataset as a whole.
    file_cautions : dict
        File name → cautions on that product.
    not_made : dict
        Name of a declared output that was not made → why; it is then not missed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: dict[str, Any] = {}
    cautions: tuple[Caution, ...] = ()
    file_cautions: dict[str, tuple[Caution, ...]] = {}
    not_made: dict[str, str] = {}


def tell_progress(done: int, total: int) -> None:
    """Say from inside a call how far it is."""
    sys.stdout.write(f"{PROGRESS}{done} {total}\n")
    sys.stdout.flush()

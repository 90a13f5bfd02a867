"""A call is data: what to run, on what, and what must come out."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from tasks.core.errors import SoftwareFault
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
    after : dict
        Name inside the working directory → number, from 0, of the earlier call of the same plan that makes
        the file of this name; linked like an input.
    outputs : tuple of str
        Names of the files that must be there afterwards.
    timeout : float
        Seconds until the whole process group is killed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    function: Annotated[str, Field(pattern=r"^tasks(\.\w+)+:\w+$")]
    parameters: dict[str, Any] = {}
    inputs: dict[FileName, str] = {}
    after: dict[FileName, Annotated[int, Field(ge=0)]] = {}
    outputs: tuple[FileName, ...] = ()
    timeout: Annotated[float, Field(gt=0)] = 3600.0

    @property
    def maker(self) -> str:
        """Who does it, for messages: the tool where one is named, else the function."""
        return str(self.parameters.get("tool", self.function))


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
    settled : dict
        Parameters that the tool got other values for than were planned, since they were only known when it
        ran; the manifest keeps these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: dict[str, Any] = {}
    cautions: tuple[Caution, ...] = ()
    file_cautions: dict[str, tuple[Caution, ...]] = {}
    not_made: dict[str, str] = {}
    settled: dict[str, str | int | float | bool] = {}


def linked(calls: Sequence[Call], directory: Path) -> list[Call]:
    """The calls of a plan, where what a call takes from an earlier one is an input.

    Parameters
    ----------
    calls : sequence of Call
        In the order in which they run.
    directory : Path
        Each works in the folder of its number below.

    Raises
    ------
    SoftwareFault
        When a call takes what no earlier one makes.
    """
    for number, call in enumerate(calls):
        for name, maker in call.after.items():
            if maker >= number or name not in calls[maker].outputs:
                raise SoftwareFault(f"no call before {call.maker} makes {name}")
    made = [
        {name: str(directory.absolute() / str(maker) / name) for name, maker in call.after.items()}
        for call in calls
    ]
    return [
        call.model_copy(update={"inputs": {**call.inputs, **more}, "after": {}}) if more else call
        for call, more in zip(calls, made, strict=True)
    ]


def tell_progress(done: int, total: int) -> None:
    """Say from inside a call how far it is."""
    sys.stdout.write(f"{PROGRESS}{done} {total}\n")
    sys.stdout.flush()

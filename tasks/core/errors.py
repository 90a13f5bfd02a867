"""Every error the project raises on purpose.

::

    XtendflowError
    ├── BadInput            the caller's mistake                        exit status 2
    ├── EnvironmentFault    server, catalogue, store or disk unusable   exit status 3
    ├── LeaseLost           another process took over this observation
    ├── Skipped             nothing to do, and why
    │   ├── NoData              no good time or no events
    │   ├── Proprietary         only encrypted files are there
    │   └── NotPublic           not released yet, or not observed yet
    └── Failed              one dataset or observation could not be done
        ├── Transient           worth another try (the only kind that is retried)
        ├── Permanent           the data are at fault
        ├── SoftwareFault       a tool or this project is at fault
        └── GaveUp              tries or time ran out

`Skipped` and `Failed` mirror the states of a dataset: `kind` is the word inside the parentheses.
"""

from typing import ClassVar


class XtendflowError(Exception):
    """The root: its text is one sentence for people.

    Attributes
    ----------
    exit_status : int
        What the command line ends with when this error reaches it.
    step : str or None
        The step of a dataset in which it was raised, once that is known.
    """

    exit_status: ClassVar[int] = 1
    step: str | None = None


class BadInput(XtendflowError):
    """The caller asked for something that cannot be meant."""

    exit_status = 2


class EnvironmentFault(XtendflowError):
    """Something outside that everything needs is missing: server, catalogue, store, disk."""

    exit_status = 3


class LeaseLost(XtendflowError):
    """Another process holds this observation now; what was made here must not be published."""


class Outcome(XtendflowError):
    """Common base of the errors that are also states of a dataset.

    Attributes
    ----------
    kind : str
        The word in the parentheses of `skipped(…)` and `failed(…)`.
    """

    kind: ClassVar[str]


class Skipped(Outcome):
    """There is nothing to do, and the text says why."""


class NoData(Skipped):
    """No files, no good time or no events."""

    kind = "no-data"


class Proprietary(Skipped):
    """The archive holds encrypted files only."""

    kind = "proprietary"


class NotPublic(Skipped):
    """Not released yet, or not observed yet."""

    kind = "not-public"


class Failed(Outcome):
    """It should have worked and did not."""


class Transient(Failed):
    """Worth another try: network, throttling, a file replaced under our hands."""

    kind = "transient"


class Permanent(Failed):
    """The data are at fault; another try gives the same."""

    kind = "permanent"


class SoftwareFault(Failed):
    """A tool or this project is at fault."""

    kind = "software"


class GaveUp(Failed):
    """Tries or time ran out."""

    kind = "gave-up"

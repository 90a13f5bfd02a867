"""What an engine is: it turns an order into calls, and knows its versions and its limits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tasks.library.call import Call
from tasks.library.dataset import Dataset
from tasks.library.manifest import Manifest, Product, Step
from tasks.library.orders import Wanted


@dataclass(frozen=True)
class StepInputs:
    """What a step can be made from.

    Parameters
    ----------
    dataset : Dataset
        Which one, its recipe and archive files.
    manifest : Manifest or None
        What the steps before have published; None before processing.
    downloads : Path
        The observation's folder of verified archive files.
    locate : callable
        Gives a local path of a published product.
    scratch : Path
        The scratch folder of this process, where a reprocessed observation waits for its datasets.
    """

    dataset: Dataset
    manifest: Manifest | None
    downloads: Path
    locate: Callable[[Product], Path]
    scratch: Path = Path()


class Engine(Protocol):
    """How steps are done."""

    name: str

    def versions(self) -> dict[str, str]:
        """The versions that its products depend on: part of every fingerprint."""
        ...

    def provenance(self) -> dict[str, str]:
        """Further versions worth recording, which do not make a product stale."""
        ...

    def can(self, step: Step) -> str | None:
        """Why it cannot do a step; None when it can."""
        ...

    def plan(self, step: Step, inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
        """The calls that make exactly these products of a step, in order."""
        ...

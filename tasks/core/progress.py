"""How far something is, told by whoever does it to whoever listens in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What is counted."""

    BYTES = "bytes"
    OBSERVATIONS = "observations"
    DATASETS = "datasets"
    STEPS = "steps"
    FILES = "files"
    PAGES = "pages"


@dataclass(frozen=True)
class Told:
    """How far one thing is.

    Parameters
    ----------
    what : str
        Its name, such as `download 000128000`; the same name again is the same thing.
    unit : Unit
        What is counted.
    done, total : int
        How much of how much; it is over when they are equal.
    """

    what: str
    unit: Unit
    done: int
    total: int


Listener = Callable[[Told], None]

_listeners: list[Listener] = []


def tell(what: str, unit: Unit, done: int, total: int) -> None:
    """Say how far something is; from any thread, and free of cost where nobody listens."""
    for listener in tuple(_listeners):
        listener(Told(what, unit, done, total))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener hear everything that is told while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)

"""Calls of a plan in their order: who makes what the later ones take."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tasks.core.errors import SoftwareFault
from tasks.library.call import Call


@dataclass
class Calls:
    """The calls of a plan so far.

    Parameters
    ----------
    calls : list of Call
        In the order in which they run.
    """

    calls: list[Call] = field(default_factory=list)

    def add(self, call: Call) -> None:
        """Put a call at the end.

        Raises
        ------
        SoftwareFault
            When an earlier call makes a file of the same name.
        """
        if twice := self._made() & set(call.outputs):
            raise SoftwareFault(f"two calls of a plan make {', '.join(sorted(twice))}")
        self.calls.append(call)

    def after(self, *names: str) -> dict[str, int]:
        """Name → number of the call that makes it, of those names that a call makes."""
        return {name: number for number, made in self._outputs() for name in names if name == made}

    @property
    def last(self) -> Call:
        """The call that was put at the end last."""
        return self.calls[-1]

    def _made(self) -> set[str]:
        return {name for _, name in self._outputs()}

    def _outputs(self) -> Iterator[tuple[int, str]]:
        for number, call in enumerate(self.calls):
            for name in call.outputs:
                yield number, name


def line_of(call: Call) -> str:
    """A tool's call as one would type it, for HISTORY."""
    given = call.parameters["parameters"].items()
    said = (f"{name}={_typed(value)}" for name, value in given)
    return f"{call.parameters['tool']} {' '.join(said)}"


def _typed(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f'"{value}"' if " " in str(value) else str(value)

"""What the campaign counts, and the table it prints."""

import sys
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Figures:
    """Counts over the whole campaign; violations are sentences that name what was broken."""

    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    sweeps: Counter[str] = field(default_factory=Counter)
    observations: int = 0
    products: int = 0
    attempts: int = 0
    tries: int = 0
    calls: int = 0
    again: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    forced: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def note(text: str) -> None:
    """Say how it goes."""
    sys.stderr.write(f"  {text}\n")
    sys.stderr.flush()


def table(figures: Figures, seed: int) -> str:
    """The figures as text."""
    rows = [("seed", str(seed))]
    rows += [(f"phase {name}", f"{seconds:.0f} s") for name, seconds in figures.seconds.items()]
    rows += [(f"killed: {kind}", str(number)) for kind, number in sorted(figures.kills.items())]
    rows += [("killed in all", str(figures.kills.total()))]
    rows += [(f"fault: {kind}", str(number)) for kind, number in sorted(figures.faults.items())]
    rows += [(f"sweeps that {how}", str(number)) for how, number in sorted(figures.sweeps.items())]
    rows += [
        ("observations done", str(figures.observations)),
        ("products checked", str(figures.products)),
        ("attempts at observations", str(figures.attempts)),
        ("tasks started in them, retries included", str(figures.tries)),
        ("calls of steps", str(figures.calls)),
        ("of these, done again", str(figures.again)),
    ]
    rows += [("ended by force", command) for command in figures.forced]
    rows += [("left out", reason) for reason in figures.left_out]
    rows += [("violations", str(len(figures.violations) or "none"))]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {value}" for name, value in rows]
    return "\n".join([*lines, *(f"VIOLATION {sentence}" for sentence in figures.violations)])

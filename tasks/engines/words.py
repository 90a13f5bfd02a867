"""What a process said last, for a message."""

from collections.abc import Iterable
from typing import Final

LAST_LINES: Final = 5
_LONGEST_LINE: Final = 300


def last_words(lines: Iterable[str]) -> str:
    """The last lines as one that a page, a database and a terminal can take."""
    printable = ("".join(char if char.isprintable() else " " for char in line).strip() for line in lines)
    said = [line[-_LONGEST_LINE:] for line in printable if line]
    return " | ".join(said[-LAST_LINES:]) or "it printed nothing"

"""What a process said that matters, for a message."""

import re
from collections.abc import Iterable
from typing import Final

KEPT_LINES: Final = 200
"""Lines of a process's output in which its last words are looked for."""
_LAST_LINES: Final = 5
_TELLING_LINES: Final = 3
_LONGEST_LINE: Final = 300
# Perl tools of HEASoft end with a farewell of many lines, before which they said what was wrong.
_TELLING: Final = re.compile(
    r"\b(error|fatal|fail(ed|ure)|illegal|invalid|unable|cannot|can't|could not|not found|no (space|such))\b",
    re.IGNORECASE,
)


def last_words(lines: Iterable[str]) -> str:
    """The last lines, and those before that tell of an error, as one that a page, a database and a terminal
    can take.
    """
    printable = ("".join(char if char.isprintable() else " " for char in line).strip() for line in lines)
    said = [line[-_LONGEST_LINE:] for line in printable if line][-KEPT_LINES:]
    telling = [line for line in said[:-_LAST_LINES] if _TELLING.search(line)]
    return " | ".join([*telling[-_TELLING_LINES:], *said[-_LAST_LINES:]]) or "it printed nothing"

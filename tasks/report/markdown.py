"""Markdown in which foreign text stays text: one line, one cell, no link, no picture and no HTML.

Prefect's pages render what they are given, the address `javascript:` included.
"""

import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

LONGEST: Final = 300
"""Characters of a text that are shown."""

_LONGEST_LINE = 400
_MEANS_SOMETHING = re.compile(r"[\\`*_\[\]<>|&~$#@]|:(?=//)|(?<=www)\.|^[-+=]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")
# Of character references the older of Prefect's pages know these alone.
_REFERENCES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_ADDRESS = re.compile(r"(https?://|(\.\./)+)[A-Za-z0-9._~/?=%:,+-]+")


def plain(text: str, longest: int = LONGEST) -> str:
    """A text in one line that means nothing but itself."""
    shown = _shortened(_one_line(text), longest)
    return _MEANS_SOMETHING.sub(lambda found: _REFERENCES.get(found[0], f"\\{found[0]}"), shown)


def cell(text: str, width: int, longest: int = LONGEST) -> str:
    """A text for a column so many characters wide: pages do not break lines in tables, nor long words."""
    return "<br>".join(map(plain, textwrap.wrap(_shortened(_one_line(text), longest), width)))


def link(text: str, address: str) -> str:
    """A link to an address of the web or, from `../`, of the same pages; any other is shown as text."""
    if _ADDRESS.fullmatch(address):
        return f"[{plain(text)}]({address})"
    return f"{plain(text)}: {plain(address)}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def block(text: str) -> str:
    """Lines as they are, such as those of a log."""
    lines = [_printable(line.expandtabs(4))[:_LONGEST_LINE] for line in text.split("\n")]
    shown = "\n".join(lines)
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}text\n{shown}\n{fence}"


def _shortened(line: str, longest: int) -> str:
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def _one_line(text: str) -> str:
    return " ".join(_printable(text).split())


def _printable(text: str) -> str:
    """A text whose control characters, the invisible and turning ones included, are blanks."""
    return "".join(each if each.isprintable() else " " for each in text)

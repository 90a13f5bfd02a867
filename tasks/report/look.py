"""How pages look: what tells those that an older version has made."""

from functools import cache
from importlib.metadata import version
from importlib.resources import files
from itertools import chain
from typing import Final

from tasks.library.fingerprint import fingerprint
from tasks.report.pictures import PICTURES_VERSION

_TEXTS: Final = (".py", ".j2", ".css", ".js")


@cache
def look() -> str:
    """Hash over everything that words and lays out pages, and the version of what draws their pictures."""
    package = files("tasks.report")
    found = chain(package.iterdir(), (package / "templates").iterdir())
    texts = {item.name: item.read_text("utf-8") for item in found if item.name.endswith(_TEXTS)}
    return fingerprint(version("xtendflow"), PICTURES_VERSION, texts)

"""The catalogue that a setting names."""

from pathlib import Path

from tasks.archive.catalogue.interface import Catalogue
from tasks.core.errors import BadInput
from tasks.core.words import without_password


def open_catalogue(text: str) -> Catalogue:
    """The catalogue called `heasarc`, or the local table at a path.

    Nothing is read or asked before its `find` is called.

    Raises
    ------
    BadInput
        When the text is neither `heasarc` nor the path of a table.
    """
    if text == "heasarc":
        from tasks.archive.catalogue.heasarc import HeasarcCatalogue

        return HeasarcCatalogue()
    from tasks.archive.catalogue.table import FORMATS, TableCatalogue

    if "://" in text or Path(text).suffix.lower() not in FORMATS:
        told = without_password(text)
        raise BadInput(f"the catalogue {told!r} is neither heasarc nor a table ({', '.join(FORMATS)})")
    return TableCatalogue(Path(text))

"""The catalogue that a setting names."""

from pathlib import Path
from typing import Final

from tasks.archive.catalogue.interface import Catalogue
from tasks.core.errors import BadInput
from tasks.core.words import without_password

_HEASARC: Final = "heasarc"
FORMATS: Final = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits", ".vot": "votable"}
"""Ending of a table's name → astropy's word for its format."""


def is_local(text: str) -> bool:
    """Whether a setting names a local table, which is there; without opening it.

    Raises
    ------
    BadInput
        When the text is neither `heasarc` nor the path of a file whose name is that of a table.
    """
    if text == _HEASARC:
        return False
    if "://" in text or Path(text).suffix.lower() not in FORMATS:
        told = without_password(text)
        raise BadInput(f"the catalogue {told!r} is neither heasarc nor a table ({', '.join(FORMATS)})")
    if not Path(text).is_file():
        raise BadInput(f"the catalogue {text} cannot be read: there is no such file")
    return True


def open_catalogue(text: str) -> Catalogue:
    """The catalogue called `heasarc`, or the local table at a path.

    Nothing is read or asked before its `find` is called; see `is_local` for what is refused.
    """
    if is_local(text):
        from tasks.archive.catalogue.table import TableCatalogue

        return TableCatalogue(Path(text))
    from tasks.archive.catalogue.heasarc import HeasarcCatalogue

    return HeasarcCatalogue()

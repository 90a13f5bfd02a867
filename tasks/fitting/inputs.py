"""The files of a fit: a spectrum and what belongs to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tasks.core.errors import BadInput
from tasks.fitting.response import Response, read_response
from tasks.fitting.spectrum import Spectrum, is_background, read_spectrum
from tasks.xtend.cautions import Caution, notice

_NONE: Final = "none"


@dataclass(frozen=True, eq=False)
class Files:
    """A spectrum with what belongs to it.

    Parameters
    ----------
    spectrum : Spectrum
        The source's, with its background in it.
    background : Spectrum or None
        Where there is one.
    response : Response
        With its effective area.
    cautions : tuple of Caution
        On what was left out.
    """

    spectrum: Spectrum
    background: Spectrum | None
    response: Response
    cautions: tuple[Caution, ...] = ()


def read_files(
    spectrum: Path,
    *,
    background: Path | None = None,
    rmf: Path | None = None,
    arf: Path | None = None,
) -> Files:
    """Read a spectrum and what belongs to it.

    Where a file is not given, BACKFILE, RESPFILE and ANCRFILE of the header name it, beside the spectrum. The
    path `none` stands for no such file, whatever the header says.

    Raises
    ------
    BadInput
        When a file is not there or not what it should be, or no response is named.
    """
    source = read_spectrum(spectrum)
    behind, matrix, area = (
        _which(given, source, key, option)
        for given, key, option in (
            (background, "BACKFILE", "--background"),
            (rmf, "RESPFILE", "--rmf"),
            (arf, "ANCRFILE", "--arf"),
        )
    )
    if matrix is None:
        raise BadInput(f"{source.name} names no response (RESPFILE): give --rmf")
    cautions = []
    if "CORRFILE" in source.linked:
        name = source.linked["CORRFILE"].name
        cautions.append(notice("correction-file", f"The correction file {name} was not used."))
    return Files(
        spectrum=source,
        background=_background(behind, source) if behind else None,
        response=read_response(matrix, area),
        cautions=tuple(cautions),
    )


def _background(path: Path, source: Spectrum) -> Spectrum:
    """The background; in a file that holds both it is the spectrum that says so."""
    both = path.resolve() == source.path.resolve()
    return read_spectrum(path, wanted=is_background if both else None)


def _which(given: Path | None, spectrum: Spectrum, key: str, option: str) -> Path | None:
    """The file that is given, else the one that the header names."""
    if given is not None:
        return None if str(given).lower() == _NONE else given
    named = spectrum.linked.get(key)
    if named is None:
        return None
    zipped = named.with_name(f"{named.name}.gz")
    if not named.is_file() and not zipped.is_file():
        raise BadInput(
            f"{spectrum.name} names {named.name} in {key}, which is not beside it: give {option}, "
            f"{option} {_NONE} to do without"
        )
    return named if named.is_file() else zipped

"""What makes a call a success besides its exit status: declared outputs, there, whole, and FITS."""

from pathlib import Path

from tasks.core.errors import Permanent, SoftwareFault
from tasks.library.call import Call, Report

_FITS_SUFFIXES = (".fits", ".evt", ".bimg", ".fpix", ".gti", ".pha", ".lc", ".rmf", ".arf")


def check_outputs(call: Call, report: Report, directory: Path) -> None:
    """See that a finished call left what it declared.

    Raises
    ------
    SoftwareFault
        When a declared output is absent without a reason, empty, or no FITS file from end to end.
    """
    for name in call.outputs:
        if name not in report.not_made:
            check_file(directory / name, call.maker)


def check_file(path: Path, maker: str) -> None:
    """See that a file is there, not empty, and whole where its name says that it is FITS.

    Parameters
    ----------
    path : Path
        The file.
    maker : str
        Who should have made it, for messages.

    Raises
    ------
    SoftwareFault
        When it is not.
    """
    if not path.is_file():
        raise SoftwareFault(f"{maker} ended well but did not make {path.name}")
    if path.stat().st_size == 0:
        raise SoftwareFault(f"{maker} left {path.name} empty")
    if path.name.removesuffix(".gz").endswith(_FITS_SUFFIXES):
        # Here alone: whoever has nothing to check need not wait for astropy's import.
        from tasks.engines.native.fits_stream import headers, opened, padded_size, skip

        try:
            # astropy only warns of a file that is cut short, and warnings cannot be caught in threads.
            with opened(path) as stream:
                for header in headers(stream, path):
                    skip(stream, padded_size(header), path)
        except Permanent as exc:
            raise SoftwareFault(f"{maker} left no whole FITS file: {exc}") from exc

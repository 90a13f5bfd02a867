"""What makes a call a success besides its exit status: declared outputs, there, whole, and FITS."""

from pathlib import Path

from astropy.io import fits

from tasks.core.errors import SoftwareFault
from tasks.engines.call import Call, Report

_FITS_SUFFIXES = (".fits", ".evt", ".bimg", ".rmf", ".arf")


def check_outputs(call: Call, report: Report, directory: Path) -> None:
    """See that a finished call left what it declared.

    Raises
    ------
    SoftwareFault
        When a declared output is absent without a reason, empty, or does not open as FITS.
    """
    for name in call.outputs:
        if name not in report.not_made:
            _check_file(directory / name, call.function)


def _check_file(path: Path, maker: str) -> None:
    if not path.is_file():
        raise SoftwareFault(f"{maker} ended well but did not make {path.name}")
    if path.stat().st_size == 0:
        raise SoftwareFault(f"{maker} left {path.name} empty")
    if path.name.removesuffix(".gz").endswith(_FITS_SUFFIXES):
        try:
            with fits.open(path, memmap=False, lazy_load_hdus=False) as hdus:
                hdus.verify("exception")
        except (OSError, EOFError, fits.VerifyError) as exc:
            raise SoftwareFault(f"{maker} left {path.name}, which is no whole FITS file: {exc}") from exc

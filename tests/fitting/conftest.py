"""Small instruments with known responses, and the real one beside the repository."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tasks.fitting.inputs import Files, read_files
from tasks.fitting.response import Response, read_response
from tasks.fitting.spectrum import Spectrum

PN = Path(__file__).resolve().parents[3] / "shared" / "data" / "real" / "xmm-pn"
CHANNELS = 100
WIDTH = 0.1
"""Of a channel and of an energy bin in keV: 0.1 to 10.1 keV."""


@dataclass(frozen=True)
class Toy:
    """An instrument of 100 channels that spreads photons over three of them, with an area of 50 cm²."""

    folder: Path

    @property
    def edges(self) -> np.ndarray:
        return 0.1 + WIDTH * np.arange(CHANNELS + 1)

    def matrix(self) -> np.ndarray:
        """Probability of each channel (second axis) for each energy bin."""
        same = np.eye(CHANNELS)
        return 0.6 * same + 0.2 * np.eye(CHANNELS, k=1) + 0.2 * np.eye(CHANNELS, k=-1)

    def rmf(self, name: str = "toy.rmf", *, first: int = 0, channels: int = CHANNELS, **header: Any) -> Path:
        matrix = self.matrix()[:, :channels]
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("ENERG_LO", "E", unit="keV", array=self.edges[:-1]),
                fits.Column("ENERG_HI", "E", unit="keV", array=self.edges[1:]),
                fits.Column("N_GRP", "I", array=np.ones(CHANNELS)),
                fits.Column("F_CHAN", "I", array=np.full(CHANNELS, first)),
                fits.Column("N_CHAN", "I", array=np.full(CHANNELS, channels)),
                fits.Column("MATRIX", f"{channels}E", array=matrix),
            ],
            name="MATRIX",
        )
        table.header.update({"TLMIN4": first, "HDUCLAS3": "REDIST", **header})
        ebounds = fits.BinTableHDU.from_columns(
            [
                fits.Column("CHANNEL", "I", array=first + np.arange(channels)),
                fits.Column("E_MIN", "E", unit="keV", array=self.edges[:channels]),
                fits.Column("E_MAX", "E", unit="keV", array=self.edges[1 : channels + 1]),
            ],
            name="EBOUNDS",
        )
        return self._write(name, table, ebounds)

    def arf(self, name: str = "toy.arf", *, shift: float = 0.0, rows: int = CHANNELS) -> Path:
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("ENERG_LO", "E", unit="keV", array=self.edges[:rows] + shift),
                fits.Column("ENERG_HI", "E", unit="keV", array=self.edges[1 : rows + 1] + shift),
                fits.Column("SPECRESP", "E", unit="cm**2", array=np.full(rows, 50.0)),
            ],
            name="SPECRESP",
        )
        return self._write(name, table)

    def pha(
        self, counts: Any, name: str = "toy.pha", *, first: int = 0, columns: Any = (), **header: Any
    ) -> Path:
        """A spectrum; `columns` are (name, values) besides, a header value of None takes a keyword away."""
        counts = np.asarray(counts)
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("CHANNEL", "J", array=first + np.arange(len(counts))),
                fits.Column("COUNTS", "J", array=counts, unit="count"),
                *(fits.Column(title, "E", array=np.asarray(values)) for title, values in columns),
            ],
            name="SPECTRUM",
        )
        common = {
            "EXPOSURE": 1000.0,
            "BACKSCAL": 1.0,
            "AREASCAL": 1.0,
            "DETCHANS": len(counts),
            "POISSERR": True,
        }
        table.header.update({key: value for key, value in (common | header).items() if value is not None})
        return self._write(name, table)

    def response(self) -> Response:
        return read_response(self.rmf(), self.arf())

    def _write(self, name: str, *hdus: Any) -> Path:
        path = self.folder / name
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
        return path


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


@pytest.fixture(scope="session")
def pn() -> Files:
    """Nucleus of the Circinus galaxy with XMM-Newton's pn: source, background and response."""
    if not PN.is_dir():
        pytest.skip("no reference data beside the repository")
    return read_files(
        PN / "pn_spec.fits.gz",
        background=PN / "pn_backspec.fits.gz",
        rmf=PN / "pn.rmf.gz",
        arf=PN / "pn.arf.gz",
    )


@pytest.fixture
def pn_folder() -> Path:
    if not PN.is_dir():
        pytest.skip("no reference data beside the repository")
    return PN


@pytest.fixture
def spectrum_of() -> Any:
    """A spectrum in memory of given counts."""

    def build(counts: Any, *, exposure: float = 1000.0, backscal: float = 1.0, **given: Any) -> Spectrum:
        size = len(counts)
        usual = {
            "path": Path("made.pha"),
            "channel": np.arange(size),
            "counts": np.asarray(counts, float),
            "errors": None,
            "counted": True,
            "exposure": exposure,
            "backscal": np.full(size, backscal),
            "areascal": np.ones(size),
            "grouping": np.ones(size, np.int16),
            "quality": np.zeros(size, np.int16),
            "channels_in_all": size,
            "linked": {},
        }
        return Spectrum(**(usual | given))

    return build

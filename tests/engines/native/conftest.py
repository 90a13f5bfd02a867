"""A small event list to make variants of, and the places of the reference data."""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
MakeEvents = Callable[..., Path]


@pytest.fixture
def make_events(tmp_path: Path) -> MakeEvents:
    """Writes an Xtend-like list on a sky of 100 × 80 pixels; the detector is turned by PA_NOM = 0."""

    def make(
        name: str = "small.evt",
        columns: dict[str, Any] | None = None,
        gti: Sequence[tuple[float, float]] | None = ((0.0, 100.0),),
        gti_name: str = "GTI",
        extra: Sequence[fits.Column] = (),
        drop: Sequence[str] = (),
        **header: Any,
    ) -> Path:
        data: dict[str, Any] = {"TIME": [1.0], "X": [50], "Y": [40], "PI": [10], **(columns or {})}
        formats = {"TIME": "D", "PI": "J"}
        defined = [
            fits.Column(key, formats.get(key, "I"), array=np.asarray(values), null=null(key, formats))
            for key, values in data.items()
        ]
        table = fits.BinTableHDU.from_columns([*defined, *extra], name="EVENTS")
        ranges = {"X": (1, 100), "Y": (1, 80), "PI": (0, 19), "DETX": (1, 60), "DETY": (1, 60)}
        for number, column in enumerate(table.columns.names, start=1):
            if column in ranges:
                table.header[f"TLMIN{number}"], table.header[f"TLMAX{number}"] = ranges[column]
            if column in ("X", "Y"):
                table.header[f"TCTYP{number}"] = "RA---TAN" if column == "X" else "DEC--TAN"
                table.header[f"TCRPX{number}"] = 50.5 if column == "X" else 40.5
                table.header[f"TCRVL{number}"] = 30.0 if column == "X" else 0.0
                table.header[f"TCDLT{number}"] = -0.001 if column == "X" else 0.001
        keys = {"TELESCOP": "XRISM", "INSTRUME": "XTEND", "OBS_ID": "900000001", "DATACLAS": "30000010",
                "OBJECT": "SMALL", "TIMEPIXR": 0.5, "TIMEDEL": 4.0, "PA_NOM": 0.0, "TSTART": 0.0,
                "TSTOP": 100.0, "MJDREFI": 58484, "MJDREFF": 0.0}  # fmt: skip
        table.header.update({**keys, **header})
        for key in drop:
            del table.header[key]
        hdus = fits.HDUList([fits.PrimaryHDU(), table])
        if gti is not None:
            bounds = np.array(gti, float).reshape(-1, 2)
            start = fits.Column("START", "D", array=bounds[:, 0])
            hdus.append(
                fits.BinTableHDU.from_columns(
                    [start, fits.Column("STOP", "D", array=bounds[:, 1])], name=gti_name
                )
            )
        path = tmp_path / name
        hdus.writeto(tmp_path / "plain.tmp", overwrite=True)
        content = (tmp_path / "plain.tmp").read_bytes()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    def null(key: str, formats: dict[str, str]) -> int | None:
        return None if formats.get(key) == "D" else -999

    return make


@pytest.fixture
def write_region(tmp_path: Path) -> Callable[..., Path]:
    """Writes a region file of these lines."""

    def write(*lines: str, name: str = "a.reg") -> Path:
        path = tmp_path / name
        path.write_text("# Region file format: DS9 version 4.1\n" + "".join(f"{line}\n" for line in lines))
        return path

    return write


@pytest.fixture(scope="session")
def alpha() -> Path:
    """Folder of the reference dataset."""
    return _folder("heasoft-reference/alpha")


@pytest.fixture(scope="session")
def extras() -> Path:
    """Folder of its variants."""
    return _folder("heasoft-reference/alpha-extras")


@pytest.fixture(scope="session")
def chandra() -> Path:
    """Folder of the real Chandra list."""
    return _folder("real/chandra-acis-m82")


@pytest.fixture(scope="session")
def xmm_response() -> Path:
    """A real response matrix of a CCD."""
    found = next(_folder("real/xmm-pn").glob("*.rmf*"), None)
    if found is None:
        pytest.skip("no XMM-Newton response in the reference data")
    return found


def _folder(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip("no reference data beside the repository")
    return SHARED / name

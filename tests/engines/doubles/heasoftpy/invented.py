"""Files that the native engine cannot make: responses, photons, pixel lists, a reprocessed observation."""

import re
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

from tasks.archive.simulated import response
from tasks.archive.simulated.detector import MODES, detector
from tasks.core.identifiers import DataClass

GOOD_GRADES = (0, 2, 3, 4, 6)
SEED = 1


def write_rmf(path: Path) -> None:
    hdus = response.rmf_hdus()
    for hdu in hdus:
        hdu.header.update({"TELESCOP": "XRISM", "INSTRUME": "XTEND"})
    fits.HDUList(hdus).writeto(path, overwrite=True)


def write_arf(path: Path, low: float, high: float) -> None:
    """An ARF without area outside `low` to `high` keV."""
    hdus = response.arf_hdus(0.5)
    table = hdus[1]
    centre = (table.data["ENERG_LO"] + table.data["ENERG_HI"]) / 2
    table.data["SPECRESP"][(centre < low) | (centre > high)] = 0
    table.header.update({"TELESCOP": "XRISM", "INSTRUME": "XTEND"})
    fits.HDUList(hdus).writeto(path, overwrite=True)


def write_photons(path: Path, number: int) -> None:
    """Photons around the focus, spread evenly over a few energies."""
    energies = np.array([0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0])
    number = min(number, 70_000)
    rng = np.random.default_rng(SEED)
    columns = [
        fits.Column("ENERGY", "E", unit="keV", array=rng.choice(energies, number)),
        fits.Column("FINALXPOS", "E", unit="mm", array=rng.normal(0, 0.5, number)),
        fits.Column("FINALYPOS", "E", unit="mm", array=rng.normal(0, 0.5, number)),
    ]
    traced = fits.BinTableHDU.from_columns(columns, name="RAYTRACE")
    listed = fits.BinTableHDU.from_columns([fits.Column("ENERGY", "E", array=energies)], name="INPUT")
    fits.HDUList([fits.PrimaryHDU(), traced, listed]).writeto(path, overwrite=True)


def fewest_photons(path: Path) -> int:
    """Photons of the energy that has the fewest."""
    energies = fits.getdata(path, "RAYTRACE")["ENERGY"]
    return int(np.unique(energies, return_counts=True)[1].min())


def write_pixels(events: Path, path: Path) -> None:
    """The brightest pixel of each CCD as flickering during its first events."""
    with fits.open(events) as hdus:
        table, header = hdus["EVENTS"].data, hdus["EVENTS"].header
        rows = []
        for ccd in np.unique(table["CCD_ID"]):
            mine = table[table["CCD_ID"] == ccd]
            code = mine["ACTX"].astype(np.int64) * 10_000 + mine["ACTY"]
            values, counts = np.unique(code, return_counts=True)
            chosen = mine[code == values[counts.argmax()]]
            first = chosen[0]
            rows.append([ccd, first["ACTX"], first["ACTY"], first["DETX"], first["DETY"],
                         chosen["TIME"].min(), chosen["TIME"].max()])  # fmt: skip
        names = ("CCD_ID", "ACTX", "ACTY", "DETX", "DETY", "START", "STOP")
        formats = ("B", "I", "I", "I", "I", "D", "D")
        columns = [
            fits.Column(name, form, array=np.array([row[place] for row in rows]))
            for place, (name, form) in enumerate(zip(names, formats, strict=True))
        ]
        pixels = fits.BinTableHDU.from_columns(columns, name="PIXELS")
        pixels.header.update(
            {key: header[key] for key in ("OBS_ID", "DATACLAS", "TELESCOP") if key in header}
        )
        fits.HDUList([fits.PrimaryHDU(), hdus["EVENTS"].copy(), pixels]).writeto(path, overwrite=True)


def reprocess(lists: list[Path], indir: Path, general: Path, outdir: Path) -> None:
    """Cleaned events and bad-pixel images as the pipeline leaves them, of unfiltered ones."""
    with fits.open(general) as hdus:
        pointing = hdus["GTIPOINT"].data
        pointing = np.array([pointing["START"], pointing["STOP"]], float)
    modes = {}
    for path in indir.glob("*_mode.gti*"):
        with fits.open(path) as hdus:
            modes |= {hdu.name: np.array([hdu.data["START"], hdu.data["STOP"]], float) for hdu in hdus[1:]}
    for path in lists:
        stem = path.name.partition("_uf.evt")[0]
        found = re.search(r"p[0-9]+([0-9a-f]{8})$", stem)
        assert found
        dataclass = DataClass(found[1])
        good = modes.get(f"GTI_{dataclass.upper()}", pointing)
        middle = good.mean(axis=0)
        good = good[:, _inside(middle, pointing)]
        if not good.size:
            continue
        _clean(path, good, outdir / f"{stem}_cl.evt")
        chip = detector(MODES[dataclass], SEED)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _image(path, chip.flags, outdir / f"{stem}.bimg")
        (outdir / f"{stem}_uf.evt").write_bytes(b"")


def _inside(time: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    order = intervals[0].argsort()
    place = np.searchsorted(intervals[0][order], time, side="right") - 1
    return np.asarray((place >= 0) & (time <= intervals[1][order][np.maximum(place, 0)]))


def _clean(path: Path, good: np.ndarray, output: Path) -> None:
    with fits.open(path) as hdus:
        table = hdus["EVENTS"]
        data = table.data
        kept = ~data["STATUS"][:, 0] & np.isin(data["GRADE"], GOOD_GRADES) & _inside(data["TIME"], good)
        table.data = data[kept]
        intervals = fits.BinTableHDU.from_columns(
            [
                fits.Column(name, "D", unit="s", array=good[place])
                for place, name in enumerate(("START", "STOP"))
            ],
            name="GTI",
        )
        seconds = float((good[1] - good[0]).sum())
        for header in (hdus[0].header, table.header, intervals.header):
            header.update({"EXPOSURE": seconds, "ONTIME": seconds, "LIVETIME": seconds,
                           "TSTART": float(good[0].min()), "TSTOP": float(good[1].max()),
                           "PROCVER": "double"})  # fmt: skip
        fits.HDUList([hdus[0], table, intervals]).writeto(output, checksum=True)


def _image(path: Path, flags: np.ndarray, output: Path) -> None:
    header = fits.getheader(path, 0)
    fits.PrimaryHDU(flags, header).writeto(output, checksum=True)

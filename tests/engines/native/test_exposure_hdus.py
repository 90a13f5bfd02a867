"""The extensions of exposure maps with several wedges."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.engines.native.attitude import Attitude, Wedge
from tasks.engines.native.exposure_hdus import MadeMap, map_hdus
from tasks.engines.native.gti import Gti
from tasks.xtend.geometry import DET_SIZE, SKY_SIZE
from tasks.xtend.nominal import Nominal


def wedge(number: int) -> Wedge:
    """One of 10 s, in ring `number`."""
    gti = Gti.merged([100.0 * number], [100.0 * number + 10])
    bounds = (float(number), number + 1.0)
    return Wedge(number, bounds, (0.0, 360.0), gti, Attitude(10, 20, 30), 10, 20, number + 0.5, 0)


@pytest.fixture
def made() -> MadeMap:
    """Of three wedges; all but three DET pixels are live."""
    live = np.ones((DET_SIZE, DET_SIZE), bool)
    for x, y in ((1810, 1), (7, 900), (7, 5)):
        live[y - 1, x - 1] = False
    return MadeMap(np.ones((SKY_SIZE, SKY_SIZE)), [wedge(n) for n in range(3)], live, Nominal(10, 20, 30))


def test_each_wedge_has_its_tables(made: MadeMap, tmp_path: Path) -> None:
    fits.HDUList(map_hdus(made, 1, {})).writeto(tmp_path / "m.fits", checksum=True)
    names = [f"{kind}{number:03d}" for kind in ("GTIEXP", "PARTIALEXP") for number in (1, 2, 3)]
    with fits.open(tmp_path / "m.fits", checksum=True) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus[1:]] == ["OFFAXISHIST", *names]
        assert hdus["OFFAXISHIST"].data["OFFAXISVAL"].tolist() == [0.5, 1.5, 2.5]
        for number in (1, 2, 3):
            assert hdus[f"GTIEXP{number:03d}"].data["START"].tolist() == [100.0 * (number - 1)]
            dead = hdus[f"PARTIALEXP{number:03d}"]
            assert dead.header["GTINUMBR"] == number
            assert dead.data.dtype.fields["FRACTION"][0].kind == "f"
            assert [tuple(row) for row in dead.data] == [(7, 5, 0), (7, 900, 0), (1810, 1, 0)]


def test_the_tables_of_dead_pixels_are_not_copied(made: MadeMap) -> None:
    # Each may take tens of megabytes.
    first, *others = (hdu.data for hdu in map_hdus(made, 1, {}) if hdu.name.startswith("PARTIALEXP"))
    assert all(np.shares_memory(first, other) for other in others)


def test_pixels_that_flicker_have_their_share_of_each_wedge(made: MadeMap) -> None:
    """Wedges of 10 s at 0, 100 and 200 s."""
    kinds = [(name, "i4") for name in ("CCD_ID", "ACTX", "ACTY", "DETX", "DETY")]
    rows = [(0, 1, 1, 9, 4, 2.0, 104.0), (0, 1, 2, 7, 5, 0.0, 500.0)]
    pixels = np.array(rows, [*kinds, ("START", "f8"), ("STOP", "f8")])
    tables = [
        hdu.data.tolist()
        for hdu in map_hdus(replace(made, flickering=pixels), 1, {})
        if hdu.name.startswith("PARTIALEXP")
    ]
    assert tables[2] == [[7, 5, 0], [7, 900, 0], [1810, 1, 0]]
    for table, share in zip(tables[:2], (0.2, 0.6), strict=True):
        assert [row[:2] for row in table] == [[7, 5], [7, 900], [9, 4], [1810, 1]]
        assert [row[2] for row in table] == pytest.approx([0, 0, share, 0])


def test_binned_maps_have_no_dead_pixels(made: MadeMap) -> None:
    names = [hdu.name for hdu in map_hdus(made, 2, {})]
    assert names == ["PRIMARY", "OFFAXISHIST", "GTIEXP001", "GTIEXP002", "GTIEXP003"]

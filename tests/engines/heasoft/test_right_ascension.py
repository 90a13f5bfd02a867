"""Attitude near 0h: numbers that can be averaged, and what an average is brought back to."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import Permanent
from tasks.engines.heasoft.right_ascension import make_continuous, near_zero_hours, normalise
from tasks.xtend.nominal import Nominal


@pytest.mark.parametrize(
    ("ra", "dec", "near"),
    [
        (0.0, 0.0, True),
        (359.5, 0.0, True),
        (0.5, 0.0, True),
        (1.5, 0.0, False),
        (358.5, 0.0, False),
        (180.0, 0.0, False),
        (20.0, 88.0, True),
        (340.0, -88.0, True),
        (180.0, 89.0, False),
    ],
)
def test_what_is_near_counts_on_the_sky(ra, dec, near):
    assert near_zero_hours(Nominal(ra, dec, 0.0)) is near


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes an EHK file of pointings about a right ascension; the continuous one."""
    monkeypatch.chdir(tmp_path)

    def write(ra, offsets):
        around = (ra + np.array(offsets)) % 360
        columns = [
            fits.Column("TIME", "D", array=np.arange(len(offsets), dtype=float)),
            fits.Column("RA", "D", array=around),
            fits.Column("DEC", "D", array=np.full(len(offsets), -30.0)),
            fits.Column("XTD_RA_PNT", "D", array=around),
        ]
        table = fits.BinTableHDU.from_columns(columns, name="EHK")
        for header in (primary := fits.PrimaryHDU(), table):
            header.header.update(RA_NOM=ra, RA_OBJ=(ra - 0.3) % 360, DEC_OBJ=-30.0)
        fits.HDUList([primary, table]).writeto("ehk.fits", overwrite=True)
        Path("continuous.ehk").unlink(missing_ok=True)
        make_continuous("ehk.fits", "continuous.ehk", ra)
        return fits.open("continuous.ehk")

    return write


@pytest.mark.parametrize("ra", [0.0, 0.2, 359.9])
def test_a_mean_of_numbers_is_the_mean_pointing(written, ra):
    with written(ra, [-0.5, 0.1, 0.5, 0.3]) as hdus:
        for name in ("RA", "XTD_RA_PNT"):
            assert hdus["EHK"].data[name].mean() == pytest.approx(ra + 0.1)
        assert hdus["EHK"].data["DEC"].mean() == -30
        for hdu in hdus:
            assert hdu.header["RA_OBJ"] == pytest.approx(ra - 0.3)
            assert (hdu.header["RA_NOM"], hdu.header["DEC_OBJ"]) == (ra, -30)


@given(
    ra=st.floats(0, 360, exclude_max=True),
    values=st.lists(st.floats(0, 360, exclude_max=True), min_size=1, max_size=20),
)
def test_no_pointing_is_moved(ra, values):
    table = fits.BinTableHDU.from_columns([fits.Column("RA_PNT", "D", array=np.array(values) + 360)])
    header = fits.Header({"RA_PNT": values[0] - 360})
    normalise(header, table)
    turned = [*table.data["RA_PNT"], header["RA_PNT"]]
    assert all(0 <= value <= 360 for value in turned)
    away = np.abs(np.array(turned) - np.array([*values, values[0]]))
    assert np.minimum(away, 360 - away).max() < 1e-9


def test_a_file_without_attitude_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fits.PrimaryHDU().writeto("ehk.fits")
    with pytest.raises(Permanent, match=r"ehk\.fits"):
        make_continuous("ehk.fits", "continuous.ehk", 0.0)

"""The attitude and its wedges: laws, odd inputs, and the wedges of the real exposure-map tool."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput, Permanent
from tasks.engines.native.attitude import AttitudeHistory, SkyObject, read_ehk, wedges
from tasks.engines.native.gti import Gti


def history(time, ra=10.0, dec=20.0, roll=30.0) -> AttitudeHistory:
    time = np.asarray(time, float)
    ra, dec, roll = (np.broadcast_to(np.asarray(value, float), time.shape) for value in (ra, dec, roll))
    return AttitudeHistory(time, ra, dec, roll, ra, dec, axis_known=True, object=None)


def write_ehk(path: Path, axis: str | None = "XTD_", **changed) -> Path:
    columns = {
        "TIME": np.arange(10.0),
        "RA": np.full(10, 10.0),
        "DEC": np.full(10, 20.0),
        "ROLL": np.full(10, 30.0),
    }
    if axis is not None:
        columns |= {f"{axis}RA_PNT": np.full(10, 10.5), f"{axis}DEC_PNT": np.full(10, 20.5)}
    columns |= changed
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, "D", array=values) for name, values in columns.items() if values is not None],
        name="EHK",
    )
    table.header["RA_OBJ"], table.header["DEC_OBJ"] = 10.1, 20.1
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


@pytest.mark.parametrize("prefix", ["XTD_", "XTEND_", "SXI_"])
def test_the_axis_is_read_under_any_of_its_names(tmp_path, prefix):
    read = read_ehk(write_ehk(tmp_path / "x.ehk", prefix))
    assert read.axis_known
    assert read.axis_ra[0] == 10.5
    assert read.object == SkyObject(10.1, 20.1)


def test_without_an_axis_the_spacecraft_stands_in(tmp_path):
    read = read_ehk(write_ehk(tmp_path / "x.ehk", None))
    assert not read.axis_known
    assert (read.axis_ra == read.ra).all()
    assert (read.axis_dec == read.dec).all()


def test_rows_are_sorted_and_those_without_figures_left_out(tmp_path):
    time = np.arange(10.0)[::-1].copy()
    time[3] = np.nan
    read = read_ehk(write_ehk(tmp_path / "x.ehk", TIME=time, RA=np.arange(10.0)))
    assert read.time.tolist() == sorted(time[np.isfinite(time)])
    assert read.ra[0] == 9


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"ROLL": None}, "no column ROLL"), ({"TIME": np.full(10, np.nan)}, "holds no attitude")],
)
def test_a_table_that_gives_no_attitude_is_told(tmp_path, changed, reason):
    with pytest.raises(Permanent, match=reason):
        read_ehk(write_ehk(tmp_path / "x.ehk", **changed))


def test_damaged_files_are_told(tmp_path):
    whole = gzip.compress(write_ehk(tmp_path / "x.ehk").read_bytes())
    cut = tmp_path / "cut.ehk.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    text = tmp_path / "text.ehk"
    text.write_text("no FITS file")
    other = tmp_path / "other.fits"
    fits.PrimaryHDU().writeto(other)
    for path in (cut, text, other):
        with pytest.raises(Permanent, match=path.name):
            read_ehk(path)
    with pytest.raises(BadInput, match="there is no file"):
        read_ehk(tmp_path / "none.ehk")


@settings(deadline=None, max_examples=60)
@given(
    bounds=st.lists(st.floats(0, 1000, allow_nan=False, width=32), min_size=2, max_size=30),
    cadence=st.floats(0.3, 60),
    delta=st.floats(0.05, 5),
    numphi=st.integers(0, 4),
)
def test_every_good_second_belongs_to_one_wedge(bounds, cadence, delta, numphi):
    gti = Gti.merged(bounds[::2][: len(bounds) // 2], bounds[1::2])
    time = np.arange(0, 1000 + cadence, cadence)
    moving = history(time, 10 + 0.02 * np.sin(time / 100), 20 + 0.03 * np.cos(time / 70))
    made = wedges(moving, gti, SkyObject(10.0, 20.0), delta, numphi)
    assert sum(wedge.gti.total for wedge in made) == pytest.approx(gti.total, abs=1e-6)
    places = [(wedge.off_axis, wedge.azimuth) for wedge in made]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    for wedge in made:
        assert gti.contains((wedge.gti.start + wedge.gti.stop) / 2).all()
        assert 0 <= wedge.azimuth[0] < wedge.azimuth[1] <= 360 + 1e-9


def test_intervals_end_at_the_sample_of_the_change_and_weight_the_means():
    dec = np.where(np.arange(10) < 4, 20.0, 20.5)
    made = wedges(history(np.arange(10.0), dec=dec), Gti.merged([0.5], [8.5]), SkyObject(10.0, 20.0), 20.0, 1)
    assert [wedge.gti.total for wedge in made] == [3.5, 4.5]
    assert [wedge.attitude.dec for wedge in made] == [20.0, 20.5]
    assert made[1].gti.start.tolist() == [4.0]
    together = wedges(
        history(np.arange(10.0), dec=dec), Gti.merged([0.5], [8.5]), SkyObject(10.0, 20.0), 60.0, 1
    )
    assert together[0].attitude.dec == pytest.approx(20 + 0.5 * 5 / 8)
    assert together[0].mean_off_axis == pytest.approx(60 * 0.5 * 5 / 8)


def test_good_time_without_a_sample_takes_the_next_one():
    dec = np.array([20.0, 20.1, 20.2])
    made = wedges(history([0, 10, 20], dec=dec), Gti.merged([1, 12], [2, 13]), SkyObject(10, 20), 60, 1)
    assert made[0].attitude.dec == pytest.approx((20.1 + 20.2) / 2)
    last = wedges(history([0, 10, 20], dec=dec), Gti.merged([21], [25]), SkyObject(10, 20), 60, 1)
    assert (last[0].attitude.dec, last[0].gti.total) == (pytest.approx(20.2), 4)


def test_means_are_right_across_north():
    made = wedges(
        history(np.arange(4.0), ra=[359.9, 0.1, 359.9, 0.1], roll=[359, 1, 359, 1]),
        Gti.merged([0], [3]),
        SkyObject(0.05, 20.0),
        20,
        1,
    )
    assert min(made[0].attitude.ra, 360 - made[0].attitude.ra) == pytest.approx(0, abs=1e-9)
    assert min(made[0].attitude.roll, 360 - made[0].attitude.roll) == pytest.approx(0, abs=1e-9)
    assert made[0].mean_off_axis == pytest.approx(0.05 * 60 * np.cos(np.radians(20)), rel=1e-6)


@pytest.mark.parametrize("good", [([-100.0], [5.0]), ([5.0], [100.0]), ([500.0], [600.0])])
def test_good_time_outside_of_the_samples_is_told(good):
    with pytest.raises(Permanent, match="does not cover the good time"):
        wedges(history(np.arange(10.0)), Gti.merged(*good), SkyObject(10, 20), 20, 1)


def test_a_row_for_each_frame_is_no_burden():
    frames = np.arange(100_000) * 1.0
    made = wedges(
        history(np.arange(100_000) + 0.3), Gti.merged(frames + 0.01, frames + 0.47), SkyObject(10, 20), 20, 1
    )
    assert made[0].gti.start.size == 100_000
    assert made[0].gti.total == pytest.approx(46_000)


@pytest.mark.parametrize(
    ("ehk", "reference", "delta", "numphi"),
    [
        ("alpha/xa900000010.ehk.gz", "alpha/ref/expmap.fits.gz", 20, 1),
        ("alpha-extras/drifting.ehk.gz", "alpha-extras/ref/expmap_wedges.fits.gz", 0.4, 4),
        ("alpha-extras/drifting.ehk.gz", "alpha-extras/ref/expmap_onewedge_nomask.fits.gz", 20, 1),
    ],
)
def test_wedges_agree_with_the_exposure_map_tool(alpha, ehk, reference, delta, numphi):
    good = fits.getdata(alpha / "xa900000010xtd_p030000010_cl.evt.gz", "GTI")
    gti = Gti.merged(good["START"], good["STOP"])
    read = read_ehk(alpha.parent / ehk)
    made = wedges(read, gti, read.object, delta, numphi)
    with fits.open(alpha.parent / reference) as hdus:
        table = np.array(hdus["OFFAXISHIST"].data)
        times = [
            (np.array(hdus[f"GTIEXP{n:03d}"].data["START"]), np.array(hdus[f"GTIEXP{n:03d}"].data["STOP"]))
            for n in range(1, len(table) + 1)
        ]
    assert len(made) == len(table)
    for wedge, row, (start, stop) in zip(made, table, times, strict=True):
        ours = (
            *wedge.off_axis, wedge.mean_off_axis, *wedge.azimuth, wedge.mean_azimuth, wedge.gti.total,
            wedge.gti.total / gti.total, wedge.attitude.ra, wedge.attitude.dec, wedge.attitude.roll,
            wedge.axis_ra, wedge.axis_dec,
        )  # fmt: skip
        assert ours == pytest.approx(tuple(row), rel=1e-8, abs=1e-8)
        assert wedge.gti.start == pytest.approx(start, abs=1e-6)
        assert wedge.gti.stop == pytest.approx(stop, abs=1e-6)

"""Net light curves: laws, gaps, scaling, and the curves of the real lcmath."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.net_curves import Curve, net, write_net_curve


def curve(time, rate, error=None, width=100.0) -> Curve:
    rate = np.asarray(rate, float)
    return Curve(
        np.asarray(time, float), rate, np.sqrt(rate) if error is None else np.asarray(error, float), width
    )


def write_curve(path: Path, offsets, rate, width=100.0, **keywords) -> Path:
    columns = {"TIME": "D", "RATE": "E", "ERROR": "E", "FRACEXP": "E"}
    values = {"TIME": offsets, "RATE": rate, "ERROR": np.sqrt(rate), "FRACEXP": np.ones(len(rate))}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, kind, array=np.asarray(values[name], float)) for name, kind in columns.items()],
        name="RATE",
    )
    table.header.update(
        {"TIMEZERO": 1000.0, "TIMEDEL": width, "TIMEPIXR": 0.5, "HDUCLAS2": "TOTAL"} | keywords
    )
    gti = fits.BinTableHDU.from_columns([fits.Column("START", "D", array=[950.0])], name="GTI")
    fits.HDUList([fits.PrimaryHDU(), table, gti]).writeto(path)
    return path


def write_spectrum(path: Path, backscal: float | None) -> Path:
    table = fits.BinTableHDU.from_columns([fits.Column("COUNTS", "J", array=[1])], name="SPECTRUM")
    if backscal is not None:
        table.header["BACKSCAL"] = backscal
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


@settings(deadline=None)
@given(
    rates=st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)), min_size=1, max_size=20),
    scale=st.floats(1e-3, 10),
)
def test_scaled_rates_subtract_and_errors_add_in_squares(rates, scale):
    time = 50 + 100 * np.arange(len(rates))
    source, background = (curve(time, column) for column in zip(*rates, strict=True))
    rate, gaussian = net(source, background, scale)
    same, linear = net(source, background, scale, "linear")
    assert rate + scale * background.rate == pytest.approx(source.rate, rel=1e-9, abs=1e-9)
    assert same.tolist() == rate.tolist()
    for error, weight in ((gaussian, scale**2), (linear, scale)):
        squares = source.error**2 + weight * background.error**2
        assert error**2 == pytest.approx(squares, rel=1e-9, abs=1e-12)


def test_a_bin_without_background_is_blank():
    rate, error = net(curve([50, 150, 350], [5, 6, 7]), curve([50, 350], [1, 2]), 0.5)
    assert rate == pytest.approx([4.5, np.nan, 6.0], nan_ok=True)
    assert np.isnan(error).tolist() == [False, True, False]
    beyond, _ = net(curve([-50, 450], [5, 6]), curve([50, 350], [1, 2]), 0.5)
    assert np.isnan(beyond).all()
    nothing, _ = net(curve([50], [5]), curve([], []), 0.5)
    assert np.isnan(nothing).all()


def test_longer_background_bins_are_shared_and_shorter_ones_refused():
    rate, _ = net(curve([50, 150, 250], [5, 6, 7]), curve([100, 300], [1, 2], width=200.0), 1.0)
    assert rate.tolist() == [4, 5, 5]
    with pytest.raises(Permanent, match="shorter than source bins"):
        net(curve([50], [5]), curve([25], [1], width=50.0), 1.0)


def test_the_file_keeps_the_source_and_tells_the_factor(tmp_path):
    source = write_curve(tmp_path / "s.lc", [0, 100], [4, 9])
    background = write_curve(tmp_path / "b.lc", [0], [1])
    spectra = write_spectrum(tmp_path / "s.pha", 0.002), write_spectrum(tmp_path / "b.pha", 0.008)
    write_net_curve(tmp_path / "n.lc", source, background, *spectra, "gaussian", "none")
    with fits.open(tmp_path / "n.lc", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "RATE", "GTI"]
        data, header = hdus["RATE"].data, hdus["RATE"].header
        assert data["RATE"] == pytest.approx([3.75, np.nan], nan_ok=True)
        assert data["ERROR"] == pytest.approx([np.sqrt(4 + 0.25**2), np.nan], nan_ok=True)
        assert data["TIME"].tolist() == [0, 100]
        assert [column.format for column in hdus["RATE"].columns] == ["D", "E", "E", "E"]
        said = [header[key] for key in ("HDUCLAS2", "BACKAPP", "DEADAPP", "BSCRATIO", "ERRMODE", "TIMEZERO")]
        assert said == ["NET", True, False, 0.25, 2, 1000.0]


@pytest.mark.parametrize(
    ("backscal", "error", "reason"),
    [(0.0, NoData, "BACKSCAL of .* is 0"), (None, Permanent, "does not give BACKSCAL")],
)
def test_without_an_area_there_is_no_net_curve(tmp_path, backscal, error, reason):
    curves = write_curve(tmp_path / "s.lc", [0], [4]), write_curve(tmp_path / "b.lc", [0], [1])
    good, bad = write_spectrum(tmp_path / "g.pha", 0.1), write_spectrum(tmp_path / "x.pha", backscal)
    for spectra in ((good, bad), (bad, good)):
        with pytest.raises(error, match=reason):
            write_net_curve(tmp_path / "n.lc", *curves, *spectra, "gaussian", "none")
    assert not (tmp_path / "n.lc").exists()


def test_files_that_are_no_light_curves_are_told(tmp_path):
    good, spectrum = write_curve(tmp_path / "s.lc", [0], [4]), write_spectrum(tmp_path / "g.pha", 0.1)
    nameless = write_curve(tmp_path / "x.lc", [0], [4], TIMEDEL=None)
    for curves, reason in (
        ((good, spectrum), "no extension RATE"),
        ((spectrum, good), "no RATE extension"),
        ((good, nameless), "does not give TIMEDEL"),
    ):
        with pytest.raises(Permanent, match=reason):
            write_net_curve(tmp_path / "n.lc", *curves, spectrum, spectrum, "gaussian", "none")


@pytest.mark.parametrize("band", ["0.6_2.0", "2.0_6.0", "6.0_10.0"])
@pytest.mark.parametrize(("errors", "mode"), [("linear", 1), ("gaussian", 2)])
def test_curves_agree_with_lcmath(tmp_path, alpha, band, errors, mode):
    spectra = write_spectrum(tmp_path / "s.pha", 0.4321), write_spectrum(tmp_path / "b.pha", 1.0)
    curves = (alpha / "ref" / f"lc_{role}_en{band}_200s.fits.gz" for role in ("src", "back"))
    write_net_curve(tmp_path / "n.lc", *curves, *spectra, errors, "none")
    assert_same(tmp_path / "n.lc", alpha / "ref" / f"lc_net_en{band}_errmode{mode}.fits.gz")
    header = fits.getheader(tmp_path / "n.lc", "RATE")
    assert header["ERRMODE"] == mode
    assert f"{errors} errors" in "".join(header["HISTORY"])


def test_dead_time_and_coarser_background_agree_with_lcmath(tmp_path, extras):
    spectra = write_spectrum(tmp_path / "s.pha", 0.25), write_spectrum(tmp_path / "b.pha", 1.0)
    curves = extras / "ref" / "deadc_lc.fits.gz", extras / "ref" / "back_400s_lc.fits.gz"
    write_net_curve(tmp_path / "n.lc", *curves, *spectra, "gaussian", "none")
    assert_same(tmp_path / "n.lc", extras / "ref" / "deadc_net_docor.fits.gz")


def assert_same(ours: Path, theirs: Path) -> None:
    with fits.open(ours) as mine, fits.open(theirs) as reference:
        for name in ("TIME", "RATE", "ERROR", "FRACEXP"):
            assert mine["RATE"].data[name] == pytest.approx(reference["RATE"].data[name], rel=1e-5, abs=1e-7)
        for key in ("HDUCLAS2", "BACKAPP", "DEADAPP", "VIGNAPP", "TIMEZERO", "TIMEDEL", "TIMEPIXR"):
            assert mine["RATE"].header[key] == reference["RATE"].header[key]
        assert (mine["GTI"].data["START"] == reference["GTI"].data["START"]).all()
        assert [hdu.name for hdu in mine] == [hdu.name for hdu in reference]

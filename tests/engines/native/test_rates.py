"""Rate images: what is blank, what is divided, and what the header says."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.rates import calibration_pixels, rate_image, write_rate_image

GRID = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 2.0, "CRPIX2": 1.5,
    "CDELT1": -0.002, "CDELT2": 0.002,
}  # fmt: skip


def write(path: Path, image, **keywords) -> Path:
    hdu = fits.PrimaryHDU(np.asarray(image))
    hdu.header.update(GRID | keywords)
    hdu.writeto(path)
    return path


def test_low_exposure_and_excluded_pixels_are_blank():
    counts = np.array([[4, 3], [2, 9]], np.int32)
    exposure = np.array([[100.0, 5.0], [4.9, 100.0]])
    rate = rate_image(counts, exposure, 0.05, np.array([[False, False], [False, True]]))
    assert rate.dtype == np.float32
    assert rate == pytest.approx(np.array([[0.04, 0.6], [np.nan, np.nan]]), nan_ok=True)


def test_nothing_is_divided_by_no_exposure():
    nowhere = np.zeros((2, 2), bool)
    assert np.isnan(rate_image(np.ones((2, 2)), np.zeros((2, 2)), 0.05, nowhere)).all()
    assert np.isnan(rate_image(np.ones((2, 2)), np.array([[0.0, 1.0], [1.0, 1.0]]), 1e-9, nowhere)[0, 0])


def test_the_file_keeps_the_sky_and_tells_what_it_is(tmp_path):
    image = write(tmp_path / "i.fits", np.array([[4, 3, 1], [2, 9, 0]], np.int32), INSTRUME="OTHER")
    exposure = write(tmp_path / "e.fits", np.full((2, 3), 50, np.float32))
    write_rate_image(tmp_path / "r.fits", image, exposure, 0.05, "none")
    with fits.open(tmp_path / "r.fits", checksum=True) as hdus:
        header = hdus[0].header
        assert hdus[0].data == pytest.approx(np.array([[4, 3, 1], [2, 9, 0]]) / 50)
        assert hdus[0].data.dtype.itemsize == 4
        assert {key: header[key] for key in GRID} == GRID
        assert header["BUNIT"] == "count/s"
        for key in ("HISTORY", "COMMENT"):
            assert "not corrected for vignetting" in str(header[key]).replace("\n", "")


def test_images_that_do_not_fit_are_told(tmp_path):
    image = write(tmp_path / "i.fits", np.ones((2, 3), np.int32))
    for number, (data, keywords, reason) in enumerate(
        (
            (np.ones((3, 2)), {}, "NAXIS1"),
            (np.ones((2, 3)), {"CRPIX1": 2.5}, "CRPIX1"),
            (np.ones((2, 3)), {"CRVAL2": 20.1}, "CRVAL2"),
            (np.ones((2, 3)), {"CDELT2": 0.001}, "CDELT2"),
        )
    ):
        exposure = write(tmp_path / f"e{number}.fits", data, **keywords)
        with pytest.raises(Permanent, match=f"pixel upon pixel: {reason}"):
            write_rate_image(tmp_path / "r.fits", image, exposure, 0.05, "none")
    dark = write(tmp_path / "dark.fits", np.zeros((2, 3)))
    with pytest.raises(NoData, match="no exposure"):
        write_rate_image(tmp_path / "r.fits", image, dark, 0.05, "none")
    assert not (tmp_path / "r.fits").exists()


def test_every_part_of_a_calibration_source_is_found():
    header = fits.Header({"NAXIS1": 607, "NAXIS2": 607, "INSTRUME": "XTEND", "PA_NOM": 0.0, "IMGBIN": 4})
    touched = calibration_pixels(header)
    # At position angle 0 SKY is DET + 467: the sources lie at (1387, 1997) and (1386, 738), radii 92 and 91.
    assert touched[1997 // 4, 1387 // 4]
    assert touched[738 // 4, 1386 // 4]
    assert touched[1997 // 4, (1387 - 91) // 4]
    assert not touched[1997 // 4, (1387 - 97) // 4]
    assert not touched[1215 // 4, 1215 // 4]
    area = touched.sum() * 16
    assert np.pi * (92**2 + 91**2) < area < np.pi * (96**2 + 95**2)


def test_only_xtend_has_calibration_sources_and_must_tell_its_angle():
    header = fits.Header({"NAXIS1": 10, "NAXIS2": 12, "INSTRUME": "ACIS"})
    assert not calibration_pixels(header).any()
    assert calibration_pixels(header).shape == (12, 10)
    header["INSTRUME"] = "XTEND"
    with pytest.raises(Permanent, match="PA_NOM and IMGBIN"):
        calibration_pixels(header)


def test_calibration_sources_are_blank_even_where_they_were_exposed(tmp_path):
    sky = {"INSTRUME": "XTEND", "PA_NOM": 0.0, "IMGBIN": 4}
    image = write(tmp_path / "i.fits", np.ones((607, 607), np.int32), **sky)
    write_rate_image(
        tmp_path / "r.fits", image, write(tmp_path / "e.fits", np.full((607, 607), 50.0)), 0.05, "none"
    )
    assert (np.isnan(fits.getdata(tmp_path / "r.fits")) == calibration_pixels(fits.getheader(image))).all()


def test_a_real_image_is_divided_by_a_real_map(tmp_path, alpha):
    folder = alpha / "ref"
    image, exposure = folder / "image_en0.6_2.0_bin4.fits.gz", folder / "expmap_bin4_mean.fits.gz"
    write_rate_image(tmp_path / "r.fits", image, exposure, 0.05, "none")
    rate, counts, seconds = (fits.getdata(path) for path in (tmp_path / "r.fits", image, exposure))
    shown = np.isfinite(rate)
    assert not shown[seconds < 0.05 * seconds.max()].any()
    assert rate[shown] == pytest.approx(counts[shown] / seconds[shown].astype(float), rel=1e-6)
    blank = ~shown & (seconds >= 0.05 * seconds.max())
    # What else is blank lies on the two calibration sources: here the rings around their masked discs.
    assert (blank <= calibration_pixels(fits.getheader(image))).all()
    assert 0 < blank.sum() < 0.01 * shown.sum()

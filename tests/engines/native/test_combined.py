"""Combined images: counts and exposures of data classes add up on the same sky, or the step refuses."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.combined import combine

GRID = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 2.0, "CRPIX2": 1.5,
    "CDELT1": -0.002, "CDELT2": 0.002, "OBS_ID": "900000001", "CHANMIN": 100, "CHANMAX": 334,
}  # fmt: skip
NAMES = {"image": "ci.fits", "exposure_map": "ce.fits", "rate_image": "cr.fits"}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, image, **keywords) -> str:
    hdu = fits.PrimaryHDU(np.asarray(image))
    hdu.header.update({key: value for key, value in (GRID | keywords).items() if value is not None})
    hdu.writeto(name)
    return name


def pair(number: int, counts, seconds, dataclass: str, **keywords) -> tuple[str, str]:
    image = write(f"i{number}.fits", np.array(counts, np.int32), DATACLAS=dataclass, EXPOSURE=9.0, **keywords)
    cut = {"CHANMIN": None, "CHANMAX": None}
    exposure = write(f"e{number}.fits", np.array(seconds, np.float32), DATACLAS=dataclass, **(cut | keywords))
    return image, exposure


def test_counts_and_exposures_are_summed_and_divided(folder):
    first = pair(1, [[4, 0, 1], [0, 0, 2]], [[100, 0, 100], [0, 2, 100]], "31100010")
    second = pair(2, [[0, 3, 1], [0, 1, 0]], [[0, 50, 100], [0, 2, 100]], "32000010")
    images, maps = zip(first, second, strict=True)
    report = combine(list(images), list(maps), NAMES, 0.05, "abc")
    assert report.facts == {"counts": 12, "maximum": 200.0}
    with fits.open("ci.fits", checksum=True) as hdus:
        assert hdus[0].data.tolist() == [[4, 3, 2], [0, 1, 2]]
        assert hdus[0].data.dtype.kind == "i"
        header = hdus[0].header
        assert (header["DATACLAS"], header["TOTCTS"], header["CHANMIN"]) == ("31100010+32000010", 12, 100)
        assert "EXPOSURE" not in header
        assert {key: header[key] for key in GRID} == GRID
    assert fits.getdata("ce.fits").tolist() == [[100, 50, 200], [0, 4, 200]]
    assert fits.getdata("cr.fits") == pytest.approx(
        np.array([[0.04, 0.06, 0.01], [np.nan, np.nan, 0.01]]), nan_ok=True
    )
    assert fits.getheader("cr.fits")["BUNIT"] == "count/s"
    assert "vignetting" in str(fits.getheader("cr.fits")["HISTORY"])


@pytest.mark.parametrize(
    ("keywords", "shape", "reason"),
    [
        ({"CRVAL1": 10.01}, (2, 3), "pixel upon pixel: CRVAL1"),
        ({"CDELT1": 0.002}, (2, 3), "pixel upon pixel: CDELT1"),
        ({"CTYPE1": "GLON-TAN"}, (2, 3), "pixel upon pixel: CTYPE1"),
        ({}, (3, 3), "pixel upon pixel: NAXIS2"),
        ({"CHANMAX": 1001}, (2, 3), "do not add up: CHANMAX is 334 and 1001"),
        ({"OBS_ID": "900000002"}, (2, 3), "do not add up: OBS_ID"),
    ],
)
def test_what_does_not_belong_together_is_refused(folder, keywords, shape, reason):
    first = pair(1, np.ones((2, 3)), np.ones((2, 3)), "31100010")
    second = pair(2, np.ones(shape), np.ones(shape), "32000010", **keywords)
    with pytest.raises(Permanent, match=reason):
        combine([first[0], second[0]], [first[1], second[1]], NAMES, 0.05, "none")
    assert not any((folder / name).exists() for name in NAMES.values())


def test_maps_of_another_binning_are_refused(folder):
    image, _ = pair(1, np.ones((2, 3)), np.ones((2, 3)), "31100010")
    _, exposure = pair(2, np.ones((4, 6)), np.ones((4, 6)), "31100010")
    with pytest.raises(Permanent, match="pixel upon pixel: NAXIS1 is 3 and 6"):
        combine([image], [exposure], NAMES, 0.05, "none")


def test_one_data_class_alone_is_itself(folder):
    image, exposure = pair(1, [[1, 2, 3], [4, 5, 6]], np.full((2, 3), 10), "30000010")
    combine([image], [exposure], NAMES, 0.05, "none")
    assert fits.getdata("ci.fits").tolist() == [[1, 2, 3], [4, 5, 6]]
    assert fits.getheader("ci.fits")["DATACLAS"] == "30000010"


def test_the_history_of_one_class_is_not_that_of_the_sum(folder):
    first = pair(1, [[1]], [[10]], "31100010", HISTORY="events of the first", WIN_SIZE=80)
    second = pair(2, [[1]], [[10]], "32000010", HISTORY="events of the second")
    images, maps = zip(first, second, strict=True)
    combine(list(images), list(maps), NAMES, 0.05, "none")
    for name in NAMES.values():
        header = fits.getheader(name)
        assert "events of" not in str(header["HISTORY"])
        assert "sum of" in str(header["HISTORY"])
        assert "WIN_SIZE" not in header


def test_nothing_exposed_makes_no_image(folder):
    image, exposure = pair(1, [[1]], [[0]], "31100010")
    with pytest.raises(NoData, match="hold no exposure"):
        combine([image, image], [exposure, exposure], NAMES, 0.05, "none")
    assert not any((folder / name).exists() for name in NAMES.values())

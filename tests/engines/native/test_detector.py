"""The bad-pixel image: which pixels are live, and what is no bad-pixel image."""

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import Permanent
from tasks.engines.native.detector import live_mask, read_bad_pixels
from tasks.xtend.geometry import DET_SIZE


def write(path, flags):
    fits.PrimaryHDU(flags).writeto(path)
    return path


def test_only_good_pixels_are_live(tmp_path):
    flags = np.full((DET_SIZE, DET_SIZE), -1, np.int16)
    flags[0, :3] = (0, 1, 2)
    read = read_bad_pixels(write(tmp_path / "x.bimg", flags))
    assert live_mask(read)[0, :4].tolist() == [True, False, False, False]
    assert live_mask(read).sum() == 1
    assert live_mask(read, mask_calibration=False)[0, :4].tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (np.zeros((4, 3), np.int16), "3×4 pixels"),
        (np.full((DET_SIZE, DET_SIZE), 7, np.int16), "the flag 7"),
        (np.full((DET_SIZE, DET_SIZE), np.nan, np.float32), "the flag nan"),
        (None, "no image"),
    ],
)
def test_other_images_are_told(tmp_path, flags, reason):
    with pytest.raises(Permanent, match=rf"x\.bimg .*{reason}"):
        read_bad_pixels(write(tmp_path / "x.bimg", flags))


def test_a_truncated_image_is_told(tmp_path):
    path = write(tmp_path / "x.bimg", np.zeros((DET_SIZE, DET_SIZE), np.int16))
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(Permanent, match=r"x\.bimg"):
        read_bad_pixels(path)

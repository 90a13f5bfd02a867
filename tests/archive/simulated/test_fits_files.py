"""Checksums and bytes of streamed FITS files."""

import gzip
import io

import hypothesis.strategies as st
import numpy as np
from astropy.io import fits
from hypothesis import given, settings

from tasks.archive.simulated.fits_files import MADE, copy_padded, datasum, table, with_checksum, write


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=9000), st.text("ABCxyz0189 ", max_size=40))
def test_checksums_are_those_that_astropy_expects(content, word):
    content += bytes(-len(content) % 2)
    header = fits.ImageHDU(np.zeros(len(content) // 2, np.int16)).header
    header["WORD"] = word
    padded = io.BytesIO()
    copy_padded(io.BytesIO(content), padded)
    octets = fits.PrimaryHDU().header.tostring().encode() + with_checksum(
        header, datasum(io.BytesIO(content))
    )
    # A wrong checksum is a warning, and warnings are errors here.
    with fits.open(io.BytesIO(octets + padded.getvalue()), checksum=True) as hdus:
        hdus.verify("exception")
        assert hdus[1].header["WORD"] == word.rstrip()
        assert len(hdus[1].header["CHECKSUM"]) == 16


def test_a_changed_byte_does_not_pass():
    header = fits.ImageHDU(np.zeros(4, np.int16)).header
    assert datasum(io.BytesIO(b"\0\1\0\2")) != datasum(io.BytesIO(b"\0\1\0\3"))
    assert with_checksum(header.copy(), 1) != with_checksum(header.copy(), 2)


def test_files_carry_no_clock_and_no_name(tmp_path):
    for name in ("one.fits.gz", "sub/two.fits.gz"):
        hdu = table("T", {"A": ("1D", "s", np.arange(3.0)), "B": ("8A", "", ["x", "y", "z"])})
        write(tmp_path / name, [fits.PrimaryHDU(), hdu], {"OBS_ID": "900000000"}, ["a line"])
    one, two = ((tmp_path / name).read_bytes() for name in ("one.fits.gz", "sub/two.fits.gz"))
    assert one == two
    assert one[4:8] == bytes(4)
    with fits.open(io.BytesIO(gzip.decompress(one)), checksum=True) as hdus:
        assert hdus[1].header["DATE"] == MADE
        assert hdus[1].header["OBS_ID"] == "900000000"
        assert list(hdus[0].header["HISTORY"]) == ["a line"]
        assert hdus[1].data["B"].tolist() == ["x", "y", "z"]

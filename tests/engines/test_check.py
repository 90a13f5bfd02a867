import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import SoftwareFault
from tasks.engines.check import check_outputs
from tasks.library.call import Call, Report


def whole() -> bytes:
    table = fits.BinTableHDU.from_columns([fits.Column("PI", "J", array=np.arange(2000))], name="EVENTS")
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(np.zeros((30, 40))), table]).writeto(stream)
    return stream.getvalue()


def header_alone() -> bytes:
    return fits.PrimaryHDU().header.tostring().encode()


def check(directory: Path, name: str, content: bytes | None, **told: object) -> None:
    if content is not None:
        (directory / name).write_bytes(content)
    call = Call(function="tasks.some:function", outputs=(name,))
    check_outputs(call, Report.model_validate(told), directory)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.fits", whole()),
        ("a.evt", whole()),
        ("a.evt.gz", gzip.compress(whole())),
        ("a.fits", gzip.compress(whole())),
        ("a.fits", header_alone()),
        ("a.reg", b"physical\n"),
        ("a.png", b"\x89PNG"),
    ],
)
def test_what_is_whole_passes(tmp_path, name, content):
    check(tmp_path, name, content)


def spoilt(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0x55]) + content[position + 1 :]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.fits", None, "ended well but did not make a.fits"),
        ("a.reg", None, "ended well but did not make a.reg"),
        ("a.fits", b"", "left a.fits empty"),
        ("a.reg", b"", "left a.reg empty"),
        ("a.fits", b"SIMPLE  = T and no more", "no whole FITS file: a.fits"),
        ("a.fits", b"<html>503</html>" * 500, "a.fits is no FITS file"),
        ("a.fits", whole()[:2880], "a.fits is truncated"),
        ("a.fits", whole()[:-1], "a.fits is truncated"),
        ("a.rmf", whole()[:-3000], "a.rmf is truncated"),
        ("a.arf", whole()[:4000], "a.arf is truncated"),
        ("a.evt.gz", gzip.compress(whole())[:-100], "a.evt.gz is"),
        ("a.evt.gz", gzip.compress(whole())[:-4], "a.evt.gz is"),
        ("a.evt.gz", spoilt(gzip.compress(whole()), -6), "a.evt.gz is broken"),
        ("a.bimg.gz", gzip.compress(whole()[:-1]), "a.bimg.gz is truncated"),
    ],
)
def test_what_is_not_whole_is_a_fault_of_its_maker(tmp_path, name, content, why):
    with pytest.raises(SoftwareFault, match=f"^tasks.some:function .*{why}"):
        check(tmp_path, name, content)


def test_a_folder_is_no_output(tmp_path):
    (tmp_path / "a.fits").mkdir()
    with pytest.raises(SoftwareFault, match=r"did not make"):
        check(tmp_path, "a.fits", None)


def test_only_what_was_refused_may_be_absent(tmp_path):
    check(tmp_path, "a.fits", None, not_made={"a.fits": "no counts"})
    with pytest.raises(SoftwareFault, match=r"did not make"):
        check(tmp_path, "a.fits", None, not_made={"b.fits": "no counts"})

import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.archive.fits_sums import check_fits
from tasks.archive.layout import ArchiveFile
from tasks.archive.verification import verify
from tasks.core.errors import Permanent, Transient

NAME = "xtend/event_cl/xa300049010xtd_p030000010_cl.evt.gz"
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(path: Path, data: bytes, name: str = NAME, etag: str | None = None, size: int | None = None) -> str:
    path.write_bytes(data)
    return verify(path, ArchiveFile(name=name, size=len(data) if size is None else size, etag=etag))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


@pytest.fixture(scope="module")
def packed(make_fits: Callable[..., bytes]) -> bytes:
    return gzip.compress(make_fits(), mtime=0)


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_a_whole_file_gives_its_sha256(here: Path, packed: bytes) -> None:
    assert check(here, packed, etag=md5(packed)) == hashlib.sha256(packed).hexdigest()


def test_plain_fits_is_read_as_well(here: Path, make_fits: Callable[..., bytes]) -> None:
    plain = make_fits()
    assert check(here, plain, NAME.removesuffix(".gz")) == hashlib.sha256(plain).hexdigest()


def test_all_members_of_a_gzip_file_are_read(here: Path, make_fits: Callable[..., bytes]) -> None:
    plain = make_fits()
    half = len(plain) // 2
    members = [gzip.compress(plain[:half]), gzip.compress(plain[half:])]
    check(here, b"".join(members))
    damaged = bytearray(members[1])
    damaged[-6] ^= 1
    with pytest.raises(Permanent, match="gzip"):
        check(here, members[0] + bytes(damaged))


def test_a_file_larger_than_one_chunk_is_read_to_its_end(here: Path, make_fits: Callable[..., bytes]) -> None:
    large = make_fits(rows=300_000)
    check(here, gzip.compress(large, 1))
    damaged = bytearray(large)
    damaged[3_000_000] ^= 1
    with pytest.raises(Permanent, match=r"HDU 1 .*DATASUM"):
        check(here, gzip.compress(bytes(damaged), 1))


def test_damaged_compression_is_named_rather_than_the_sum_that_it_spoils(
    here: Path, make_fits: Callable[..., bytes]
) -> None:
    stored = bytearray(gzip.compress(make_fits(), compresslevel=0, mtime=0))
    stored[8000] ^= 1
    with pytest.raises(Permanent, match="gzip compression is damaged: CRC"):
        check(here, bytes(stored))


@pytest.mark.parametrize("difference", [-1, 1])
def test_another_size_is_the_transfers_fault(here: Path, packed: bytes, difference: int) -> None:
    with pytest.raises(Transient, match=r"_cl\.evt\.gz: \d+ bytes came, the archive lists \d+"):
        check(here, packed, size=len(packed) + difference)


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\n <HTML>busy", b"<?xml version='1.0'?><E/>"])
def test_a_web_page_is_not_taken_for_a_file(here: Path, page: bytes) -> None:
    with pytest.raises(Transient, match="a web page came instead"):
        check(here, page)


def test_a_web_page_that_is_the_file_is_fine(here: Path) -> None:
    check(here, b"<html></html>", "log/index.html")


def test_the_etag_is_compared_where_it_is_an_md5(here: Path, packed: bytes) -> None:
    with pytest.raises(Permanent, match="MD5"):
        check(here, packed, etag=md5(b"other"))


def test_an_etag_of_one_part_is_the_md5_of_its_md5(here: Path, packed: bytes) -> None:
    digest = bytes.fromhex(md5(packed))
    check(here, packed, etag=md5(digest) + "-1")
    with pytest.raises(Permanent, match="MD5"):
        check(here, packed, etag=md5(packed) + "-1")


@pytest.mark.parametrize("etag", ["0" * 32 + "-3", '"5f3a-61b2"', 'W/"abc"', '"' + "0" * 32 + '"', ""])
def test_other_etags_say_nothing_about_the_content(here: Path, packed: bytes, etag: str) -> None:
    check(here, packed, etag=etag)


@quick
@given(data=st.data())
def test_every_flipped_bit_is_noticed(here: Path, packed: bytes, data: st.DataObject) -> None:
    position, bit = data.draw(st.integers(0, len(packed) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(packed)
    damaged[position] ^= 1 << bit
    with pytest.raises(Permanent):
        check(here, bytes(damaged), etag=md5(packed))


@quick
@given(data=st.data())
def test_without_an_md5_a_flipped_bit_is_noticed_unless_the_content_is_the_same(
    here: Path, packed: bytes, data: st.DataObject
) -> None:
    position, bit = data.draw(st.integers(0, len(packed) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(packed)
    damaged[position] ^= 1 << bit
    try:
        check(here, bytes(damaged))
    except Permanent:
        return
    assert gzip.decompress(bytes(damaged)) == gzip.decompress(packed)


@quick
@given(data=st.data())
def test_every_truncation_is_noticed(here: Path, packed: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(Permanent, match=r"gzip|no FITS"):
        check(here, packed[:length])


@quick
@given(data=st.data())
def test_a_flipped_bit_in_plain_fits_is_noticed_by_its_checksums(
    here: Path, make_fits: Callable[..., bytes], data: st.DataObject
) -> None:
    plain = make_fits(rows=50)
    position, bit = data.draw(st.integers(0, len(plain) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(plain)
    damaged[position] ^= 1 << bit
    name = NAME.removesuffix(".gz")
    # Where the words XTENSION and CHECKSUM themselves are damaged there is no extension, or no sum.
    words = [match.start() for match in re.finditer(b"XTENSION=|CHECKSUM=", plain)]
    if any(start <= position < start + 11 for start in words):
        return
    with pytest.raises(Permanent):
        check(here, bytes(damaged), name)


def test_a_header_whose_end_is_damaged_does_not_swallow_the_next(
    here: Path, make_fits: Callable[..., bytes]
) -> None:
    damaged = make_fits().replace(b"END" + b" " * 77, b"DND" + b" " * 77, 1)
    with pytest.raises(Permanent, match="HDU 0 does not have its CHECKSUM"):
        check(here, damaged, NAME.removesuffix(".gz"))


def test_the_sums_agree_with_astropys(tmp_path: Path) -> None:
    path = tmp_path / "image.fits"
    image = fits.ImageHDU(data=[[1, 2, 3], [4, 5, 65535]], name="MAP")
    fits.HDUList([fits.PrimaryHDU(data=[1.5]), image]).writeto(path, checksum=True)
    with path.open("rb") as stream:
        assert check_fits(stream) == 2
    with fits.open(path, mode="update", checksum=False) as hdus:
        hdus[1].header["DATASUM"] = "12345"
    with path.open("rb") as stream, pytest.raises(Permanent, match=r"HDU 1 .*DATASUM"):
        check_fits(stream)


def test_files_without_sums_are_still_read_as_fits(here: Path, tmp_path: Path) -> None:
    path = tmp_path / "plain.fits"
    fits.PrimaryHDU(data=[1, 2, 3]).writeto(path)
    whole = path.read_bytes()
    check(here, whole, "a.fits")
    with pytest.raises(Permanent, match="ends within the data of HDU 0"):
        check(here, whole[:-1000], "a.fits")
    with pytest.raises(Permanent, match="header of HDU 0 has no end"):
        check(here, whole[:400], "a.fits")


@pytest.mark.parametrize(
    ("card", "value"), [("BITPIX", "'x'"), ("NAXIS", "3"), ("NAXIS1", "-99999999"), ("NAXIS1", "99999999999")]
)
def test_a_header_that_lies_is_refused(here: Path, tmp_path: Path, card: str, value: str) -> None:
    path = tmp_path / "lie.fits"
    fits.PrimaryHDU(data=[1, 2, 3]).writeto(path)
    cards = path.read_bytes()
    start = cards.index(card.ljust(8).encode())
    lie = f"{card:8}= {value:>20}".ljust(80).encode()
    with pytest.raises(Permanent, match="HDU 0"):
        check(here, cards[:start] + lie + cards[start + 80 :], "a.fits")


def test_what_should_be_fits_and_is_not_is_refused(here: Path) -> None:
    with pytest.raises(Permanent, match="it is no FITS file"):
        check(here, gzip.compress(b"hello"))
    with pytest.raises(Permanent, match="gzip"):
        check(here, b"hello")


def test_what_need_not_be_fits_is_only_read(here: Path) -> None:
    check(here, b"notes", "log/notes.txt")
    check(here, gzip.compress(b"notes"), "log/notes.txt.gz")
    with pytest.raises(Permanent, match="gzip"):
        check(here, gzip.compress(b"notes")[:-1], "log/notes.txt.gz")

"""Reading spectra: what the files of missions have in common, and what is refused."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import BadInput
from tasks.fitting.spectrum import read_spectrum

COUNTS = np.arange(100)


def test_counts_and_scalings(toy):
    found = read_spectrum(toy.pha(COUNTS, BACKSCAL=0.25, EXPOSURE=500.0))
    assert found.counts.tolist() == COUNTS.tolist()
    assert found.errors is None
    assert found.counted
    assert found.channel[[0, -1]].tolist() == [0, 99]
    assert (found.weight == 125).all()
    assert (found.grouping == 0).all()
    assert (found.quality == 0).all()
    assert found.linked == {}


def test_columns_go_before_keywords(toy):
    flags = np.where(COUNTS % 2, -1, 1)
    columns = [("BACKSCAL", COUNTS + 1.0), ("GROUPING", flags), ("QUALITY", COUNTS % 3)]
    found = read_spectrum(toy.pha(COUNTS, columns=columns, BACKSCAL=7.0))
    assert found.backscal.tolist() == (COUNTS + 1).tolist()
    assert found.grouping.tolist() == flags.tolist()
    assert found.quality.tolist() == (COUNTS % 3).tolist()


def test_scalings_that_are_missing_are_1(toy):
    found = read_spectrum(toy.pha(COUNTS, BACKSCAL=None, AREASCAL=None, DETCHANS=None))
    assert (found.weight == 1000).all()
    assert found.channels_in_all is None


def test_names_in_the_header_are_beside_the_spectrum(toy):
    path = toy.pha(COUNTS, RESPFILE="a.rmf[MATRIX]", ANCRFILE="NONE", BACKFILE="b.pha{2}", CORRFILE=" none")
    assert read_spectrum(path).linked == {"RESPFILE": toy.folder / "a.rmf", "BACKFILE": toy.folder / "b.pha"}


def test_rates_with_errors_of_their_own(toy):
    path = toy.pha(
        COUNTS, columns=[("RATE", COUNTS / 1000), ("STAT_ERR", np.full(100, 0.002))], POISSERR=False
    )
    with fits.open(path, mode="update") as hdus:
        hdus["SPECTRUM"].columns.del_col("COUNTS")
    found = read_spectrum(path)
    assert not found.counted
    assert found.counts == pytest.approx(COUNTS, abs=1e-4)
    assert found.errors == pytest.approx(2.0)


def test_errors_beside_counts(toy):
    columns = [("STAT_ERR", np.full(100, 2.0))]
    found = read_spectrum(toy.pha(COUNTS, columns=columns, POISSERR=False))
    assert found.counted
    assert (found.errors == 2).all()
    assert read_spectrum(toy.pha(COUNTS, columns=columns)).errors is None


def test_an_extension_is_known_by_its_class_too(toy):
    path = toy.pha(COUNTS, EXTNAME="STDGTI", HDUCLAS1="SPECTRUM")
    assert read_spectrum(path).counts.sum() == COUNTS.sum()


def test_gzipped(toy):
    path = toy.pha(COUNTS)
    zipped = toy.folder / "toy.pha.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert read_spectrum(zipped).counts.sum() == COUNTS.sum()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"EXPOSURE": 0.0}, "EXPOSURE of 0 s"),
        ({"EXPOSURE": None}, "no number EXPOSURE"),
        ({"EXPOSURE": "long"}, "no number EXPOSURE"),
        ({"BACKSCAL": 0.0}, "BACKSCAL that is not more than 0"),
        ({"AREASCAL": -1.0}, "AREASCAL that is not more than 0"),
        ({"EXTNAME": "EVENTS"}, "holds no spectrum"),
    ],
)
def test_headers_that_cannot_be(toy, header, said):
    with pytest.raises(BadInput, match=said):
        read_spectrum(toy.pha(COUNTS, **header))


def test_counts_that_cannot_be(toy):
    with pytest.raises(BadInput, match="fewer than 0 counts"):
        read_spectrum(toy.pha(COUNTS - 1))
    with pytest.raises(BadInput, match="no channel"):
        read_spectrum(toy.pha(COUNTS[:0]))


def test_several_spectra_in_one_file(toy):
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("CHANNEL", "3J", array=np.ones((2, 3))),
            fits.Column("COUNTS", "3J", array=np.ones((2, 3))),
        ],
        name="SPECTRUM",
    )
    table.header["EXPOSURE"] = 1.0
    path = toy.folder / "two.pha"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    with pytest.raises(BadInput, match="type II"):
        read_spectrum(path)


def test_files_that_are_none(toy):
    with pytest.raises(BadInput, match="there is no file"):
        read_spectrum(toy.folder / "absent.pha")
    nonsense = toy.folder / "text.pha"
    nonsense.write_text("counts")
    with pytest.raises(BadInput, match=r"text\.pha cannot be read as FITS"):
        read_spectrum(nonsense)
    cut = toy.folder / "cut.pha"
    cut.write_bytes(toy.pha(COUNTS).read_bytes()[:6000])
    with pytest.raises(BadInput, match=r"cut\.pha cannot be read as FITS"):
        read_spectrum(cut)

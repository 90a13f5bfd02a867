"""Which files are taken: given ones, those of the header, or none."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import BadInput
from tasks.fitting.inputs import read_files

COUNTS = np.arange(100)


def test_files_of_the_header(toy):
    toy.rmf(), toy.arf(), toy.pha(COUNTS, "back.pha")
    source = toy.pha(COUNTS, RESPFILE="toy.rmf", ANCRFILE="toy.arf", BACKFILE="back.pha")
    found = read_files(source)
    assert found.response.has_area
    assert found.background.name == "back.pha"
    assert found.cautions == ()


def test_given_files_go_before_those_of_the_header(toy):
    toy.pha(COUNTS, "back.pha"), toy.pha(COUNTS, "other.pha")
    source = toy.pha(COUNTS, RESPFILE="absent.rmf", BACKFILE="back.pha")
    found = read_files(source, rmf=toy.rmf(), background=toy.folder / "other.pha")
    assert found.background.name == "other.pha"
    assert not found.response.has_area


def test_none_is_none_whatever_the_header_says(toy):
    source = toy.pha(COUNTS, RESPFILE="toy.rmf", BACKFILE="absent.pha", ANCRFILE="absent.arf")
    toy.rmf()
    found = read_files(source, background=Path("none"), arf=Path("NONE"))
    assert found.background is None
    assert not found.response.has_area


def test_a_file_of_the_header_may_have_been_zipped(toy):
    source = toy.pha(COUNTS, RESPFILE="toy.rmf")
    toy.rmf("toy.rmf.gz")
    assert read_files(source).response.name == "toy.rmf.gz"


def test_source_and_background_in_one_file(toy):
    toy.rmf()
    source = toy.pha(COUNTS, "both.pha", RESPFILE="toy.rmf", BACKFILE="both.pha", HDUCLAS2="TOTAL")
    behind = toy.pha(COUNTS // 10, "other.pha", HDUCLAS2="BKG", EXPOSURE=7.0)
    with fits.open(source, mode="append") as hdus, fits.open(behind) as others:
        hdus.append(others["SPECTRUM"].copy())
    found = read_files(source)
    assert found.spectrum.counts.sum() == COUNTS.sum()
    assert found.background.counts.sum() == (COUNTS // 10).sum()
    assert found.background.exposure == 7
    with pytest.raises(BadInput, match=r"lone\.pha holds no spectrum"):
        read_files(toy.pha(COUNTS, "lone.pha", RESPFILE="toy.rmf", BACKFILE="lone.pha"))


def test_a_correction_file_is_not_passed_over_in_silence(toy):
    source = toy.pha(COUNTS, CORRFILE="corr.pha")
    assert [caution.id for caution in read_files(source, rmf=toy.rmf()).cautions] == ["correction-file"]


@pytest.mark.parametrize("header", [{}, {"RESPFILE": "none"}, {"RESPFILE": "NONE  "}, {"RESPFILE": ""}])
def test_without_a_response(toy, header):
    with pytest.raises(BadInput, match=r"toy\.pha names no response \(RESPFILE\): give --rmf"):
        read_files(toy.pha(COUNTS, **header))


@pytest.mark.parametrize(
    ("key", "option"), [("RESPFILE", "--rmf"), ("ANCRFILE", "--arf"), ("BACKFILE", "--background")]
)
def test_a_file_of_the_header_that_is_not_there(toy, key, option):
    source = toy.pha(COUNTS, **{"RESPFILE": "toy.rmf", key: "absent.fits"})
    toy.rmf()
    with pytest.raises(
        BadInput, match=rf"names absent\.fits in {key}, which is not beside it: give {option}"
    ):
        read_files(source)

"""Given responses: what is checked, what is published, and what needs a response."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.archive.simulated.response import arf_hdus, rmf_hdus
from tasks.core.errors import BadInput
from tasks.engines.native.given_responses import make
from tasks.xtend.cautions import Severity

IDENTITY = {"TELESCOP": "XRISM", "INSTRUME": "XTEND", "OBS_ID": "900001010", "DATACLAS": "31100010"}
RMF = "xrism-xtend-obsid900001010-dataclass31100010.rmf"
ARF = "source.arf"
FITS = {"TELESCOP": "XRISM", "INSTRUME": "XTEND"}


def written(path: str, hdus, **header) -> Path:
    for hdu in hdus:
        hdu.header.update(header)
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return Path(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a response, an area and a spectrum."""
    monkeypatch.chdir(tmp_path)
    written("given.rmf", rmf_hdus(), **FITS, CREATOR="somebody")
    written("given.arf", arf_hdus(0.5), **FITS)
    counts = np.random.default_rng(1).poisson(0.3, 4096)
    table = fits.BinTableHDU.from_columns([fits.Column("COUNTS", "J", array=counts)], name="SPECTRUM")
    table.header.update(RESPFILE="none", ANCRFILE="none", BACKFILE="none")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto("s.fits")
    return tmp_path


def rmf(origin="given", source="/somewhere/my.rmf"):
    return {"name": RMF, "file": "given.rmf", "source": source, "origin": origin}


def arf():
    return {
        "name": ARF, "file": "given.arf", "source": "/somewhere/my.arf", "origin": "given", "rmf": RMF,
        "kev": [0.5, 10.0],
    }  # fmt: skip


def grouped(rule="opt", name="g.fits", response=RMF):
    return {
        "name": name, "spectrum": "s.fits", "grouping": rule, "rmf": response, "background": None,
        "arf": "a.name.that.is.too.long.for.a.keyword.of.sixty-eight.characters.at.most.arf",
    }  # fmt: skip


def loader(name="load.xcm", spectrum="g.fits"):
    files = {"spectrum": spectrum, "rmf": RMF, "arf": None, "background": None}
    return {"name": name, "files": files, "others": ["s.fits"], "kev": [0.5, 10.0]}


def made(*, rmf=None, arf=None, grouped=(), loaders=()):
    parameters = {
        "rmf": rmf, "arf": arf, "grouped": list(grouped), "loaders": list(loaders), "identity": IDENTITY,
        "recipe": "abcdef",
    }  # fmt: skip
    return make(**json.loads(json.dumps(parameters)))


def test_everything_is_made_of_given_responses(folder):
    report = made(rmf=rmf(), arf=arf(), grouped=[grouped()], loaders=[loader(), loader("load_sherpa.py")])
    assert report.not_made == {}
    assert report.file_cautions == {}
    assert {path.name for path in folder.iterdir()} >= {RMF, ARF, "g.fits", "load.xcm", "load_sherpa.py"}
    header = fits.getheader("g.fits", "SPECTRUM")
    # The name of the ARF is longer than a keyword holds.
    assert (header["RESPFILE"], header["ANCRFILE"], header["BACKFILE"]) == (RMF, "none", "none")


def test_numbers_stay_and_the_header_tells_what_it_is(folder):
    made(rmf=rmf(), arf=arf())
    for ours, theirs in ((RMF, "given.rmf"), (ARF, "given.arf")):
        with fits.open(ours, checksum=True) as new, fits.open(theirs) as old:
            assert [hdu.name for hdu in new] == [hdu.name for hdu in old]
            for after, before in zip(new[1:], old[1:], strict=True):
                for column in before.columns.names:
                    pairs = zip(after.data[column], before.data[column], strict=True)
                    assert all(np.array_equal(*pair) for pair in pairs)
                    assert after.columns[column].format.rstrip("()0123456789") == before.columns[
                        column
                    ].format.rstrip("()0123456789")
                assert after.header["OBS_ID"] == "900001010"
                assert after.header["RECIPE"] == "abcdef"
    history = str(fits.getheader(RMF, "MATRIX")["HISTORY"]).replace("\n", "")
    assert "given by the recipe: /somewhere/my.rmf, made by somebody" in history


def test_a_file_says_itself_whose_it_is(folder):
    written("given.rmf", rmf_hdus(), **FITS, OBS_ID="000000000")
    made(rmf=rmf())
    assert fits.getheader(RMF, "EBOUNDS")["OBS_ID"] == "000000000"


@pytest.mark.parametrize(
    ("header", "source", "why"),
    [
        ({"DATACLAS": "30000010"}, "x.rmf", "DATACLAS 30000010"),
        ({"DATACLAS": "30000010"}, "xa900001010xtd_p031100010_src.rmf", "DATACLAS 30000010"),
        ({}, "xtend/products/xa900001010xtd_p032000010_src.rmf.gz", "the name xtend/products/xa"),
        ({"DETNAM": "CCD34"}, "x.rmf", "DETNAM CCD34"),
        ({"DETNAM": "CCD"}, "x.rmf", "DETNAM CCD"),
        ({"DATACLAS": "31100010"}, "xa900001010xtd_p032000010_src.rmf", None),
        ({"DETNAM": "CCD12"}, "x.rmf", None),
        ({"DETNAM": "CCD34"}, "xa900001010xtd_p031100010_src.rmf", None),
        ({}, "x.rmf", None),
    ],
)
def test_a_response_of_another_class_is_noticed(folder, header, source, why):
    written("given.rmf", rmf_hdus(), **FITS, **header)
    report = made(rmf=rmf("archive", source))
    assert report.not_made == {}
    if why is None:
        assert report.file_cautions == {}
        return
    [told] = report.file_cautions[RMF]
    assert (told.id, told.severity) == ("rmf-other-class", Severity.CAUTION)
    assert f"data class 31100010 ({why}" in told.sentence


def wide(hdus):
    hdus[2].data["E_MAX"] *= 1.01
    return hdus


def short(hdus):
    hdus[2].data = hdus[2].data[:1000]
    return hdus


def without_matrix(hdus):
    return [hdus[0], hdus[2]]


BAD_RMF = {
    "channels that are wider": (wide, FITS, "given.rmf has not 6 eV per channel in its EBOUNDS"),
    "fewer channels": (short, FITS, "given.rmf has not the channels 0 to 4095 in its EBOUNDS"),
    "no matrix": (without_matrix, FITS, "given.rmf holds no response matrix"),
    "no table": (lambda hdus: hdus[:1], FITS, "given.rmf has no extension EBOUNDS"),
    "another instrument": (
        lambda hdus: hdus, {"TELESCOP": "XRISM", "INSTRUME": "RESOLVE"},
        "given.rmf is no response of Xtend: its INSTRUME is RESOLVE",
    ),
    "another mission": (
        lambda hdus: hdus, {"TELESCOP": "HITOMI", "INSTRUME": "SXI"},
        "given.rmf is no response of Xtend: its TELESCOP is HITOMI",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_RMF)
def test_what_is_no_rmf_of_ours(folder, what):
    change, header, why = BAD_RMF[what]
    written("given.rmf", change(rmf_hdus()), **header)
    with pytest.raises(
        BadInput, match=f"responses.rmf of the recipe, /somewhere/my.rmf, cannot be used: {why}"
    ):
        made(rmf=rmf())
    # The archive's quick look is nobody's fault: the dataset does without.
    report = made(
        rmf=rmf("archive"),
        arf=arf(),
        grouped=[grouped()],
        loaders=[loader(), loader("load_sherpa.py", "s.fits")],
    )
    assert report.not_made == {
        RMF: f"the archive's RMF cannot be used: {why}",
        ARF: "there is no RMF that gives its energies",
        "g.fits": "there is no RMF",
        "load.xcm": "g.fits was not made",
        "load_sherpa.py": f"{RMF} was not made",
    }
    assert not Path(RMF).exists()


def test_a_file_that_says_no_instrument_is_taken(folder):
    written("given.rmf", rmf_hdus())
    assert made(rmf=rmf()).not_made == {}
    assert fits.getheader(RMF, "MATRIX")["TELESCOP"] == "XRISM"


def test_an_rmf_that_is_cut_short(folder):
    path = Path("given.rmf")
    path.write_bytes(path.read_bytes()[:-20000])
    with pytest.raises(BadInput, match=r"responses.rmf of the recipe, .* cannot be used: given.rmf"):
        made(rmf=rmf())


def shifted(hdus):
    hdus[1].data["ENERG_LO"] += 0.05
    hdus[1].data["ENERG_HI"] += 0.05
    return hdus


def dark(hdus):
    hdus[1].data["SPECRESP"][1000] = 0
    return hdus


def low_only(hdus):
    hdus[1].data = hdus[1].data[:500]
    return hdus


def fewer(hdus):
    hdus[1].data = hdus[1].data[:-1]
    return hdus


BAD_ARF = {
    "energies of another": (shifted, FITS, "given.arf has not the energies of xrism-xtend-"),
    "no area": (dark, FITS, "given.arf has no area at 5.2 keV, within 0.5–10 keV"),
    "a part of the band": (low_only, FITS, "given.arf covers 0.2–2.7 keV, not 0.5–10 keV"),
    "fewer energies": (fewer, FITS, r"given.arf has 285\d energies and xrism-xtend-.* 28"),
    "no table": (lambda hdus: hdus[:1], FITS, "given.arf has no extension SPECRESP"),
    "another instrument": (lambda hdus: hdus, {"INSTRUME": "RESOLVE"}, "no response of Xtend"),
}


@pytest.mark.parametrize("what", BAD_ARF)
def test_what_is_no_arf_of_ours(folder, what):
    change, header, why = BAD_ARF[what]
    written("given.arf", change(arf_hdus(1.0)), **header)
    with pytest.raises(
        BadInput, match=f"responses.arf of the recipe, /somewhere/my.arf, cannot be used: .*{why}"
    ):
        made(rmf=rmf(), arf=arf())


def test_an_rmf_that_is_published_already_is_used(folder):
    made(rmf=rmf())
    before = Path(RMF).read_bytes()
    report = made(arf=arf(), grouped=[grouped(), grouped("optmin:5", "m.fits")])
    assert report.not_made == {}
    assert Path(RMF).read_bytes() == before
    groups = [int((fits.getdata(name, "SPECTRUM")["GROUPING"] == 1).sum()) for name in ("g.fits", "m.fits")]
    assert groups[0] > groups[1] > 10


def test_a_spectrum_of_other_channels_is_not_grouped(folder):
    with fits.open("s.fits", mode="update") as hdus:
        hdus["SPECTRUM"].data = hdus["SPECTRUM"].data[:100]
    report = made(rmf=rmf(), grouped=[grouped()], loaders=[loader()])
    assert report.not_made == {
        "g.fits": f"{RMF} has 4096 channels, s.fits 100",
        "load.xcm": "g.fits was not made",
    }


def test_without_an_rmf_nothing_is_grouped_optimally(folder):
    assert made(grouped=[grouped(response=None)]).not_made == {"g.fits": "there is no RMF"}

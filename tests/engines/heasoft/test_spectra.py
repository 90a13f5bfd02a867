"""ahbackscal works in a file of its own, and is found out when it does nothing."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import Permanent, SoftwareFault
from tasks.engines.heasoft import tool
from tasks.engines.heasoft.spectra import backscal_call, scale
from tasks.engines.runner import run_call_blocking
from tasks.library.call import Report


@pytest.fixture
def spectrum(tmp_path):
    """A spectrum as extractor leaves it, its region, and an exposure map half of which is exposed."""
    table = fits.BinTableHDU.from_columns([fits.Column("COUNTS", "J", array=[1, 2])], name="SPECTRUM")
    table.header["BACKSCAL"] = 0.0123
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "counts0.fits")
    seconds = np.zeros((100, 120), np.float32)
    seconds[:, 60:] = 500
    image = fits.PrimaryHDU(seconds)
    image.header.update(CRVAL1=30.0, CRVAL2=1.0)
    histogram = fits.BinTableHDU.from_columns([fits.Column("FRACTION", "D", array=[1.0])], name="OFFAXISHIST")
    histogram.header["EXPOSURE"] = 1000.0
    fits.HDUList([image, histogram]).writeto(tmp_path / "expmap.fits")
    (tmp_path / "source.reg").write_text("physical\nbox(90,50,20,20)\n")
    return {name: str(tmp_path / name) for name in ("counts0.fits", "expmap.fits", "source.reg")}


def call(links, norm="EXPOSURE"):
    return backscal_call(
        "counts0.fits", "spectrum0.fits", "source.reg", norm=norm, links=links, after={}, chatter=1
    )


@pytest.mark.parametrize(("norm", "value"), [("EXPOSURE", 500 / 1000), ("MAX", 1.0)])
def test_a_copy_gets_backscal(double, spectrum, tmp_path, norm, value):
    run_call_blocking(call(spectrum, norm), tmp_path / "work")
    pixels = 21 * 21 / (100 * 120)
    assert fits.getval(tmp_path / "work" / "spectrum0.fits", "BACKSCAL", 1) == pytest.approx(value * pixels)
    assert fits.getval(spectrum["counts0.fits"], "BACKSCAL", 1) == 0.0123


def test_a_tool_that_does_nothing_is_found_out(double, spectrum, tmp_path):
    double("ahbackscal=nothing")
    with pytest.raises(SoftwareFault, match=r"left the BACKSCAL of spectrum0\.fits as it was"):
        run_call_blocking(call(spectrum), tmp_path / "work")


@pytest.fixture(params=["EXPOSURE", "MAX"])
def given(spectrum, request):
    """What the call hands over."""
    return call(spectrum, request.param).parameters


@pytest.fixture
def ahbackscal(given, tmp_path, monkeypatch):
    """Takes the place of the tool: notes what it was asked for, and gives the BACKSCAL that it is told."""
    monkeypatch.chdir(tmp_path)
    heard = {"gives": 0.25}

    def run(then, **given):
        heard.update(given)
        fits.setval("spectrum0.fits", "BACKSCAL", value=heard["gives"], ext=1)
        then()
        return Report(facts={"ran": True})

    monkeypatch.setattr(tool, "run", run)
    return heard


def test_everything_else_goes_to_the_tool(ahbackscal, given):
    assert scale(**given).facts == {"ran": True}
    assert ahbackscal == {"gives": 0.25} | {key: value for key, value in given.items() if key != "edits"}


@pytest.mark.parametrize("gives", [0.0, -2.0])
def test_no_share_of_an_exposed_region_is_no_answer(ahbackscal, given, gives):
    # ahbackscal ends well when a tool that it calls fails, and its sum is then 0.
    ahbackscal["gives"] = gives
    with pytest.raises(
        SoftwareFault, match=r"gave spectrum0\.fits a BACKSCAL of .*, and its region is exposed"
    ):
        scale(**given)


def test_a_region_without_exposure_needs_no_tool(ahbackscal, given, spectrum):
    Path(spectrum["source.reg"]).write_text("physical\nbox(20,50,20,20)\n")
    assert scale(**given) == Report()
    assert "tool" not in ahbackscal
    assert fits.getval(Path("spectrum0.fits"), "BACKSCAL", 1) == 0


def test_a_file_without_a_map_is_told(ahbackscal, given):
    fits.PrimaryHDU().writeto("expmap.fits", overwrite=True)
    with pytest.raises(Permanent, match=r"expmap\.fits holds no exposure map"):
        scale(**given)

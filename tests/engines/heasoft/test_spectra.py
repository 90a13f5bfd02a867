"""ahbackscal works in a file of its own, and is found out when it does nothing."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import SoftwareFault
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


def test_everything_else_goes_to_the_tool(spectrum, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heard = {}

    def run(**given):
        heard.update(given)
        fits.setval("spectrum0.fits", "BACKSCAL", value=0.0, ext=1)
        return Report(facts={"ran": True})

    given = call(spectrum).parameters
    monkeypatch.setattr(tool, "run", run)
    assert scale(**given).facts == {"ran": True}
    assert heard == {key: value for key, value in given.items() if key != "edits"}
    # Nothing exposed is an answer, and the finish knows what it means.
    assert fits.getval(Path("spectrum0.fits"), "BACKSCAL", 1) == 0

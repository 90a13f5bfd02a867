"""Our exposure calls on the reference dataset, compared with what ahexpmap and fimgbin made of it.

With the double they show that calls and files fit; with real tools (HEADAS set, `-m heasoft`) that these do
what the reference says, each test skipping where its tool is absent.
"""

import gzip
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.engines.heasoft.exposure import binning_parameters, map_parameters
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.runner import run_call_blocking
from tasks.library.recipe import Exposure

ALPHA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "heasoft-reference" / "alpha"

pytestmark = pytest.mark.skipif(not ALPHA.is_dir(), reason="no reference data beside the repository")


@pytest.fixture
def run(installed: Callable[[str], None], tmp_path: Path) -> Callable[..., Path]:
    """Runs a tool on reference files; where it is not installed, the test is skipped."""

    def call(
        tool: str, parameters: Mapping[str, str | int | float | bool], files: Mapping[str, Path], output: str
    ) -> Path:
        installed(tool)
        if "CALDB" in parameters.values() and "CALDB" not in os.environ:
            pytest.skip("CALDB is not set")
        for name, path in files.items():
            (tmp_path / name).write_bytes(gzip.decompress(path.read_bytes()))
        made = tool_call(
            tool,
            parameters,
            inputs={name: str(tmp_path / name) for name in files},
            outputs=[output],
            chatter=1,
            timeout=600,
        )
        run_call_blocking(made, tmp_path / "work")
        return tmp_path / "work" / output

    return call


def test_a_binned_map_is_the_mean(run):
    made = run(
        "fimgbin",
        binning_parameters(4, "binned4.fits"),
        {"map.fits": ALPHA / "ref/expmap.fits.gz"},
        "binned4.fits",
    )
    np.testing.assert_allclose(
        fits.getdata(made), fits.getdata(ALPHA / "ref/expmap_bin4_mean.fits.gz"), rtol=1e-5, atol=1e-3
    )
    assert fits.getheader(made)["BITPIX"] == -32


def test_an_exposure_map(run):
    files = {
        "ehk.fits": next(ALPHA.glob("*.ehk.gz")),
        "bad.bimg": next(ALPHA.glob("*.bimg.gz")),
        "events0.evt": next(ALPHA.glob("*_cl.evt.gz")),
    }
    made = run("xaexpmap", map_parameters(Exposure(), "events0.evt", None, "map.fits"), files, "map.fits")
    given = fits.getdata(ALPHA / "ref/expmap.fits.gz")
    found = fits.getdata(made)
    assert found.sum() == pytest.approx(given.sum(), rel=1e-4)
    assert np.abs(found - given).max() < 0.02 * given.max()

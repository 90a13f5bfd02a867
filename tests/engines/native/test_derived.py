"""The derived step as the runner calls it: what it makes, and what it says it did not make."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import BadInput
from tasks.engines.native.derived import derive


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working directory with an image, an exposure map, two light curves and two spectra."""
    monkeypatch.chdir(tmp_path)
    for name, data in (("i.fits", np.ones((3, 3), np.int32)), ("e.fits", np.full((3, 3), 4.0, np.float32))):
        fits.PrimaryHDU(data).writeto(name)
    for name, rate in (("s.lc", 4.0), ("b.lc", 2.0)):
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column(key, "D", array=[value])
                for key, value in (("TIME", 0), ("RATE", rate), ("ERROR", 0.1))
            ],
            name="RATE",
        )
        table.header["TIMEDEL"] = 10.0
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(name)
    for name, area in (("s.pha", 0.1), ("b.pha", 0.2), ("unexposed.pha", 0.0)):
        table = fits.BinTableHDU.from_columns([fits.Column("COUNTS", "J", array=[3, 4])], name="SPECTRUM")
        table.header["BACKSCAL"] = area
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(name)
    return tmp_path


def net(name: str, background: str = "b.pha") -> dict[str, str]:
    return {
        "name": name, "source": "s.lc", "background": "b.lc", "source_spectrum": "s.pha",
        "background_spectrum": background, "errors": "gaussian",
    }  # fmt: skip


def test_all_three_kinds_are_made_in_the_working_directory(folder):
    parameters = {
        "rate_images": [
            {"name": "r.fits", "image": "i.fits", "exposure_map": "e.fits", "minimum_fraction": 0.05}
        ],
        "net_curves": [net("n.lc")],
        "grouped": [
            {"name": "g.pha", "spectrum": "s.pha", "grouping": "min:5", "rmf": None, "background": None}
        ],
        "recipe": "abcdef",
    }
    report = derive(**json.loads(json.dumps(parameters)))
    assert report.not_made == {}
    assert fits.getdata("r.fits")[0, 0] == 0.25
    assert fits.getdata("n.lc", "RATE")["RATE"].tolist() == [3.0]
    assert fits.getdata("g.pha", "SPECTRUM")["GROUPING"].tolist() == [1, -1]
    assert fits.getheader("g.pha", "SPECTRUM")["RECIPE"] == "abcdef"


def test_what_is_not_made_has_its_reason_and_the_rest_is_made(folder):
    fits.PrimaryHDU(np.zeros((3, 3), np.float32)).writeto("dark.fits")
    report = derive(
        [{"name": "r.fits", "image": "i.fits", "exposure_map": "dark.fits", "minimum_fraction": 0.05}],
        [net("n.lc", "unexposed.pha"), net("n2.lc")],
        [{"name": "g.pha", "spectrum": "s.pha", "grouping": "opt", "rmf": None, "background": None}],
        "none",
    )
    assert report.not_made == {
        "r.fits": "dark.fits holds no exposure",
        "n.lc": "BACKSCAL of unexposed.pha is 0: nothing of its region was exposed",
        "g.pha": "optimal grouping needs a response matrix, and there is none",
    }
    assert sorted(path.name for path in folder.glob("*n*.lc")) == ["n2.lc"]


def test_a_missing_file_is_no_property_of_the_data(folder):
    with pytest.raises(BadInput, match="there is no file"):
        derive(
            [],
            [],
            [{"name": "g.pha", "spectrum": "none.pha", "grouping": "min:1", "rmf": None, "background": None}],
            "none",
        )

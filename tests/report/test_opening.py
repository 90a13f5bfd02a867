import ast
import json
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.library.manifest import Kind, Role
from tasks.report.opening import openings, shown_regions

READERS = Path(__file__).resolve().parents[2] / ".venv-readers" / "bin" / "python"


def by_program(dataset):
    return {way.program: way for way in openings(dataset.manifest())}


def test_a_whole_dataset_can_be_opened_in_four_programs(dataset):
    dataset.everything()
    ways = by_program(dataset)
    assert list(ways) == ["ds9", "XSPEC", "Sherpa", "XGA"]
    for way in ways.values():
        assert all(product.path in way.text for product in way.files)


def test_ds9_shows_the_main_image_with_its_regions_on_a_logarithmic_scale(dataset):
    dataset.everything()
    image, source, background, calibration = (product.path for product in by_program(dataset)["ds9"].files)
    assert shlex.split(by_program(dataset)["ds9"].text) == [
        "ds9", image, "-scale", "log",
        "-regions", "load", source, "-regions", "load", background, "-regions", "load", calibration,
        "-zoom", "to", "fit",
    ]  # fmt: skip
    assert image.endswith("rate-image-0.6-10.0-bin4.fits")


def test_regions_in_ra_and_dec_are_preferred(dataset):
    dataset.region(Role.SOURCE, "physical\n", frame="skypix")
    dataset.region(Role.SOURCE, "fk5\n", frame="radec")
    dataset.region(Role.BACKGROUND, "physical\n", frame="skypix")
    assert [product.entry["frame"] for product in shown_regions(dataset.manifest())] == ["radec", "skypix"]


def test_xga_gets_counts_and_exposure_of_one_binning(dataset):
    dataset.image(Kind.IMAGE, binning=1)
    dataset.image(Kind.IMAGE, band="0.4-2.0")
    dataset.image(Kind.IMAGE, band="2.0-10.0")
    assert "XGA" not in by_program(dataset)
    dataset.exposure_map()
    way = by_program(dataset)["XGA"]
    assert [product.entry["binning"] for product in way.files] == [4, 4]
    assert way.files[0].entry["band"] == "2.0-10.0"
    assert 'Quantity(2.0, "keV")' in way.text
    ast.parse(way.text)


def test_nothing_opens_nothing(dataset):
    assert openings(dataset.manifest()) == []


@pytest.mark.skipif(not READERS.exists(), reason="XGA is not installed: `make readers` does it")
def test_xga_runs_what_the_page_says(dataset, tmp_path):
    dataset.everything()
    way = by_program(dataset)["XGA"]
    for product in way.files:
        (tmp_path / product.path).parent.mkdir(exist_ok=True)
        (tmp_path / product.path).symlink_to(tmp_path / product.name)
    figures = "[float(x) for x in (image.data.sum(), exposure.data.max(), rates.data.max())]"
    shown = f"import json\nprint(json.dumps({figures}))"
    done = subprocess.run(
        [READERS, "-W", "ignore", "-c", f"{way.text}{shown}"],
        cwd=tmp_path, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts, longest, rate = json.loads(done.stdout.splitlines()[-1])
    image, exposure = (fits.getdata(tmp_path / product.path) for product in way.files)
    assert (counts, longest) == (image.sum(), 20000)
    assert rate == pytest.approx(np.max(image[exposure > 0]) / 20000)

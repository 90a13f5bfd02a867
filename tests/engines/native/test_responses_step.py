"""A whole dataset by the native engine: the archive's RMF, what needs it, and scripts that load it all."""

import asyncio
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME
from tasks.core.errors import BadInput
from tasks.core.settings import Settings
from tasks.engines.datasets import downloaded_dataset
from tasks.engines.fetching import fetch
from tasks.engines.step import make, progress
from tasks.library.manifest import Kind, Step
from tasks.library.orders import PRODUCT_STEPS
from tasks.library.recipe import Recipe
from tasks.library.site import open_site

SMALL = {
    "engine": "native",
    "images": {"bands": ("0.6-10",), "binnings": (4,)},
    "exposure": {"binnings": (4,)},
    "light_curves": {"bands": ("0.6-2",), "time_bin": 2000.0},
    "spectra": {"grouping": ("min:1", "opt", "optmin:20", "bmin:1")},
}
STEPS = (Step.PROCESSING, *PRODUCT_STEPS)
OBSERVATION = next(item for item in PROGRAMME if item.presence == "open" and len(item.classes) == 2)

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with the downloads of an observation of two data classes."""
    root = tmp_path_factory.mktemp("responses")
    make_observation(root / "archive", OBSERVATION, seed=1, events=4000)
    opened = open_site(Settings(data=root / "data", archive=str(root / "archive"), cores=2))
    asyncio.run(fetch(opened, OBSERVATION.obsid, rmf=True))
    return opened


def run(site, dataclass, **recipe):
    """All steps; the manifest and the dataset's folder."""
    dataset = downloaded_dataset(site, OBSERVATION.obsid, dataclass, Recipe.model_validate(SMALL | recipe))

    async def all_steps():
        for step in STEPS:
            manifest = await make(step, dataset, site, lambda: None)
        return manifest

    manifest = asyncio.run(all_steps())
    assert all(progress(step, dataset, site).complete for step in STEPS)
    return manifest, Path(site.settings.store_url) / dataset.key


@pytest.fixture(scope="module")
def first(site):
    return run(site, OBSERVATION.classes[0])


def test_the_archives_rmf_is_published_with_its_cautions(first):
    manifest, folder = first
    [rmf] = manifest.find(Kind.RMF)
    assert rmf.entry == {"origin": "archive"}
    assert [item.id for item in rmf.cautions] == ["quick-look"]
    with fits.open(folder / rmf.path, checksum=True) as hdus:
        assert [hdu.header["ENGINE"] for hdu in hdus] == ["native"] * 3
        assert f"xa{OBSERVATION.obsid}xtd_src.rmf.gz" in str(hdus[1].header["HISTORY"]).replace("\n", "")
    assert [item.why for item in manifest.not_made if item.kind == Kind.ARF] == [
        "no ARF without HEASoft and CALDB, and the recipe gives none (responses.arf)"
    ]


def test_every_grouping_is_made(first):
    manifest, folder = first
    grouped = {item.entry["grouping"]: item for item in manifest.find(Kind.GROUPED_SPECTRUM)}
    assert {text: item.step for text, item in grouped.items()} == {
        "min:1": Step.DERIVED, "bmin:1": Step.DERIVED, "opt": Step.RESPONSES, "optmin:20": Step.RESPONSES,
    }  # fmt: skip
    paths = {text: folder / item.path for text, item in grouped.items()}
    counts = [fits.getdata(path, "SPECTRUM")["COUNTS"] for path in paths.values()]
    assert all(np.array_equal(each, counts[0]) for each in counts)
    [rmf] = manifest.find(Kind.RMF)
    assert {text: fits.getval(path, "RESPFILE", "SPECTRUM") for text, path in paths.items()} == {
        "min:1": "none", "bmin:1": "none", "opt": rmf.name, "optmin:20": rmf.name,
    }  # fmt: skip


def test_the_other_class_is_told_that_it_is_not_its_rmf(site, first):
    manifest, _ = run(site, OBSERVATION.classes[1])
    [rmf] = manifest.find(Kind.RMF) or [None]
    if rmf is None:
        assert not manifest.find(Kind.SPECTRUM)
        return
    assert [item.id for item in rmf.cautions] == ["quick-look", "rmf-other-class"]


SHOW = """
import runpy, sys
from sherpa.astro import ui
runpy.run_path(sys.argv[1])
data, background = ui.get_data(1), ui.get_bkg(1)
assert ui.get_rmf(1) is not None
assert (background.grouping == data.grouping).all()
print("said:", len(ui.get_dep(1, filter=True)), len(background.get_dep(True)), int(data.counts.sum()))
"""


@pytest.mark.skipif(find_spec("sherpa") is None, reason="Sherpa is not installed")
def test_sherpa_loads_what_the_script_names(first, tmp_path):
    manifest, folder = first
    [script] = (item for item in manifest.find(Kind.LOADER) if item.name.endswith(".py"))
    child = subprocess.run(
        [sys.executable, "-c", SHOW, str(folder / script.path)],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=100,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    [said] = (line.split()[1:] for line in child.stdout.splitlines() if line.startswith("said: "))
    counts = manifest.steps[Step.EXTRACTION].facts["counts"]
    [spectrum] = (item.name for item in manifest.find(Kind.SPECTRUM) if item.role == "source")
    assert said[0] == said[1]
    assert int(said[0]) > 20
    assert int(said[2]) == counts[spectrum]


def test_given_responses_take_the_archives_place(site, first):
    before, _ = first
    [area] = (Path(site.settings.archive) / "responses").glob(f"xa{OBSERVATION.obsid}*_src.arf.gz")
    [matrix] = Path(site.settings.archive).glob(f"*/{OBSERVATION.obsid}/xtend/products/*.rmf.gz")
    given = {"responses": {"rmf": str(matrix), "arf": str(area)}}
    dataclass = next(name for name in OBSERVATION.classes if name in area.name)
    after, folder = run(site, dataclass, **given)
    [rmf], [arf] = after.find(Kind.RMF), after.find(Kind.ARF)
    assert rmf.entry == arf.entry == {"origin": "given"}
    assert rmf.name == before.find(Kind.RMF)[0].name
    assert fits.getdata(folder / arf.path, "SPECRESP")["SPECRESP"].max() > 50
    assert f"arf 1:1 [product {arf.name}]" in [
        line for item in after.find(Kind.LOADER) for line in (folder / item.path).read_text().splitlines()
    ]


def test_a_given_response_that_is_none_ends_in_a_clear_error(site, first, tmp_path):
    (tmp_path / "no.rmf").write_text("no response")
    with pytest.raises(BadInput, match=r"responses\.rmf of the recipe, .*no\.rmf, cannot be used"):
        run(site, OBSERVATION.classes[0], responses={"rmf": str(tmp_path / "no.rmf")})

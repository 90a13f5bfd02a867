"""Whole plans on the double of heasoftpy: the same products as the native engine's, by name, kind and form.

What the double writes comes from the native engine, so that counts agree shows plumbing and nothing else.
"""

import asyncio
import warnings
from pathlib import Path

import pytest
from astropy.io import fits

from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME
from tasks.core.settings import Settings
from tasks.engines.datasets import downloaded_dataset
from tasks.engines.fetching import fetch
from tasks.engines.heasoft.installation import find_installation
from tasks.engines.step import make
from tasks.library.manifest import Kind, Role, Step
from tasks.library.orders import PRODUCT_STEPS
from tasks.library.orders.responses import NATIVE_MAP
from tasks.library.recipe import Recipe
from tasks.library.site import open_site

DOUBLES = Path(__file__).parents[1] / "doubles"
OURS = (Step.EXTRACTION, Step.DERIVED, Step.RESPONSES)
WITH_ARF = (Step.EXPOSURE, *OURS)
"""An ARF wants a map of the tool's."""
SMALL = {
    "images": {"bands": ("0.6-10",), "binnings": (1, 4)},
    "exposure": {"binnings": (1, 4)},
    "light_curves": {"bands": ("0.6-2",), "time_bin": 2000.0},
}

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """One simulated observation whose events are split in two files."""
    root = tmp_path_factory.mktemp("simulated")
    split = next(item for item in PROGRAMME if item.parts > 1 and item.presence == "open")
    make_observation(root, split, seed=1, events=3000)
    return root, split.obsid


@pytest.fixture
def heasoft(double, tmp_path, monkeypatch):
    """An installation of the double that this process finds as well, with a CALDB that has a version."""
    for name in ("gen", "xtend"):
        index = tmp_path / "caldb" / "data" / "xrism" / name / "caldb.indx"
        index.parent.mkdir(parents=True)
        index.write_bytes(name.encode())
    monkeypatch.setenv("CALDB", str(tmp_path / "caldb"))
    monkeypatch.syspath_prepend(str(DOUBLES))
    assert not find_installation().lacking


def run(folder, archive, engines, **changes):
    """All steps of the first dataset; the manifest and the site."""
    root, obsid = archive
    site = open_site(Settings(data=folder, archive=str(root), cores=2))
    recipe = Recipe.model_validate({**SMALL, "engine": "native", "engines": engines, **changes})

    async def steps():
        brought = await fetch(site, obsid)
        dataset = downloaded_dataset(site, obsid, next(iter(brought)), recipe)
        for step in (Step.PROCESSING, *PRODUCT_STEPS):
            manifest = await make(step, dataset, site, lambda: None)
        return manifest

    return asyncio.run(steps()), site


def test_both_engines_make_the_same_products(tmp_path, archive, heasoft):
    native, _ = run(tmp_path / "native", archive, {})
    ours, site = run(tmp_path / "heasoft", archive, dict.fromkeys(WITH_ARF, "heasoft"))
    listed = {(item.step, item.kind, item.role, item.name) for item in native.products}
    made = {(item.step, item.kind, item.role, item.name) for item in ours.products}
    assert made - listed == {item for item in made if item[0] == Step.RESPONSES}
    assert listed <= made
    only = {Kind.RMF, Kind.ARF, Kind.GROUPED_SPECTRUM}
    assert {item.kind for item in ours.of(Step.RESPONSES)} == only | {Kind.RAYTRACE, Kind.LOADER}
    assert {item.kind for item in ours.not_made} == {item.kind for item in native.not_made} - only
    assert {item.entry.get("grouping") for item in ours.find(Kind.GROUPED_SPECTRUM)} == {"min:1", "opt"}
    facts, others = (manifest.steps[Step.EXTRACTION].facts for manifest in (ours, native))
    assert facts["counts"] == others["counts"]
    assert facts["backscal"] == pytest.approx(others["backscal"], rel=1e-6)
    assert facts["region_pixels"] == others["region_pixels"]
    assert ours.steps[Step.RESPONSES].engine == "heasoft"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for item in ours.products:
            if item.step in OURS and item.kind != Kind.LOADER:
                check(site.store.local(f"{ours.obsid}/{ours.dataclass}/{item.path}", tmp_path, item.sha256))
    photons = ours.steps[Step.RESPONSES].facts["photons"]
    assert all(count > 0 for _, count in photons)
    [net] = ours.find(Kind.LIGHT_CURVE, Role.NET)
    assert net.name.endswith("-net-lightcurve.fits")


def check(path):
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        for hdu in hdus:
            assert hdu.header["ENGINE"] == "heasoft"
            assert {"OBS_ID", "DATACLAS", "CREATOR", "RECIPE", "PROCVER", "CALDBVER"} <= set(hdu.header)
            assert "CHECKSUM" in hdu.header


def test_a_given_rmf_is_used_by_the_tools(tmp_path, archive, heasoft):
    root, obsid = archive
    [rmf] = root.glob(f"*/{obsid}/xtend/products/*.rmf.gz")
    made, site = run(
        tmp_path / "data", archive, dict.fromkeys(WITH_ARF, "heasoft"), responses={"rmf": str(rmf)},
        spectra={"grouping": ("min:1", "opt", "optmin:5", "bmin:2")},
    )  # fmt: skip
    assert [item.entry for item in made.find(Kind.RMF)] == [{"origin": "given"}]
    assert {item.kind for item in made.of(Step.RESPONSES)} >= {Kind.ARF, Kind.RAYTRACE, Kind.LOADER}
    tools = [call["parameters"].get("tool") for call in made.steps[Step.RESPONSES].calls]
    assert "xaarfgen" in tools
    assert "xtdrmf" not in tools
    [optimal] = made.find(Kind.GROUPED_SPECTRUM, grouping="opt")
    path = site.store.local(f"{made.obsid}/{made.dataclass}/{optimal.path}", tmp_path, optimal.sha256)
    assert fits.getval(path, "RESPFILE", "SPECTRUM") == made.find(Kind.RMF)[0].name


def test_ray_traced_events_are_kept_while_their_key_stays(tmp_path, archive, heasoft):
    engines = dict.fromkeys(WITH_ARF, "heasoft")
    before, _ = run(tmp_path / "data", archive, engines)
    after, site = run(tmp_path / "data", archive, engines, responses={"minphoton": 50})
    assert before.find(Kind.RAYTRACE) == after.find(Kind.RAYTRACE)
    assert before.find(Kind.RMF) == after.find(Kind.RMF)
    assert before.find(Kind.ARF)[0].path != after.find(Kind.ARF)[0].path
    assert before.of(Step.EXTRACTION) == after.of(Step.EXTRACTION)
    again, _ = run(tmp_path / "data", archive, engines, heasoft={"seed": 8})
    [old], [new] = after.find(Kind.RAYTRACE), again.find(Kind.RAYTRACE)
    assert old.name == new.name
    assert old.entry["key"] != new.entry["key"]
    assert old.path != new.path
    assert f"{again.obsid}/{again.dataclass}/{new.path}" in site.store.sizes()


def test_an_arf_of_too_few_photons_leaves_the_ray_traced_events(tmp_path, archive, heasoft):
    engines = dict.fromkeys(WITH_ARF, "heasoft")
    few = {"numphoton": 300}
    made, _ = run(tmp_path / "data", archive, engines, responses=few)
    of_step = made.of(Step.RESPONSES)
    assert {item.kind for item in of_step} == {Kind.RMF, Kind.RAYTRACE, Kind.GROUPED_SPECTRUM}
    [arf, *scripts] = (item for item in made.not_made if item.step == Step.RESPONSES)
    assert (arf.kind, arf.why.partition("and")[2]) == (
        Kind.ARF,
        " xaarfgen makes no ARF of fewer than 100: in the recipe raise numphoton, or lower minphoton or the "
        "upper end of erange",
    )
    assert [(item.kind, item.why) for item in scripts] == [(Kind.LOADER, f"{arf.name} was not made")] * 2
    again, _ = run(tmp_path / "data", archive, engines, responses=few)
    assert again == made
    # Another grouping asks for the scripts anew, and still there is no ARF.
    grouping = {"grouping": ("min:2", "opt")}
    grouped, _ = run(tmp_path / "data", archive, engines, responses=few, spectra=grouping)
    assert grouped.find(Kind.RAYTRACE) == made.find(Kind.RAYTRACE)
    whys = [item.why for item in grouped.not_made if item.kind == Kind.LOADER]
    assert whys == [item.why for item in scripts]


def test_native_spectra_do_for_the_tools(tmp_path, archive, heasoft):
    """What xtdrmf demands of the weighted map is in there."""
    made, _ = run(tmp_path / "data", archive, {Step.EXPOSURE: "heasoft", Step.RESPONSES: "heasoft"})
    assert made.steps[Step.EXTRACTION].engine == "native"
    assert {Kind.RMF, Kind.ARF, Kind.RAYTRACE} <= {item.kind for item in made.of(Step.RESPONSES)}


def test_a_native_exposure_map_gives_an_rmf_alone(tmp_path, archive, heasoft):
    made, _ = run(tmp_path / "data", archive, {Step.RESPONSES: "heasoft"})
    assert {item.kind for item in made.of(Step.RESPONSES)} == {Kind.RMF, Kind.GROUPED_SPECTRUM, Kind.LOADER}
    assert [item.why for item in made.not_made if item.kind == Kind.ARF] == [NATIVE_MAP]

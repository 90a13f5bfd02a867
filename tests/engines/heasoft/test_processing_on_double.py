"""Processing, exposure maps and regions with the double of heasoftpy, by the project's own runner.

What the double writes is invented: this shows that calls fit each other and the tools, and nothing else.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME, Observation
from tasks.core.errors import SoftwareFault
from tasks.core.settings import Settings
from tasks.engines.datasets import downloaded_datasets
from tasks.engines.fetching import fetch
from tasks.engines.heasoft.reprocessing import reprocessed
from tasks.engines.step import make
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.recipe import Recipe
from tasks.library.site import Site, open_site
from tasks.xtend.regions import read_region

DOUBLES = Path(__file__).parents[1] / "doubles"
SPLIT = next(item for item in PROGRAMME if item.parts > 1 and item.presence == "open")
TWO_CLASSES = PROGRAMME[1]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small observations: one of two data classes, one in two files."""
    root = tmp_path_factory.mktemp("archive")
    for observation in (SPLIT, TWO_CLASSES):
        make_observation(root, observation, seed=1, events=300.0)
    return root


@pytest.fixture
def site(tmp_path: Path, archive: Path, double: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site on a host that has the double."""
    monkeypatch.syspath_prepend(str(DOUBLES))
    caldb = tmp_path / "caldb"
    for name in ("gen", "xtend"):
        index = caldb / "data" / "xrism" / name / "caldb.indx"
        index.parent.mkdir(parents=True)
        index.write_bytes(name.encode())
    monkeypatch.setenv("CALDB", str(caldb))
    return open_site(Settings(data=tmp_path / "data", archive=str(archive), cores=2))


def run(site: Site, observation: Observation, steps: tuple[Step, ...], **heasoft: Any) -> list[Manifest]:
    """Do these steps of all datasets; what is published then."""
    recipe = Recipe.model_validate({"engine": "heasoft", "heasoft": heasoft, "exposure": {"binnings": (4,)}})

    async def everything() -> list[Manifest]:
        await fetch(site, observation.obsid, pipeline=True)
        datasets = downloaded_datasets(site, observation.obsid, recipe)
        async with reprocessed(site, datasets):
            for step in steps:
                made = [await make(step, dataset, site, lambda: None) for dataset in datasets]
        return made

    return asyncio.run(everything())


def published(
    site: Site, manifest: Manifest, kind: Kind, role: Role | None = None, **entry: Any
) -> list[Path]:
    folder = Path(site.settings.store_url) / manifest.obsid / manifest.dataclass
    return [folder / item.path for item in manifest.find(kind, role, **entry)]


def test_one_run_of_the_pipeline_serves_all_datasets(site):
    manifests = run(site, TWO_CLASSES, (Step.PROCESSING,))
    assert [manifest.dataclass for manifest in manifests] == ["31100010", "32000010"]
    for manifest in manifests:
        [events], [image] = published(site, manifest, Kind.EVENTS), published(site, manifest, Kind.BAD_PIXELS)
        assert events.name == f"xa{manifest.obsid}xtd_p0{manifest.dataclass}_cl.evt"
        for path in (events, image):
            with fits.open(path, checksum=True) as hdus:
                assert {hdu.header["ENGINE"] for hdu in hdus} == {"heasoft"}
        record = manifest.steps[Step.PROCESSING]
        assert record.engine == "heasoft"
        # One of the two classes reads a window, so good time is worked out for the observation.
        assert record.facts["reprocessing"]["parameters"]["calc_modegti"] is True
        assert record.facts["archive"]["PROCVER"] == "double"
        assert record.cautions[0].id == "reprocessed-events"
        assert fits.getheader(events, "EVENTS")["NAXIS2"] == record.facts["events"]
    log = site.log(TWO_CLASSES.obsid).read_text()
    assert log.count("xtdpipeline (double)") == 1
    assert list(site.scratch.rglob("*")) == []


@pytest.mark.system
def test_maps_and_regions_follow_from_the_reprocessed_events(site):
    steps = (Step.PROCESSING, Step.EXPOSURE, Step.REGIONS)
    [manifest] = run(site, SPLIT, steps, flickering="searchflickpix", efficiency_energy_kev=1.5)
    assert len(manifest.find(Kind.EVENTS)) == 2
    facts = manifest.steps[Step.PROCESSING].facts
    assert facts["flickering"]["pixels"] > 0
    [pixels] = published(site, manifest, Kind.FLICKERING)
    assert len(fits.getdata(pixels, "PIXELS")) == facts["flickering"]["pixels"]
    told = manifest.steps[Step.EXPOSURE].facts
    assert told["exposure"] == pytest.approx(facts["exposure_s"])
    whole, binned = (published(site, manifest, Kind.EXPOSURE_MAP, binning=b)[0] for b in (1, 4))
    with fits.open(whole, checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "OFFAXISHIST", "GTIEXP001", "PARTIALEXP001"]
        assert hdus[0].header["OBS_ID"] == manifest.obsid
        assert hdus[0].data.max() == pytest.approx(told["maximum"])
        mean = hdus[0].data[1000:1004, 1000:1004].mean()
    assert fits.getdata(binned)[250, 250] == pytest.approx(mean, rel=1e-5)
    assert fits.getheader(binned)["IMGBIN"] == 4
    [efficiency] = published(site, manifest, Kind.EFFICIENCY_MAP)
    assert fits.getheader(efficiency)["DATACLAS"] == manifest.dataclass
    [calibration] = published(site, manifest, Kind.REGION, Role.CALIBRATION)
    shapes = read_region(calibration).shapes
    assert [shape.include for shape in shapes] == [False, False]
    told = {caution.id for caution in manifest.steps[Step.REGIONS].cautions}
    assert not {each for each in told if each.startswith("calibration-circles")}


@pytest.mark.parametrize(
    ("way", "reason"), [("crash", "was ended by SIGSEGV"), ("prompt", "there is nobody to prompt")]
)
def test_a_pipeline_that_fails_fails_the_observation(site, double: Callable[[str], None], way, reason):
    double(f"xtdpipeline={way}")
    with pytest.raises(SoftwareFault, match=f"xtdpipeline .*{reason}"):
        run(site, TWO_CLASSES, (Step.PROCESSING,))
    assert list(site.scratch.rglob("*")) == []


def test_a_pipeline_that_leaves_nothing_is_at_fault(site, double: Callable[[str], None]):
    double("xtdpipeline=nothing")
    with pytest.raises(SoftwareFault, match="xtdpipeline made no xa"):
        run(site, TWO_CLASSES, (Step.PROCESSING,))


def test_clipped_pixels_cost_events_and_are_listed(site):
    [manifest] = run(site, SPLIT, (Step.PROCESSING,), flickering="xtdpixclip")
    record = manifest.steps[Step.PROCESSING]
    lists = published(site, manifest, Kind.EVENTS)
    assert record.facts["flickering"]["events"] > 0
    assert record.facts["events"] == sum(fits.getheader(path, "EVENTS")["NAXIS2"] for path in lists)
    [pixels] = published(site, manifest, Kind.FLICKERING)
    table = fits.getdata(pixels, "PIXELS")
    # The double lists a pixel of each CCD of every file, here eight different ones.
    assert (len(lists), len(table)) == (2, 8)
    assert sorted(table["CCD_ID"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    # No event is left on a listed pixel while it flickered.
    for row in table:
        for path in lists:
            events = fits.getdata(path, "EVENTS")
            mine = (events["CCD_ID"] == row["CCD_ID"]) & (events["ACTX"] == row["ACTX"])
            mine &= (events["ACTY"] == row["ACTY"]) & (events["TIME"] >= row["START"])
            assert not (mine & (events["TIME"] <= row["STOP"])).any()

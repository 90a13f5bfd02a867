"""What each cause has made again: every step × every cause, with real plans, manifests and files.

One observation is really made once, natively. Each row then works on a copy of that store (hard links, so
that a file that stays is the same file), where calls are not run: their outputs are what was made before.
Regions alone are really made, as what follows depends on how they come out.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tasks.archive.download import fetch_observation
from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME
from tasks.core.settings import Settings
from tasks.engines import step as steps
from tasks.engines.datasets import downloaded_dataset
from tasks.engines.fetching import fetch
from tasks.engines.heasoft.reprocessing import reprocessed
from tasks.engines.interface import StepInputs
from tasks.engines.native.engine import NativeEngine
from tasks.engines.runner import CallResult
from tasks.engines.step import make, progress
from tasks.library.call import Call, Report
from tasks.library.dataset import Dataset, EngineUse
from tasks.library.fingerprint import file_sha256, fingerprint
from tasks.library.manifest import InputFile, Manifest, Product, Step
from tasks.library.orders import PRODUCT_STEPS, STEP_VERSIONS, Wanted
from tasks.library.publication import read_manifest
from tasks.library.recipe import Recipe
from tasks.library.site import Site, open_site

STEPS = (Step.PROCESSING, *PRODUCT_STEPS)
OBSERVATION = PROGRAMME[3]
RECIPE: dict[str, Any] = {
    "images": {"bands": ("0.6-2", "0.6-10"), "binnings": (4,)},
    "exposure": {"binnings": (4,)},
    "light_curves": {"bands": ("0.6-2", "2-6"), "time_bin": 2000.0},
}

HEASOFT = {"heasoft": "6.36", "heasoftpy": "1.5", "caldb": "20260115-a", "heasoft-engine": "1"}

REGIONS = {"region source", "region background"}
LOADERS = {"loader-script *"}
OF_SOURCE = {"light-curve source *", "spectrum source", "grouped-spectrum *", "light-curve net *"}
OF_BACKGROUND = {"light-curve background *", "spectrum background", "light-curve net *", *LOADERS}
RATES = {"rate-image *"}
BY_EXPOSURE = {"exposure-map *", *REGIONS, "spectrum *", "grouped-spectrum *", "light-curve net *", *RATES}
BY_EVENTS = {"cleaned-events *", "image *", "light-curve *", "region *", *BY_EXPOSURE}
OPTIMAL = {"grouped-spectrum source opt"}
BY_RMF = {"rmf *", *OPTIMAL, *LOADERS}
RESPONSES = {*BY_RMF, "arf *", "raytraced-events *"}
BY_EXTRACTION = {"image *", "light-curve *", "spectrum *", "grouped-spectrum *", *RATES}
EVERYTHING = {"*"}


@dataclass(frozen=True)
class Cause:
    """Something that changes; without any of these fields nothing does.

    Parameters
    ----------
    recipe : dict
        Parts of the recipe.
    content : str
        Part of the name of an input file that has other content now.
    version, engine_of : str, Step
        Name of a version that is another now: of all steps, or of one step's engine.
    step : Step
        Whose version number is raised.
    harm : callable
        What befalls the dataset's folder in the store.
    """

    recipe: dict[str, Any] = field(default_factory=dict)
    content: str = ""
    version: str = ""
    engine_of: Step | None = None
    step: Step | None = None
    harm: str = ""


def recipe(part: str, **entries: Any) -> Cause:
    return Cause(recipe={part: entries})


NATIVE_CAUSES: dict[str, tuple[Cause, set[str]]] = {
    "nothing": (Cause(), set()),
    "an image band more": (
        recipe("images", bands=("0.6-2", "0.6-10", "2-10")),
        {"image field 2.0-10.0 4", "rate-image field 2.0-10.0 4"},
    ),
    "an image band less": (recipe("images", bands=("0.6-2",)), set()),
    "an image binning more": (recipe("images", binnings=(4, 8)), {"image field * 8"}),
    "both binnings more": (
        Cause(recipe={"images": {"binnings": (4, 8)}, "exposure": {"binnings": (4, 8)}}),
        {"image field * 8", "exposure-map field 8", "rate-image field * 8"},
    ),
    "exposure binning less": (recipe("exposure", binnings=(1,)), set()),
    "exposure delta": (recipe("exposure", delta_arcmin=5.0), BY_EXPOSURE),
    "azimuth wedges": (recipe("exposure", numphi=4), BY_EXPOSURE),
    "calibration sources": (recipe("exposure", mask_calibration=False), BY_EXPOSURE),
    "least exposure of rates": (recipe("exposure", minimum_fraction=0.5), RATES),
    "another curve band": (recipe("light_curves", bands=("0.6-2", "6-10")), {"light-curve * 6.0-10.0"}),
    "curve time bin": (recipe("light_curves", time_bin=500.0), {"light-curve *"}),
    "curve threshold": (recipe("light_curves", exposure_threshold=0.5), {"light-curve *"}),
    "errors of net curves": (recipe("light_curves", net_errors="linear"), {"light-curve net *"}),
    "grouping": (
        recipe("spectra", grouping=("min:25", "opt", "bmin:3", "optmin:9")),
        {"grouped-spectrum source *:*", *LOADERS},
    ),
    "no grouping": (recipe("spectra", grouping=()), LOADERS),
    "energies of a fit": (recipe("responses", fit_band_kev=(0.6, 9.0)), LOADERS),
    "a given RMF": (recipe("responses", rmf=__file__), BY_RMF),
    "a given ARF": (recipe("responses", arf=__file__), {"arf *", *LOADERS}),
    "the archive's RMF": (Cause(content=".rmf"), BY_RMF),
    "BACKSCAL": (
        recipe("spectra", backscal="maximum"), {"spectrum *", "grouped-spectrum *", "light-curve net *"}
    ),
    # A smaller source leaves room for a nearer background.
    "source radius": (recipe("source", radius_arcmin=1.0), REGIONS | OF_SOURCE | OF_BACKGROUND),
    "background radius": (recipe("background", radius_arcmin=2.0), {"region background"} | OF_BACKGROUND),
    "least background": (recipe("background", minimum_fraction=0.2), {"region background"}),
    "least radius of a background": (
        recipe("background", minimum_radius_arcmin=1.0), {"region background"}
    ),
    "least source": (recipe("source", minimum_fraction=0.1), REGIONS),
    "how far a peak may lie": (recipe("source", shift_arcsec=10.0), REGIONS),
    "entries of the responses": (
        recipe("responses", numphoton=1000, minphoton=1, erange=(0.4, 17, 0, 0)), set()
    ),
    "entries of HEASoft": (
        recipe("heasoft", seed=8, chatter=3, hours=1.0, calc_modegti="yes", flickering="xtdpixclip",
               efficiency_energy_kev=6.0), set()
    ),
    "recipe name": (Cause(recipe={"name": "other"}), set()),
    "a caution that would forbid": (Cause(recipe={"blocking": ("pile-up",)}), set()),
    "engine version": (Cause(version="native"), EVERYTHING),
    "events": (Cause(content="_cl.evt"), BY_EVENTS),
    "bad pixel image": (Cause(content=".bimg"), {"bad-pixel-image *", *BY_EXPOSURE}),
    "EHK": (Cause(content=".ehk"), BY_EXPOSURE),
    **{
        f"version of {step}": (Cause(step=step), remade)
        for step, remade in {
            Step.PROCESSING: {"bad-pixel-image *", *BY_EVENTS},
            Step.EXPOSURE: BY_EXPOSURE,
            Step.REGIONS: {"region *"},
            Step.EXTRACTION: BY_EXTRACTION,
            Step.DERIVED: {*RATES, "grouped-spectrum source min:1", "light-curve net *"},
            Step.RESPONSES: BY_RMF,
        }.items()
    },
    **{
        f"{label}, {harm}": (Cause(harm=f"{harm} {label}"), {label})
        for harm in ("deleted", "shortened")
        for label in (
            "cleaned-events field", "bad-pixel-image field", "exposure-map field 1", "exposure-map field 4",
            "region calibration", "image field 0.6-2.0 4", "light-curve source 0.6-2.0",
            "light-curve net 2.0-6.0", "spectrum background", "rate-image field 0.6-10.0 4",
            "grouped-spectrum source min:1", "grouped-spectrum source opt", "rmf source",
        )
    },
    "manifest, deleted": (Cause(harm="deleted manifest"), EVERYTHING),
    "manifest, damaged": (Cause(harm="shortened manifest"), EVERYTHING),
}  # fmt: skip

HEASOFT_CAUSES: dict[str, tuple[Cause, set[str], bool]] = {
    "nothing": (Cause(), set(), False),
    "CALDB": (Cause(version="caldb"), EVERYTHING, True),
    "HEASoft": (Cause(version="heasoft"), EVERYTHING, True),
    "heasoftpy": (Cause(version="heasoftpy"), EVERYTHING, True),
    "engine version": (Cause(version="heasoft-engine"), EVERYTHING, True),
    "CALDB of responses": (Cause(version="caldb", engine_of=Step.RESPONSES), RESPONSES, False),
    "seed": (recipe("heasoft", seed=8), EVERYTHING, True),
    "modes' good times": (recipe("heasoft", calc_modegti="yes"), EVERYTHING, True),
    "flickering pixels": (
        recipe("heasoft", flickering="xtdpixclip"), BY_EVENTS | RESPONSES | {"flickering-pixels *"}, True
    ),
    "efficiency map": (recipe("heasoft", efficiency_energy_kev=6.0), {"efficiency-map *"}, False),
    "chatter": (recipe("heasoft", chatter=3), set(), False),
    "hours": (recipe("heasoft", hours=1.0), set(), False),
    "photons": (recipe("responses", numphoton=1000), {"raytraced-events *", "arf *", *LOADERS}, False),
    "photons per energy": (recipe("responses", minphoton=1), {"arf *", *LOADERS}, False),
    "energies": (
        recipe("responses", erange=(0.4, 17, 0, 0)), {"raytraced-events *", "arf *", *LOADERS}, False
    ),
    "shape of the source": (
        recipe("responses", source_type="FLATCIRCLE"), {"raytraced-events *", "arf *", *LOADERS}, False
    ),
    "energies of a fit": (recipe("responses", fit_band_kev=(0.6, 9.0)), {"arf *", *LOADERS}, False),
    "radius of a shape not asked for": (recipe("responses", flat_radius_arcmin=3.0), set(), False),
    "curve band": (
        recipe("light_curves", bands=("0.6-2", "6-10")), {"light-curve * 6.0-10.0"}, False
    ),
    "grouping": (
        recipe("spectra", grouping=("min:25", "opt")), {"grouped-spectrum source min:25", *LOADERS}, False
    ),
    "a given RMF": (recipe("responses", rmf=__file__), {*BY_RMF, "arf *"}, False),
    "a given ARF": (recipe("responses", arf=__file__), {"arf *", *LOADERS}, False),
    "the archive's RMF": (Cause(content=".rmf"), set(), False),
    "unfiltered events": (Cause(content="_uf.evt"), EVERYTHING, True),
    "the archive's cleaned events": (Cause(content="_cl.evt"), set(), False),
    "version of responses": (Cause(step=Step.RESPONSES), RESPONSES, False),
    "RMF, deleted": (Cause(harm="deleted rmf source"), {"rmf source"}, False),
    "ray-traced events, deleted": (
        Cause(harm="deleted raytraced-events source"), {"raytraced-events source"}, False
    ),
    "cleaned events, deleted": (Cause(harm="deleted cleaned-events field"), {"cleaned-events field"}, True),
    "manifest, deleted": (Cause(harm="deleted manifest"), EVERYTHING, True),
}  # fmt: skip


def label(product: Product) -> str:
    """Kind, role, band, binning and grouping."""
    entry = (product.entry.get(key) for key in ("band", "binning", "grouping"))
    return " ".join(str(part) for part in (product.kind, product.role, *entry) if part is not None)


def fitting(labels: set[str], patterns: set[str]) -> set[str]:
    return {name for name in labels if any(fnmatch(name, pattern) for pattern in patterns)}


@dataclass
class Copyist:
    """Stands in for the runner: gives what was made before, and notes the calls."""

    before: dict[str, Path] = field(default_factory=dict)
    facts: dict[Step, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[Step, Call]] = field(default_factory=list)
    labels: dict[str, tuple[Step, str]] = field(default_factory=dict)

    def planning(self, plan: Callable[..., list[Call]]) -> Callable[..., list[Call]]:
        """The engine's own planner, overheard."""

        def overheard(step: Step, inputs: StepInputs, products: list[Wanted]) -> list[Call]:
            for item in products:
                spec = item.spec.model_dump()
                as_product = Product(**spec, path="-", size=1, sha256="0" * 64, fingerprint=item.fingerprint)
                self.labels[item.spec.name] = (step, label(as_product))
            return plan(step, inputs, products)

        return overheard

    async def run_call(self, call: Call, directory: Path, log: Path, *, cores: int) -> CallResult:
        directory.mkdir(parents=True)
        step = self.labels[call.outputs[0]][0]
        self.calls.append((step, call))
        if call.function.endswith("regions:choose"):
            return CallResult(call, _really(call, directory), 0.0, memory=1, disk=1)
        for name in call.outputs:
            earlier = self.before.get(self.labels[name][1])
            # What decides its content in truth does not matter here.
            (directory / name).write_bytes(earlier.read_bytes() if earlier else name.encode())
        return CallResult(call, Report(facts=self.facts.get(step, {})), 0.0, memory=1, disk=1)

    @property
    def made(self) -> dict[str, Step]:
        """Every output of the calls, and its step."""
        return {name: step for step, call in self.calls for name in call.outputs}


def _really(call: Call, directory: Path) -> Report:
    """Do a call in this process."""
    module, _, name = call.function.partition(":")
    with contextlib.chdir(directory):
        for link, path in call.inputs.items():
            Path(link).symlink_to(path)
        report: Report = getattr(import_module(module), name)(**call.parameters)
    return report


@dataclass(frozen=True)
class Done:
    """A dataset that was made, in its site."""

    site: Site
    dataset: Dataset
    manifest: Manifest

    @property
    def folder(self) -> Path:
        return Path(self.site.settings.store_url) / self.dataset.key

    def files(self) -> dict[str, tuple[int, str]]:
        """Which file on disk, and hash, by path."""
        manifest = read_manifest(self.site.store, self.dataset.obsid, self.dataset.dataclass)
        assert manifest is not None
        paths = {item.path: self.folder / item.path for item in manifest.products}
        assert {item.path: item.sha256 for item in manifest.products} == {
            name: file_sha256(path) for name, path in paths.items()
        }
        return {name: (path.stat().st_ino, file_sha256(path)) for name, path in paths.items()}


def go(dataset: Dataset, site: Site, pipeline: list[Path] | None = None) -> Manifest:
    """All steps of a dataset; `pipeline` notes when HEASoft's is run."""

    async def run(_: Any, folder: Path) -> None:
        assert pipeline is not None
        pipeline.append(folder)

    async def all_steps() -> Manifest:
        async with reprocessed(site, [dataset], run):
            for step in STEPS:
                manifest = await make(step, dataset, site, lambda: None)
        return manifest

    return asyncio.run(all_steps())


@pytest.fixture(scope="module")
def really(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The dataset as the native engine makes it."""
    root = tmp_path_factory.mktemp("really")
    make_observation(root / "archive", OBSERVATION, seed=1, events=1000)
    site = open_site(Settings(data=root / "data", archive=str(root / "archive"), cores=2))
    brought = asyncio.run(fetch(site, OBSERVATION.obsid, rmf=True))
    asked = Recipe.model_validate(RECIPE | {"engine": "native"})
    dataset = downloaded_dataset(site, OBSERVATION.obsid, next(iter(brought)), asked)
    return Done(site, dataset, go(dataset, site))


@pytest.fixture
def copied(really: Done, tmp_path: Path) -> Done:
    """A copy of it, of which every file is the same file."""
    site = open_site(Settings(data=tmp_path / "data", archive=really.site.settings.archive, cores=2))
    shutil.copytree(really.folder, Path(site.settings.store_url) / really.dataset.key, copy_function=_link)
    return Done(site, really.dataset, really.manifest)


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


@pytest.fixture
def copyist(really: Done, monkeypatch: pytest.MonkeyPatch) -> Copyist:
    made = Copyist(
        {label(item): really.folder / item.path for item in really.manifest.products},
        {step: record.facts for step, record in really.manifest.steps.items()},
    )
    monkeypatch.setattr(NativeEngine, "plan", staticmethod(made.planning(NativeEngine().plan)))
    monkeypatch.setattr(steps, "run_call", made.run_call)
    return made


def changed(dataset: Dataset, cause: Cause) -> Dataset:
    """The dataset after a cause."""
    parts = dataset.recipe.model_dump(mode="json")
    for name, value in cause.recipe.items():
        parts[name] = parts[name] | value if isinstance(value, dict) else value
    files = [
        file.model_copy(update={"sha256": fingerprint(cause)})
        if cause.content and cause.content in file.name
        else file
        for file in dataset.inputs.inputs
    ]
    engines = {
        step: use.model_copy(update={"versions": use.versions | {cause.version: "9.99"}})
        if cause.version and cause.engine_of in (None, step)
        else use
        for step, use in dataset.engines.items()
    }
    return dataset.model_copy(
        update={
            "recipe": Recipe.model_validate(parts),
            "inputs": dataset.inputs.model_copy(update={"inputs": tuple(files)}),
            "engines": engines,
        }
    )


def befall(done: Done, cause: Cause, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Let it happen; the dataset as it is asked for then."""
    if cause.step:
        monkeypatch.setitem(STEP_VERSIONS, cause.step, STEP_VERSIONS[cause.step] + 1)
    if cause.harm:
        harm, _, what = cause.harm.partition(" ")
        paths = [done.folder / item.path for item in done.manifest.products if label(item) == what]
        for path in paths or [done.folder / "manifest.json"]:
            path.unlink()
            if harm == "shortened":
                path.write_bytes(b"s")
    return changed(done.dataset, cause)


def check(done: Done, dataset: Dataset, made: set[str], before: dict[str, Any], expected: set[str]) -> None:
    """Exactly the products that are expected were made; all others are the same files as before."""
    manifest = go(dataset, done.site)
    labels = {label(item) for item in manifest.products}
    remade = {label(item) for item in manifest.products if item.name in made}
    assert remade == fitting(labels, expected)
    same = {item.path for item in manifest.products if item.name not in made}
    after = done.files()
    assert {path: after[path] for path in same} == {path: before[path] for path in same}
    assert all(progress(step, dataset, done.site).complete for step in STEPS)


@pytest.mark.parametrize("name", NATIVE_CAUSES)
def test_a_cause_makes_its_own_products_again_and_nothing_else_runs(copied, copyist, monkeypatch, name):
    cause, expected = NATIVE_CAUSES[name]
    before = copied.files()
    dataset = befall(copied, cause, monkeypatch)
    manifest = go(dataset, copied.site)
    made = copyist.made
    # One call for each step that has something to do.
    assert len(copyist.calls) == len(set(made.values()))
    check(copied, dataset, set(made), before, expected)
    assert copyist.made == made
    assert set(made) <= {item.name for item in manifest.products}


def test_a_given_region_that_changes_makes_its_own_products_again(copied, copyist, tmp_path):
    folder = tmp_path / "regions"
    folder.mkdir()
    (folder / f"{OBSERVATION.obsid}_back.reg").write_text("physical\ncircle(1300,1500,60)\n")
    source = folder / f"{OBSERVATION.obsid}_src.reg"
    source.write_text("physical\ncircle(1215.5,1215.5,60)\n")
    dataset = changed(copied.dataset, recipe("source", region_folder=str(folder)))
    go(dataset, copied.site)
    before = copied.files()
    copyist.calls.clear()
    source.write_text("physical\nannulus(1215.5,1215.5,10,60)\n")
    go(dataset, copied.site)
    check(copied, dataset, set(copyist.made), before, REGIONS | OF_SOURCE | LOADERS)


class Tools:
    """Stands in for the HEASoft engine: one call a step."""

    def versions(self) -> dict[str, str]:
        return HEASOFT

    def provenance(self) -> dict[str, str]:
        return {}

    def can(self, step: Step) -> str | None:
        return None

    def plan(self, step: Step, inputs: StepInputs, products: list[Wanted]) -> list[Call]:
        return [
            Call(
                function=f"tasks.tools:{step}", outputs=tuple(item.spec.name for item in products), timeout=60
            )
        ]


@pytest.fixture
def with_tools(really: Done, tmp_path: Path, copyist: Copyist, monkeypatch: pytest.MonkeyPatch) -> Done:
    """The dataset as HEASoft would have made it."""
    tools = Tools()
    monkeypatch.setattr(tools, "plan", copyist.planning(tools.plan))
    monkeypatch.setattr(steps, "engine", lambda name: tools)
    site = open_site(Settings(data=tmp_path / "data", archive=really.site.settings.archive, cores=2))
    files = really.dataset.inputs
    name = files.events[0].replace("event_cl", "event_uf").replace("_cl.evt", "_uf.evt")
    unfiltered = InputFile(name=name, size=1, sha256="0" * 64)
    dataset = really.dataset.model_copy(
        update={
            "recipe": Recipe.model_validate(RECIPE | {"engine": "heasoft"}),
            "inputs": files.model_copy(update={"inputs": (*files.inputs, unfiltered)}),
            "engines": {step: EngineUse(name="heasoft", versions=HEASOFT) for step in STEPS},
        }
    )
    manifest = go(dataset, site, [])
    assert {"rmf source", "arf source", "raytraced-events source"} < {
        label(item) for item in manifest.products
    }
    copyist.calls.clear()
    return Done(site, dataset, manifest)


@pytest.mark.parametrize("name", HEASOFT_CAUSES)
def test_a_cause_runs_the_tools_that_it_concerns_and_the_pipeline_only_for_its_own(
    with_tools, copyist, monkeypatch, name
):
    cause, expected, reprocesses = HEASOFT_CAUSES[name]
    before, pipeline = with_tools.files(), []
    dataset = befall(with_tools, cause, monkeypatch)
    go(dataset, with_tools.site, pipeline)
    assert len(pipeline) == reprocesses
    assert len(copyist.calls) == len(set(copyist.made.values()))
    check(with_tools, dataset, set(copyist.made), before, expected)
    assert len(pipeline) == reprocesses


def test_another_engine_makes_everything_again(with_tools, copyist, really):
    before, pipeline = with_tools.files(), []
    go(really.dataset, with_tools.site, pipeline)
    assert pipeline == []
    check(with_tools, really.dataset, set(copyist.made), before, EVERYTHING)


def test_only_a_file_that_has_changed_is_downloaded_again(really, tmp_path, monkeypatch):
    # It leaves the listing's hash where it works.
    monkeypatch.chdir(tmp_path)
    archive = tmp_path / "archive"
    shutil.copytree(really.site.settings.archive, archive)
    folder = tmp_path / "downloads"

    def downloaded() -> tuple[dict[str, int], dict[str, str]]:
        report = fetch_observation(archive=str(archive), obsid=OBSERVATION.obsid, directory=str(folder))
        [inputs] = report.facts["datasets"].values()
        hashes = {item["name"]: item["sha256"] for item in inputs["inputs"]}
        return {name: (folder / name).stat().st_ino for name in hashes}, hashes

    first, hashes = downloaded()
    assert downloaded() == (first, hashes)
    make_observation(tmp_path / "other", OBSERVATION, seed=2, events=1000)
    [events] = (name for name in hashes if "_cl.evt" in name)
    [found] = archive.rglob(Path(events).name)
    [newer] = (tmp_path / "other").rglob(Path(events).name)
    shutil.copy(newer, found)
    second, new_hashes = downloaded()
    assert {name for name in first if second[name] != first[name]} == {events}
    assert {name for name in hashes if new_hashes[name] != hashes[name]} == {events}


FITTED = {"model": "powerlaw", "despite": ("no-effective-area",)}
FIT_CAUSES: dict[str, tuple[Cause, bool]] = {
    "nothing": (Cause(), False),
    "another model": (recipe("fit", model="bbody"), True),
    "another band": (recipe("fit", band="0.7-8"), True),
    "a frozen parameter": (recipe("fit", freeze={"powerlaw.PhoIndex": 2.0}), True),
    "a start value": (recipe("fit", start={"powerlaw.PhoIndex": 2.0}), True),
    "bounds": (recipe("fit", bounds={"powerlaw.PhoIndex": (1, 3)}), True),
    "another statistic": (recipe("fit", statistic="chi2"), True),
    "other abundances": (recipe("fit", abundances="wilm"), True),
    "the spectrum in other groups": (recipe("fit", grouping="min:1"), True),
    "insisting more": (recipe("fit", despite=("no-effective-area", "extended-target")), False),
    "Sherpa": (Cause(version="sherpa", engine_of=Step.FIT), True),
    "version of fits": (Cause(step=Step.FIT), True),
    "version of responses": (Cause(step=Step.RESPONSES), True),
    "version of derived": (Cause(step=Step.DERIVED), False),
    "events": (Cause(content="_cl.evt"), True),
    "EHK": (Cause(content=".ehk"), True),
    "the archive's RMF": (Cause(content=".rmf"), True),
    "a given ARF": (recipe("responses", arf=__file__), True),
    "source radius": (recipe("source", radius_arcmin=1.0), True),
    "background radius": (recipe("background", radius_arcmin=2.0), True),
    "other grouped spectra besides": (recipe("spectra", grouping=("min:25", "opt")), False),
    "image band": (recipe("images", bands=("0.6-2",)), False),
    "curve time bin": (recipe("light_curves", time_bin=500.0), False),
    "the fit, deleted": (Cause(harm="deleted fit source 0.5-10.0 opt"), True),
    "its spectrum, deleted": (Cause(harm="deleted grouped-spectrum source opt"), False),
}


@pytest.mark.parametrize("name", FIT_CAUSES)
def test_a_fit_is_made_again_where_what_it_depends_on_has_changed(copied, copyist, monkeypatch, name):
    cause, expected = FIT_CAUSES[name]
    asked = changed(copied.dataset, recipe("fit", **FITTED))
    sherpa = asked.engines[Step.FIT].model_copy(update={"versions": {"native": "1", "sherpa": "4.19.0"}})
    asked = asked.model_copy(update={"engines": asked.engines | {Step.FIT: sherpa}})
    manifest = go(asked, copied.site)
    # Nothing else comes of a fit that is asked for.
    assert {step for step, _ in copyist.calls} == {Step.FIT}
    copyist.calls.clear()
    fitted = Done(copied.site, asked, manifest)
    go(befall(fitted, cause, monkeypatch), copied.site)
    assert (Step.FIT in {step for step, _ in copyist.calls}) == expected


def test_a_fit_that_is_not_asked_for_any_more_goes(copied, copyist):
    asked = changed(copied.dataset, recipe("fit", **FITTED))
    refused = go(asked, copied.site)
    assert [item.why for item in refused.not_made if item.step == Step.FIT] == [
        "a fit needs Sherpa and periodictable, which are not both installed here: pip install "
        "'xtendflow[sherpa]', or make sherpa"
    ]
    manifest = go(copied.dataset, copied.site)
    assert not [item for item in manifest.not_made if item.step == Step.FIT]
    assert copyist.calls == []

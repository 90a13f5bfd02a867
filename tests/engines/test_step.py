"""Exactly what is missing or stale is made, and what is published says how.

The engine and the runner are doubles here, that write small files in this process; the last test is without.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME
from tasks.core.errors import LeaseLost, Permanent, SoftwareFault
from tasks.core.settings import Settings
from tasks.engines import step as steps
from tasks.engines.datasets import downloaded_dataset
from tasks.engines.fetching import fetch
from tasks.engines.interface import StepInputs
from tasks.engines.runner import CallResult
from tasks.engines.step import make, progress
from tasks.library.call import Call, Report
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.orders import PRODUCT_STEPS, Wanted
from tasks.library.publication import missing, read_manifest
from tasks.library.recipe import Recipe
from tasks.library.site import Site, open_site
from tasks.xtend.cautions import notice

STEPS = (Step.PROCESSING, *PRODUCT_STEPS)
TARGET = {"name": "N132D", "ra": 81.25, "dec": -69.64, "origin": "RA_OBJ/DEC_OBJ of the events"}
FILES = ("cl/xa900001010xtd_p030000010_cl.evt.gz", "uf/xa900001010xtd_p030000010.bimg.gz", "auxil/a.ehk.gz")


@dataclass
class Workshop:
    """An engine that makes small files; notes what it was asked for, and can be told what to spoil."""

    name: str = "native"
    asked: list[tuple[Step, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    fewest: int = 100
    cautions: tuple[str, ...] = ()
    file_cautions: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    before: Callable[[], Any] | None = None
    cannot: str | None = None
    inputs: StepInputs | None = None
    directories: list[Path] = field(default_factory=list)

    def versions(self) -> dict[str, str]:
        return {"native": "1"}

    def provenance(self) -> dict[str, str]:
        return {"numpy": "2.4"}

    def can(self, step: Step) -> str | None:
        return self.cannot

    def plan(self, step: Step, inputs: StepInputs, products: list[Wanted]) -> list[Call]:
        self.inputs = inputs
        self.asked += [(step, item.spec.name) for item in products]
        # Two calls where there is enough for two.
        parts = [products[:1], products[1:]] if len(products) > 1 else [products]
        return [self._call(step, inputs.dataset.recipe, number, part) for number, part in enumerate(parts)]

    def _call(self, step: Step, recipe: Recipe, number: int, part: list[Wanted]) -> Call:
        # Regions that come out the same are the same file.
        contents = {
            item.spec.name: f"{item.spec.role} {recipe.source}" if step == Step.REGIONS else item.fingerprint
            for item in part
        }
        return Call(
            function="tasks.doubles:make",
            parameters={"step": step, "number": number, "contents": contents},
            inputs={"in.evt": "/somewhere/on/this/machine.evt"},
            outputs=tuple(contents),
            timeout=60,
        )

    async def run_call(self, call: Call, directory: Path, log: Path, *, cores: int) -> CallResult:
        directory.mkdir(parents=True)
        self.directories.append(directory)
        if self.before:
            await self.before()
        if self.error:
            raise self.error
        refused = {
            name: why
            for name in call.outputs
            for pattern, why in self.refused.items()
            if fnmatch(name, pattern)
        }
        for name, content in call.parameters["contents"].items():
            if name not in refused:
                (directory / name).write_text(content)
        report = Report(
            facts={
                "counts": dict.fromkeys(call.outputs, self.fewest + len(self.asked)),
                "asked": len(self.asked),
                **({"target": TARGET} if call.parameters["step"] == Step.PROCESSING else {}),
            },
            cautions=tuple(notice(name, f"{name}.") for name in self.cautions),
            file_cautions={
                name: (notice(identifier, "told."),)
                for name in call.outputs
                for pattern, identifier in self.file_cautions.items()
                if fnmatch(name, pattern)
            },
            not_made=refused,
        )
        return CallResult(call, report, 1.23456, memory=123456789, disk=98765)

    def names(self) -> set[str]:
        """What was asked for since the last time."""
        names = {name for _, name in self.asked}
        self.asked.clear()
        return names


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    made = Workshop()
    monkeypatch.setattr(steps, "engine", lambda name: made)
    monkeypatch.setattr(steps, "run_call", made.run_call)
    return made


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return open_site(Settings(data=tmp_path / "data", archive=str(tmp_path / "archive"), cores=2))


def a_dataset(content: dict[str, str] | None = None, **changes: Any) -> Dataset:
    """A dataset; keywords are parts of its recipe or fields of its own."""
    recipe = {"images": {"bands": ("0.6-2",)}, "light_curves": {"bands": ("0.6-2", "2-6")}}
    fields = {"cautions": changes.pop("cautions", ())}
    versions = changes.pop("versions", {"native": "1"})
    hashes = dict(zip(FILES, FILES, strict=True)) | (content or {})
    return Dataset.model_validate(
        {
            "obsid": "900001010",
            "dataclass": "30000010",
            "recipe": {
                name: recipe.get(name, {}) | changes.get(name, {}) for name in recipe.keys() | changes.keys()
            },
            "inputs": {
                "events": FILES[:1],
                "bad_pixels": FILES[1],
                "ehk": FILES[2] if FILES[2] in hashes and hashes[FILES[2]] else None,
                "inputs": [
                    {"name": name, "size": 1, "sha256": fingerprint(given)} for name, given in hashes.items()
                ],
            },
            "engines": {step: {"name": "native", "versions": versions} for step in STEPS},
        }
        | fields
    )


def go(dataset: Dataset, site: Site, confirm: Callable[[], None] = lambda: None) -> Manifest:
    """All steps of a dataset."""

    async def all_steps() -> Manifest:
        for step in STEPS:
            manifest = await make(step, dataset, site, confirm)
        return manifest

    return asyncio.run(all_steps())


def stored(site: Site) -> dict[str, bytes]:
    """Everything in the store."""
    return {key: site.store.read(key) or b"" for key in site.store.sizes()}


def not_made(manifest: Manifest) -> set[tuple[Kind, Step]]:
    """What is not made of what this engine could make."""
    return {(item.kind, item.step) for item in manifest.not_made if item.step != Step.RESPONSES}


def named(manifest: Manifest, kind: Kind, role: Role | None = None, **entry: Any) -> set[str]:
    return {item.name for item in manifest.find(kind, role, **entry)}


def left_in_scratch(site: Site) -> list[Path]:
    return list(site.scratch.glob("*"))


def test_everything_is_made_once_and_then_nothing(site, workshop):
    manifest = go(a_dataset(), site)
    assert workshop.names() == {item.name for item in manifest.products}
    assert {item.step for item in manifest.products} == set(STEPS) - {Step.RESPONSES, Step.FIT}
    assert read_manifest(site.store, manifest.obsid, manifest.dataclass) == manifest
    before = stored(site)
    assert {f"900001010/30000010/{item.path}" for item in manifest.products} < before.keys()

    assert go(a_dataset(), site) == manifest
    assert workshop.names() == set()
    assert stored(site) == before


def test_the_manifest_says_what_was_done(site, workshop):
    manifest = go(a_dataset(), site)
    assert (manifest.obsid, manifest.dataclass, manifest.recipe) == ("900001010", "30000010", "standard")
    assert manifest.target
    assert manifest.target.model_dump() == TARGET
    assert [item.name for item in manifest.inputs] == list(FILES)
    assert list(manifest.steps) == list(STEPS)
    record = manifest.steps[Step.EXTRACTION]
    assert record.engine == "native"
    assert record.versions == {"native": "1", "numpy": "2.4"}
    assert [call["parameters"]["number"] for call in record.calls] == [0, 1]
    assert record.calls[0]["inputs"] == ["in.evt"]
    assert record.calls[0]["seconds"] == 1.235
    assert (record.calls[0]["memory"], record.calls[0]["disk"]) == (123456789, 98765)
    assert "/somewhere" not in manifest.model_dump_json()
    assert str(site.settings.root) not in manifest.model_dump_json()


@pytest.mark.parametrize(
    "kind",
    [
        Kind.EVENTS, Kind.BAD_PIXELS, Kind.EXPOSURE_MAP, Kind.REGION, Kind.IMAGE, Kind.RATE_IMAGE,
        Kind.LIGHT_CURVE, Kind.SPECTRUM, Kind.GROUPED_SPECTRUM,
    ],
)  # fmt: skip
@pytest.mark.parametrize("damage", ["deleted", "shortened"])
def test_a_damaged_product_is_made_again_alone(site, workshop, kind, damage):
    manifest = go(a_dataset(), site)
    workshop.names()
    product = manifest.find(kind)[-1]
    path = Path(site.settings.store_url, "900001010/30000010", product.path)
    path.unlink()
    if damage == "shortened":
        path.write_bytes(b"s")
    again = go(a_dataset(), site)
    assert workshop.names() == {product.name}
    assert {(item.name, item.fingerprint) for item in again.products} == {
        (item.name, item.fingerprint) for item in manifest.products
    }
    assert go(a_dataset(), site) == again
    assert workshop.names() == set()


@pytest.mark.parametrize(
    "kinds",
    [
        (Kind.EXPOSURE_MAP, Kind.RATE_IMAGE),
        (Kind.REGION, Kind.SPECTRUM, Kind.GROUPED_SPECTRUM),
        (Kind.EVENTS, Kind.IMAGE, Kind.RATE_IMAGE),
    ],
)
def test_losses_of_several_steps_are_all_made_again(site, workshop, kinds):
    manifest = go(a_dataset(), site)
    workshop.names()
    lost = [manifest.find(kind)[-1] for kind in kinds]
    for product in lost:
        Path(site.settings.store_url, "900001010/30000010", product.path).unlink()
    again = go(a_dataset(), site)
    assert workshop.names() == {product.name for product in lost}
    assert {(item.name, item.fingerprint) for item in again.products} == {
        (item.name, item.fingerprint) for item in manifest.products
    }
    assert missing(site.store, again) == ()


def test_a_loss_of_a_later_step_does_not_stop_an_earlier_one_that_is_stale(site, workshop):
    manifest = go(a_dataset(), site)
    workshop.names()
    lost = manifest.find(Kind.RATE_IMAGE)[-1]
    Path(site.settings.store_url, "900001010/30000010", lost.path).unlink()
    again = go(a_dataset(light_curves={"bands": ("0.6-2", "6-10")}), site)
    new = named(again, Kind.LIGHT_CURVE, band="6.0-10.0")
    assert workshop.names() == {lost.name, *new}
    assert missing(site.store, again) == ()


def test_another_band_makes_that_bands_curves_alone(site, workshop):
    go(a_dataset(), site)
    workshop.names()
    manifest = go(a_dataset(light_curves={"bands": ("0.6-2", "6-10")}), site)
    new = named(manifest, Kind.LIGHT_CURVE, band="6.0-10.0")
    assert len(new) == 3
    assert workshop.names() == new
    assert not named(manifest, Kind.LIGHT_CURVE, band="2.0-6.0")
    kept = {f"900001010/30000010/{item.path}" for item in manifest.products}
    assert {key for key in stored(site) if "manifest" not in key} == kept


def test_a_band_less_costs_no_call(site, workshop):
    go(a_dataset(), site)
    workshop.names()
    manifest = go(a_dataset(light_curves={"bands": ("0.6-2",)}), site)
    assert workshop.names() == set()
    assert len(named(manifest, Kind.LIGHT_CURVE)) == 3
    names = {item.name for item in manifest.products}
    # The record no longer tells of what is gone, but keeps what is told of the rest.
    record = manifest.steps[Step.EXTRACTION]
    assert record.facts["counts"].keys() == {item.name for item in manifest.of(Step.EXTRACTION)}
    assert all(names & set(call["outputs"]) for call in record.calls)


def test_a_new_archive_file_makes_everything_again_and_is_noted(site, workshop):
    first = go(a_dataset(), site)
    workshop.names()
    second = go(a_dataset(content={FILES[0]: "reprocessed"}), site)
    bad_pixels = named(second, Kind.BAD_PIXELS)
    # The regions come out the same and are made again all the same: only so can that be known.
    assert workshop.names() == {item.name for item in second.products} - bad_pixels
    assert second.inputs != first.inputs
    assert second.inputs[0].sha256 == fingerprint("reprocessed")


def test_regions_that_come_out_the_same_leave_their_products_alone(site, workshop):
    go(a_dataset(), site)
    workshop.names()
    manifest = go(a_dataset(background={"minimum_radius_arcmin": 1.0}), site)
    assert workshop.names() == named(manifest, Kind.REGION, Role.BACKGROUND)
    manifest = go(a_dataset(background={"minimum_radius_arcmin": 1.0}, source={"radius_arcmin": 1.0}), site)
    assert named(manifest, Kind.SPECTRUM, Role.BACKGROUND) < workshop.names()


def test_what_could_not_be_made_is_settled_until_its_fingerprint_changes(site, workshop):
    workshop.refused = {"*-net-*": "no counts to subtract"}
    manifest = go(a_dataset(), site)
    workshop.names()
    refused = [item for item in manifest.not_made if item.role == Role.NET]
    assert {(item.step, item.kind, item.why) for item in refused} == {
        (Step.DERIVED, Kind.LIGHT_CURVE, "no counts to subtract")
    }
    assert len({(item.name, item.fingerprint) for item in refused}) == 2
    assert not named(manifest, Kind.LIGHT_CURVE, Role.NET)

    assert go(a_dataset(), site) == manifest
    assert workshop.names() == set()

    # What is made anew beside it does not ask it again, nor forget why it is not there.
    grouping = {"spectra": {"grouping": ("min:25",)}}
    manifest = go(a_dataset(**grouping), site)
    assert workshop.names() == named(manifest, Kind.GROUPED_SPECTRUM)
    assert [item for item in manifest.not_made if item.role == Role.NET] == refused

    workshop.refused = {}
    manifest = go(a_dataset(**grouping, light_curves={"time_bin": 50.0}), site)
    assert named(manifest, Kind.LIGHT_CURVE, Role.NET) < workshop.names()
    assert not [item for item in manifest.not_made if item.role == Role.NET]


def test_what_the_archive_cannot_give_is_said(site, workshop):
    manifest = go(a_dataset(content={FILES[2]: ""}), site)
    assert not named(manifest, Kind.EXPOSURE_MAP)
    assert not_made(manifest) == {
        (Kind.EXPOSURE_MAP, Step.EXPOSURE),
        (Kind.RATE_IMAGE, Step.DERIVED),
    }
    assert "no-exposure-map" in [caution.id for caution in manifest.cautions]
    workshop.names()
    assert go(a_dataset(content={FILES[2]: ""}), site) == manifest
    # The file turns up later.
    manifest = go(a_dataset(), site)
    assert named(manifest, Kind.EXPOSURE_MAP) < workshop.names()
    assert not not_made(manifest)
    assert not manifest.cautions


def test_the_record_is_right_when_only_a_part_is_made_again(site, workshop):
    workshop.cautions, workshop.file_cautions = ("first",), {"*2.0_6.0keV*": "of this file"}
    before = go(a_dataset(), site).steps[Step.EXTRACTION]
    workshop.cautions, workshop.file_cautions = ("second",), {}
    manifest = go(a_dataset(light_curves={"bands": ("2-6", "6-10")}), site)
    record = manifest.steps[Step.EXTRACTION]
    made = {item.name: item for item in manifest.of(Step.EXTRACTION)}
    new = {name for name in made if "6.0_10.0keV" in name}
    assert record.facts["counts"].keys() == made.keys()
    assert {name: record.facts["counts"][name] for name in made.keys() - new} == {
        name: before.facts["counts"][name] for name in made.keys() - new
    }
    assert record.facts["asked"] > before.facts["asked"]
    assert [caution.id for caution in record.cautions] == ["first", "second"]
    assert {call["outputs"][0] in new for call in record.calls} == {True, False}
    assert set().union(*(call["outputs"] for call in record.calls)) >= made.keys()
    # A caution on a file stays as long as the file.
    assert {name for name, item in made.items() if item.cautions} == {
        name for name in made if "2.0_6.0keV" in name
    }


@pytest.fixture
def in_two_goes(workshop, monkeypatch) -> dict[str, list[Call]]:
    """Has every plan begin with a call that makes what all others take; by step, the calls that were run."""
    planned, ran = workshop.plan, workshop.run_call
    seen: dict[str, list[Call]] = {}

    def plan(step: Step, inputs: StepInputs, products: list[Wanted]) -> list[Call]:
        calls = planned(step, inputs, products)
        contents = {"contents": {"raw.fits": "raw"}, "number": -1}
        first = {"outputs": ("raw.fits",), "parameters": {**calls[0].parameters, **contents}}
        return [
            calls[0].model_copy(update=first),
            *(call.model_copy(update={"after": {"raw.fits": 0}}) for call in calls),
        ]

    async def run_call(call: Call, directory: Path, log: Path, *, cores: int) -> CallResult:
        seen.setdefault(call.parameters["step"], []).append(call)
        if "raw.fits" in call.inputs:
            assert Path(call.inputs["raw.fits"]).read_text() == "raw"
        return await ran(call, directory, log, cores=cores)

    monkeypatch.setattr(workshop, "plan", plan)
    monkeypatch.setattr(steps, "run_call", run_call)
    return seen


def test_a_call_takes_what_an_earlier_one_of_the_plan_made(site, workshop, in_two_goes):
    manifest = go(a_dataset(), site)
    first, second, *_ = in_two_goes[Step.EXTRACTION]
    assert "raw.fits" not in first.inputs
    assert Path(second.inputs["raw.fits"]).parts[-2:] == ("0", "raw.fits")
    kept = manifest.steps[Step.EXTRACTION].calls
    assert [call["outputs"][0] == "raw.fits" for call in kept][:2] == [True, False]
    assert kept[1]["inputs"] == ["in.evt", "raw.fits"]
    assert not any("after" in call for call in kept)
    assert str(site.settings.root) not in manifest.model_dump_json()


def test_the_record_has_what_a_tool_was_given_in_the_end(site, workshop, monkeypatch):
    ran = workshop.run_call

    async def run_call(call: Call, directory: Path, log: Path, *, cores: int) -> CallResult:
        result = await ran(call, directory, log, cores=cores)
        planned = call.model_copy(
            update={"parameters": {**call.parameters, "parameters": {"multb": 1.0, "multi": 2.0}}}
        )
        report = result.report.model_copy(update={"settled": {"multb": 0.25}})
        return replace(result, call=planned, report=report)

    monkeypatch.setattr(steps, "run_call", run_call)
    calls = go(a_dataset(), site).steps[Step.EXTRACTION].calls
    assert all(call["parameters"]["parameters"] == {"multb": 0.25, "multi": 2.0} for call in calls)


def test_what_an_earlier_go_took_stays_in_the_record(site, workshop, in_two_goes):
    go(a_dataset(), site)
    again = go(a_dataset(light_curves={"bands": ("0.6-2", "6-10")}), site)
    kept = again.steps[Step.EXTRACTION].calls
    numbers = [call["parameters"]["number"] for call in kept]
    # Of the first go the call that all took from, and those of which something stays; then the second go.
    assert numbers[0] == -1
    assert numbers.count(-1) == 2
    assert [number for number in numbers if number != -1] == [0, 1, 0, 1]


def test_calls_are_forgotten_with_the_last_thing_they_made(site, workshop):
    workshop.cautions = ("first",)
    go(a_dataset(), site)
    workshop.cautions = ()
    record = go(a_dataset(versions={"native": "2"}), site).steps[Step.EXTRACTION]
    assert len(record.calls) == 2
    assert not record.cautions
    assert record.versions["native"] == "2"


def test_a_caution_of_discovery_goes_when_it_no_longer_holds(site, workshop):
    workshop.cautions = ("told",)
    odd = notice("class-mismatch", "The catalogue lists another class.")
    manifest = go(a_dataset(cautions=(odd,)), site)
    assert odd in manifest.cautions
    workshop.names()
    manifest = go(a_dataset(), site)
    assert workshop.names() == set()
    assert odd not in manifest.cautions
    assert "told" in [caution.id for caution in manifest.cautions]


def test_what_steps_measured_is_judged_at_every_publication(site, workshop):
    def ids(manifest: Manifest) -> list[str]:
        return [caution.id for caution in manifest.cautions]

    async def up_to_extraction(dataset: Dataset) -> Manifest:
        for step in STEPS[: STEPS.index(Step.EXTRACTION) + 1]:
            manifest = await make(step, dataset, site, lambda: None)
        return manifest

    workshop.fewest, workshop.cautions = 0, ("told",)
    manifest = asyncio.run(up_to_extraction(a_dataset()))
    # With the spectrum itself, not with the step after it; in no step's record, for none told it.
    assert ids(manifest) == ["told", "too-few-counts"]
    assert all(ids(record) == ["told"] for record in manifest.steps.values())
    assert ids(go(a_dataset(), site)) == ["told", "too-few-counts"]
    workshop.fewest = 100
    assert ids(go(a_dataset(content={FILES[0]: "longer"}), site)) == ["told"]


def test_cautions_of_product_and_dataset_stand_once(site, workshop):
    workshop.cautions = ("told",)
    manifest = go(a_dataset(images={"bands": ("0.4-2",)}), site)
    assert [caution.id for caution in manifest.cautions] == ["told"]
    assert {item.cautions[0].id for item in manifest.find(Kind.IMAGE)} == {"low-energy"}


@pytest.mark.parametrize("error", [Permanent("the data are bad"), RuntimeError("unforeseen")])
def test_an_error_leaves_the_old_state(site, workshop, error):
    go(a_dataset(), site)
    before = stored(site)
    workshop.error = error
    with pytest.raises(type(error), match=str(error)):
        go(a_dataset(images={"bands": ("2-10",)}), site)
    assert stored(site) == before
    assert left_in_scratch(site) == []


def test_a_lost_lease_publishes_nothing(site, workshop):
    go(a_dataset(), site)
    before = stored(site)

    def lost() -> None:
        raise LeaseLost("another process has taken over")

    with pytest.raises(LeaseLost, match="taken over"):
        go(a_dataset(images={"bands": ("2-10",)}), site, lost)
    assert stored(site) == before
    assert left_in_scratch(site) == []


def test_scratch_is_gone_after_success(site, workshop):
    go(a_dataset(), site)
    assert left_in_scratch(site) == []
    assert len(set(workshop.directories)) == len(workshop.directories)
    assert all(path.is_relative_to(site.scratch) for path in workshop.directories)


def test_a_cancelled_call_leaves_nothing(site, workshop):
    async def cancelled() -> None:
        started = asyncio.Event()

        async def before() -> None:
            started.set()
            await asyncio.Event().wait()

        workshop.before = before
        running = asyncio.create_task(make(Step.PROCESSING, a_dataset(), site, lambda: None))
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    assert left_in_scratch(site) == []
    assert stored(site) == {}


def test_publishing_leaves_the_event_loop_free_for_heartbeats(site, workshop):
    async def beating() -> Manifest:
        loop, beaten = asyncio.get_running_loop(), threading.Event()

        def confirm() -> None:
            loop.call_soon_threadsafe(beaten.set)
            assert beaten.wait(10)

        return await make(Step.PROCESSING, a_dataset(), site, confirm)

    assert asyncio.run(beating()).of(Step.PROCESSING)


def test_a_cancellation_waits_for_the_publication_it_meets(site, workshop):
    async def cancelled() -> None:
        asked, allowed = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def confirm() -> None:
            loop.call_soon_threadsafe(asked.set)
            assert allowed.wait(10)

        running = asyncio.create_task(make(Step.PROCESSING, a_dataset(), site, confirm))
        await asked.wait()
        running.cancel()
        await asyncio.sleep(0)
        # What is being published must not be pulled away.
        assert not running.done()
        assert left_in_scratch(site)
        allowed.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    assert left_in_scratch(site) == []
    assert progress(Step.PROCESSING, a_dataset(), site).complete


def test_an_engine_that_cannot_says_why(site, workshop):
    workshop.cannot = "there is no CALDB here"
    with pytest.raises(SoftwareFault, match="there is no CALDB here"):
        go(a_dataset(), site)


def test_what_cannot_be_done_matters_only_where_something_is_to_be_done(site, workshop):
    manifest = go(a_dataset(), site)
    workshop.cannot = "there is no CALDB here"
    assert go(a_dataset(), site) == manifest


def test_a_step_needs_the_ones_before(site, workshop):
    with pytest.raises(SoftwareFault, match="run processing first"):
        asyncio.run(make(Step.EXPOSURE, a_dataset(), site, lambda: None))


def test_the_engine_finds_its_inputs(site, workshop):
    manifest = go(a_dataset(), site)
    assert workshop.inputs
    assert workshop.inputs.downloads == site.downloads / "900001010"
    product = manifest.find(Kind.EVENTS)[0]
    assert workshop.inputs.locate(product).read_text() == product.fingerprint
    assert workshop.inputs.manifest


def test_progress_tells_what_is_kept_and_what_is_not(site, workshop):
    found = progress(Step.PROCESSING, a_dataset(), site)
    assert (found.complete, found.record, found.kept, len(found.stale)) == (False, None, (), 2)
    manifest = go(a_dataset(), site)
    found = progress(Step.EXTRACTION, a_dataset(), site)
    assert found.complete
    assert found.kept == manifest.of(Step.EXTRACTION)
    found = progress(Step.EXTRACTION, a_dataset(images={"binnings": (1,)}), site)
    assert not found.complete
    assert found.stale == ()
    assert len(manifest.of(Step.EXTRACTION)) - len(found.kept) == 1


@pytest.mark.system
def test_the_native_engine_makes_a_simulated_observation(site, tmp_path):
    observation = PROGRAMME[3]
    make_observation(tmp_path / "archive", observation, seed=1, events=2000)
    recipe = Recipe.model_validate(
        {
            "images": {"bands": ("0.6-10",), "binnings": (4,)},
            "exposure": {"binnings": (4,)},
            "light_curves": {"bands": ("0.6-2",), "time_bin": 2000.0},
        }
    )

    async def fetched() -> Dataset:
        brought = await fetch(site, observation.obsid)
        return downloaded_dataset(site, observation.obsid, next(iter(brought)), recipe)

    dataset = asyncio.run(fetched())
    manifest = go(dataset, site)
    assert not not_made(manifest)
    assert {(item.kind, item.role) for item in manifest.products} >= {
        (Kind.RATE_IMAGE, Role.FIELD),
        (Kind.LIGHT_CURVE, Role.NET),
        (Kind.GROUPED_SPECTRUM, Role.SOURCE),
        (Kind.REGION, Role.CALIBRATION),
    }
    before = stored(site)
    go(dataset, site)
    assert stored(site) == before
    assert left_in_scratch(site) == []
    assert manifest.target
    assert manifest.target.name == observation.name

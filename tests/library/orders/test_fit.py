"""The fit: ordered where the recipe has a model and the dataset allows it, else refused with the reason."""

from typing import Any

import pytest

from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, NotMade, Product, Role, Step
from tasks.library.orders import order
from tasks.xtend.cautions import caution, notice, severe

NATIVE = {"name": "native", "versions": {"native": "1", "sherpa": "4.19.0", "periodictable": "2.0.2"}}
HEASOFT = {"name": "heasoft", "versions": {"heasoft": "6.36", "caldb": "20260115-a", "pyxspec": "installed"}}
SPECTRUM = "xrism-xtend-obsid900001010-dataclass30000010-ra287.6-dec9.3-radius0.0333deg-enALL"
MODEL = {"model": "phabs*powerlaw"}


def product(kind: Kind, role: Role, name: str, **entry: Any) -> Product:
    return Product(
        step=Step.RESPONSES, kind=kind, role=role, name=name, entry=entry, path=f"somewhere/{name}", size=1,
        sha256="0" * 64, fingerprint=fingerprint(name, entry),
    )  # fmt: skip


@pytest.fixture
def manifest(dataset, done) -> Manifest:
    """A dataset with source and background spectrum, grouped optimally, RMF and ARF."""
    made = done(dataset())
    others = tuple(
        item for item in made.products if item.kind not in (Kind.GROUPED_SPECTRUM, Kind.RMF, Kind.ARF)
    )
    added = (
        product(Kind.GROUPED_SPECTRUM, Role.SOURCE, f"{SPECTRUM}-optgrp-spectrum.fits", grouping="opt"),
        product(Kind.RMF, Role.SOURCE, "a.rmf"),
        product(Kind.ARF, Role.SOURCE, "a.arf"),
    )
    return made.model_copy(update={"products": (*others, *added), "not_made": ()})


@pytest.fixture
def asked(dataset):
    """The dataset with a fit in its recipe and an engine that can make it."""

    def make(engine: dict[str, Any] = NATIVE, spectra: Any = None, **fit: Any):
        engines = dict.fromkeys(Step, NATIVE) | {Step.FIT: engine}
        recipe = {"fit": MODEL | fit} | ({"spectra": spectra} if spectra else {})
        return dataset(recipe=recipe, engines=engines)

    return make


def without(manifest: Manifest, kind: Kind, role: Role | None = None, why: str = "") -> Manifest:
    gone = {item.name for item in manifest.find(kind, role)}
    left = tuple(item for item in manifest.products if item.name not in gone)
    told = tuple(
        NotMade(step=item.step, kind=kind, role=item.role, why=why, name=item.name)
        for item in manifest.products
        if item.name in gone and why
    )
    return manifest.model_copy(update={"products": left, "not_made": told})


def with_cautions(manifest: Manifest, *cautions: Any) -> Manifest:
    return manifest.model_copy(update={"cautions": cautions})


def why(dataset: Any, manifest: Manifest) -> str:
    """The one reason of an order without a product."""
    ordered = order(Step.FIT, dataset, manifest)
    assert ordered.wanted == ()
    [refused] = ordered.not_made
    assert (refused.step, refused.kind, refused.role) == (Step.FIT, Kind.FIT, Role.SOURCE)
    return refused.why


def test_without_a_model_nothing_is_wanted_and_nothing_refused(dataset, manifest):
    for given in (
        manifest,
        without(manifest, Kind.RMF),
        with_cautions(manifest, severe("live-fraction", "x.")),
    ):
        ordered = order(Step.FIT, dataset(), given)
        assert (ordered.wanted, ordered.not_made, ordered.cautions) == ((), (), ())


@pytest.mark.parametrize("engine", [NATIVE, HEASOFT], ids=lambda engine: engine["name"])
def test_the_fit_of_a_dataset(asked, manifest, engine):
    [wanted] = order(Step.FIT, asked(engine), manifest).wanted
    assert wanted.spec.name == f"{SPECTRUM}-fit.json"
    assert (wanted.spec.kind, wanted.spec.role) == (Kind.FIT, Role.SOURCE)
    assert wanted.spec.entry == {"model": "phabs*powerlaw", "band": "0.5-10.0", "grouping": "opt"}
    assert wanted.cautions == ()


@pytest.mark.parametrize(
    "change",
    [
        {"model": "phabs*bbody"}, {"band": "0.6-8"}, {"freeze": {"phabs.nH": 0.1}},
        {"start": {"phabs.nH": 0.1}}, {"bounds": {"phabs.nH": (0, 5)}}, {"statistic": "cstat"},
        {"abundances": "wilm"},
        {"engine": {**NATIVE, "versions": NATIVE["versions"] | {"sherpa": "4.20.0"}}},
        {"engine": HEASOFT},
    ],
    ids=str,
)  # fmt: skip
def test_what_changes_a_fit_makes_it_stale(asked, manifest, change):
    before, after = (order(Step.FIT, each, manifest).wanted[0] for each in (asked(), asked(**change)))
    assert before.spec.name == after.spec.name
    assert before.fingerprint != after.fingerprint


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (Kind.GROUPED_SPECTRUM, Role.SOURCE), (Kind.SPECTRUM, Role.BACKGROUND), (Kind.RMF, None),
        (Kind.ARF, None),
    ],
)  # fmt: skip
def test_it_depends_on_its_files_alone(asked, manifest, kind, role):
    def remade(matches: Any) -> str:
        products = tuple(
            item.model_copy(update={"fingerprint": "f" * 64}) if matches(item) else item
            for item in manifest.products
        )
        return (
            order(Step.FIT, asked(), manifest.model_copy(update={"products": products})).wanted[0].fingerprint
        )

    used = {item.name for item in manifest.find(kind, role)}
    before = order(Step.FIT, asked(), manifest).wanted[0].fingerprint
    assert remade(lambda item: item.name in used) != before
    assert remade(lambda item: item.kind in (Kind.IMAGE, Kind.LIGHT_CURVE, Kind.EXPOSURE_MAP)) == before


def test_insisting_changes_no_fit_that_is_made_anyway(asked, manifest):
    one, two = (
        order(Step.FIT, asked(despite=ids), manifest).wanted[0].fingerprint
        for ids in ((), ("extended-target",))
    )
    assert one == two


def test_another_grouping_is_another_spectrum(asked, manifest):
    spectra = {"grouping": ("opt", "bmin:3")}
    more = product(Kind.GROUPED_SPECTRUM, Role.SOURCE, "b.fits", grouping="bmin:3")
    both = manifest.model_copy(update={"products": (*manifest.products, more)})
    marks = {
        order(Step.FIT, asked(spectra=spectra, grouping=rule), both).wanted[0].fingerprint
        for rule in ("opt", "bmin:3")
    }
    assert len(marks) == 2


def test_without_a_source_spectrum_the_reason_is_that_of_the_region(asked, manifest):
    bare = without(manifest, Kind.SPECTRUM, Role.SOURCE)
    assert why(asked(), bare) == "there is no source spectrum"
    bare = without(bare, Kind.REGION, Role.SOURCE, "the target is not exposed")
    assert why(asked(), bare) == "the target is not exposed"


def test_without_an_rmf_the_reason_is_that_of_the_responses(asked, manifest):
    bare = without(manifest, Kind.RMF, why="no RMF without HEASoft")
    assert why(asked(), bare) == "there is no RMF: no RMF without HEASoft"


def test_without_its_groups_the_reason_is_theirs(asked, manifest):
    spectra = {"grouping": ("opt", "bmin:3")}
    told = NotMade(
        step=Step.DERIVED, kind=Kind.GROUPED_SPECTRUM, role=Role.SOURCE, why="there is no background",
        name=f"{SPECTRUM}-bmingrp3-spectrum.fits",
    )  # fmt: skip
    other = told.model_copy(update={"name": "other.fits", "why": "another reason"})
    bare = manifest.model_copy(update={"not_made": (other, told)})
    said = why(asked(spectra=spectra, grouping="bmin:3"), bare)
    assert said == "there is no source spectrum grouped bmin:3: there is no background"


def test_without_an_arf_only_who_insists_gets_a_fit(asked, manifest):
    bare = without(manifest, Kind.ARF, why="no ARF without HEASoft and CALDB")
    said = why(asked(), bare)
    assert said.startswith("there is no ARF, without which norms mean nothing: no ARF without HEASoft")
    assert said.endswith('fit.despite = ["no-effective-area"] makes the fit all the same')
    assert order(Step.FIT, asked(despite=("no-effective-area",)), bare).wanted


@pytest.mark.parametrize("identifier", ["no-source-at-target", "extended-target"])
def test_cautions_forbid_a_fit_unless_the_recipe_insists(asked, manifest, identifier):
    told = severe(identifier, "The target is odd.")
    cautioned = with_cautions(manifest, notice("adopted-events", "Adopted."), told)
    said = why(asked(), cautioned)
    assert said == f'The target is odd. fit.despite = ["{identifier}"] makes the fit all the same'
    [wanted] = order(Step.FIT, asked(despite=(identifier,)), cautioned).wanted
    assert wanted.cautions == (told,)


def test_an_arf_of_the_extended_source_is_right(asked, manifest):
    cautioned = with_cautions(manifest, severe("extended-target", "It is extended."))
    for source_type, fitted in (("POINT", 0), ("FLATCIRCLE", 1), ("IMAGE", 1)):
        arf = product(Kind.ARF, Role.SOURCE, "a.arf", source_type=source_type)
        others = (item for item in cautioned.products if item.kind != Kind.ARF)
        given = cautioned.model_copy(update={"products": (*others, arf)})
        assert len(order(Step.FIT, asked(), given).wanted) == fitted


def test_what_blocks_responses_blocks_fits(asked, manifest):
    said = why(asked(), with_cautions(manifest, severe("live-fraction", "The good time is odd.")))
    assert "live-fraction" in said
    assert order(Step.FIT, asked(), with_cautions(manifest, caution("pile-up", "Bright."))).wanted


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"name": "native", "versions": {"native": "1"}}, "pip install 'xtendflow[sherpa]', or make sherpa"),
        ({"name": "heasoft", "versions": {"heasoft": "6.36"}}, "there is no PyXspec for this Python"),
    ],
)
def test_where_nothing_can_fit_it_is_said_how_to_get_it(asked, manifest, engine, said):
    assert said in why(asked(engine), manifest)


def test_a_model_of_xspec_needs_xspec(asked, manifest):
    said = why(asked(model="tbabs*apec"), manifest)
    assert said.startswith("tbabs is a model of XSPEC, and Sherpa as installed here has no XSPEC models")
    assert order(Step.FIT, asked(HEASOFT, model="tbabs*apec"), manifest).wanted

"""Which products a change makes stale: every step × every cause."""

from collections.abc import Iterable
from fnmatch import fnmatch

import pytest

from tasks.core.errors import Permanent, SoftwareFault
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, Product, Role, Step
from tasks.library.orders import PRODUCT_STEPS, STEP_VERSIONS, order

EVENTS = "xtend/event_cl/xa900001010xtd_p030000010_cl.evt.gz"
BIMG = "xtend/event_uf/xa900001010xtd_p030000010.bimg.gz"
EHK = "auxil/xa900001010.ehk.gz"
RMF = "xtend/products/xa900001010xtd_src.rmf.gz"
UNFILTERED = "xtend/event_uf/xa900001010xtd_p030000010_uf.evt.gz"

REGIONS = {"region source", "region background"}
SPECTRA = {"spectrum *", "grouped-spectrum *"}
BY_EXPOSURE = REGIONS | SPECTRA | {"exposure-map *", "rate-image *", "light-curve net *"}
CURVES = {"light-curve *"}
OF_SOURCE = {"light-curve source *", "spectrum source", "grouped-spectrum *", "light-curve net *"}
LOADERS = {"loader-script *"}
OF_BACKGROUND = {"light-curve background *", "spectrum background", "light-curve net *", *LOADERS}
BANDS = {"image *", "rate-image *", *CURVES}
MADE_OF_EVENTS = {"cleaned-events *", "region *", "image *", *BY_EXPOSURE, *CURVES}
ALL = {"*"}
BY_RMF = {"rmf *", "arf *", "grouped-spectrum source opt*", *LOADERS}
FOLLOWING = {
    Step.PROCESSING: ALL,
    Step.EXPOSURE: {*BY_EXPOSURE, *BY_RMF, "raytraced-events *", "efficiency-map *"},
    Step.REGIONS: {"region *"},
    Step.EXTRACTION: {"image *", "rate-image *", *CURVES, *SPECTRA, *BY_RMF},
    Step.DERIVED: {"rate-image *", "grouped-spectrum source min*", "light-curve net *"},
    Step.RESPONSES: {*BY_RMF, "raytraced-events *"},
    Step.FIT: set(),
}
"""What a step makes, and what follows from it; regions come out the same here."""
TAKEN = {"rmf *", "arf *", *LOADERS}
"""What follows from a spectrum only where its responses are made and not taken from the archive."""
NATIVE = {"name": "native", "versions": {"native": "1"}}
HEASOFT = {"name": "heasoft", "versions": {"heasoft": "6.36", "caldb": "20260115-a", "heasoft-engine": "1"}}


def everywhere(name: str, versions: dict[str, str]) -> dict[Step, dict[str, object]]:
    """One engine for every step."""
    return {step: {"name": name, "versions": versions} for step in Step}


def following(step: Step, use: dict[str, object]) -> set[str]:
    """What follows from a step where all others are done by one engine."""
    if use is HEASOFT or step == Step.RESPONSES:
        return FOLLOWING[step]
    return {"bad-pixel-image *", *MADE_OF_EVENTS} if step == Step.PROCESSING else FOLLOWING[step] - TAKEN


CAUSES = {
    "nothing": ({}, set()),
    "events": ({"content": {EVENTS: "new"}}, MADE_OF_EVENTS),
    "bad pixels": ({"content": {BIMG: "new"}}, {"bad-pixel-image *", *BY_EXPOSURE}),
    "EHK": ({"content": {EHK: "new"}}, BY_EXPOSURE),
    "no EHK": ({"absent": (EHK,)}, BY_EXPOSURE),
    "no bad pixels": ({"absent": (BIMG,)}, BY_EXPOSURE),
    "neither": ({"absent": (BIMG, EHK)}, BY_EXPOSURE),
    "engine": ({"engines": everywhere("other", {"native": "1"})}, ALL),
    "engine's version": ({"engines": everywhere("native", {"native": "2"})}, ALL),
    "another version": ({"engines": everywhere("native", {"native": "1", "CALDB": "20260101"})}, ALL),
    "how often the archive is looked at": ({"recipe": {"archive": {"look_again_days": 1.0}}}, set()),
    "discovery's cautions": (
        {"cautions": ({"id": "a", "severity": "notice", "sentence": "b."},)},
        set(),
    ),
    "recipe name": ({"recipe": {"name": "other"}}, set()),
    # None of these cautions is on the dataset.
    "cautions that forbid": ({"recipe": {"blocking": ("pile-up",)}}, set()),
    "recipe engine": ({"recipe": {"engine": "native"}}, set()),
    "edges": ({"recipe": {"edges": "disjoint"}}, BANDS),
    "image band more": (
        {"recipe": {"images": {"bands": ("2-10", "0.6-2", "0.4-2")}}},
        {"image field 2.0-10.0 *", "rate-image field 2.0-10.0 *"},
    ),
    "image bands turned": ({"recipe": {"images": {"bands": ("0.4-2", "0.6-2")}}}, set()),
    "image band less": ({"recipe": {"images": {"bands": ("0.6-2",)}}}, set()),
    "image binning": ({"recipe": {"images": {"binnings": (1, 4, 2)}}}, {"image field * 2"}),
    "delta": ({"recipe": {"exposure": {"delta_arcmin": 5.0}}}, BY_EXPOSURE),
    "numphi": ({"recipe": {"exposure": {"numphi": 4}}}, BY_EXPOSURE),
    "exposure binning more": ({"recipe": {"exposure": {"binnings": (1, 4, 8)}}}, {"exposure-map field 8"}),
    "exposure binning less": ({"recipe": {"exposure": {"binnings": (4,)}}}, set()),
    "calibration sources": ({"recipe": {"exposure": {"mask_calibration": False}}}, BY_EXPOSURE),
    "minimum exposure": ({"recipe": {"exposure": {"minimum_fraction": 0.5}}}, {"rate-image *"}),
    "curve band more": (
        {"recipe": {"light_curves": {"bands": ("0.6-2", "2-6", "6-10")}}},
        {"light-curve * 6.0-10.0"},
    ),
    "curve band less": ({"recipe": {"light_curves": {"bands": ("2-6",)}}}, set()),
    "time bin": ({"recipe": {"light_curves": {"time_bin": 50.0}}}, CURVES),
    "exposure threshold": ({"recipe": {"light_curves": {"exposure_threshold": 0.5}}}, CURVES),
    "errors of net curves": ({"recipe": {"light_curves": {"net_errors": "linear"}}}, {"light-curve net *"}),
    "BACKSCAL": ({"recipe": {"spectra": {"backscal": "maximum"}}}, {*SPECTRA, "light-curve net *"}),
    "grouping": (
        {"recipe": {"spectra": {"grouping": ("min:25", "opt", "bmin:3", "optmin:9")}}},
        {"grouped-spectrum source *:*", *LOADERS},
    ),
    "groupings turned": (
        {"recipe": {"spectra": {"grouping": ("opt", "min:1")}}}, LOADERS,
    ),
    "the archive's RMF": ({"content": {RMF: "new"}}, BY_RMF),
    "no RMF in the archive": ({"absent": (RMF,)}, set()),
    "source radius": ({"recipe": {"source": {"radius_arcmin": 1.0}}}, REGIONS | OF_SOURCE | LOADERS),
    "background radius": (
        {"recipe": {"background": {"radius_arcmin": 2.0}}},
        {"region background", *OF_BACKGROUND},
    ),
    # These regions come out the same here, so what was taken in them stays.
    "background's least radius": (
        {"recipe": {"background": {"minimum_radius_arcmin": 2.0}}}, {"region background"}
    ),
    **{
        f"source {name}": ({"recipe": {"source": {name: value}}}, REGIONS)
        for name, value in {"minimum_fraction": 0.3, "centre": "peak", "shift_arcsec": 20.0}.items()
    },
    # It holds no region of this observation.
    "folder of regions": ({"recipe": {"source": {"region_folder": "/"}}}, set()),
    "background minimum": ({"recipe": {"background": {"minimum_fraction": 0.9}}}, {"region background"}),
    **{
        f"recipe engine of {step}": ({"recipe": {"engines": {step: "native"}}}, set())
        for step in (Step.PROCESSING, *PRODUCT_STEPS)
    },
    **{
        f"HEASoft {name}": ({"recipe": {"heasoft": {name: value}}}, set())
        for name, value in {
            "version": "6.36", "caldb": "20260101", "chatter": 3, "seed": 1, "calc_modegti": "yes",
            "flickering": "xtdpixclip", "efficiency_energy_kev": 6.0, "hours": 1.0,
        }.items()
    },
    **{
        f"responses {name}": ({"recipe": {"responses": {name: value}}}, set())
        for name, value in {
            "source_type": "FLATCIRCLE", "flat_radius_arcmin": 3.0,
            "beta": (1.0, 0.6, 5.0), "image": "a.fits", "numphoton": 1000, "minphoton": 1,
            "erange": (0.3, 17.0, 0.0, 0.0),
        }.items()
    },
    "responses fit_band_kev": ({"recipe": {"responses": {"fit_band_kev": (0.6, 10.0)}}}, LOADERS),
    "a given RMF": ({"recipe": {"responses": {"rmf": __file__}}}, BY_RMF),
    "a given ARF": ({"recipe": {"responses": {"arf": __file__}}}, {"arf *", *LOADERS}),
    # None is made here, where there is no response.
    **{
        f"fit {name}": ({"recipe": {"fit": {name: value}}}, set())
        for name, value in {
            "model": "powerlaw", "band": "0.6-8", "freeze": {"powerlaw.PhoIndex": 2.0},
            "start": {"powerlaw.norm": 1e-3}, "bounds": {"powerlaw.PhoIndex": (0, 3)}, "statistic": "cstat",
            "grouping": "min:1", "abundances": "wilm", "despite": ("no-effective-area",),
        }.items()
    },
}  # fmt: skip


def label(product: Product) -> str:
    """Kind, role, band, binning and grouping."""
    entry = (product.entry.get(key) for key in ("band", "binning", "grouping"))
    parts = (product.kind, product.role, *entry)
    return " ".join(str(part) for part in parts if part is not None)


def stale(before: Manifest, after: Manifest) -> list[Product]:
    kept = {(item.name, item.fingerprint) for item in before.products}
    return [item for item in after.products if (item.name, item.fingerprint) not in kept]


def check(before: Manifest, after: Manifest, expected: Iterable[str]) -> None:
    """Exactly the products whose label fits one of these patterns are stale."""
    found = {label(item) for item in stale(before, after)}
    labels = {label(item) for item in after.products}
    fitting = {name for name in labels if any(fnmatch(name, pattern) for pattern in expected)}
    assert found == fitting


def test_every_field_of_the_recipe_is_in_the_table(dataset):
    fields = {
        (part, name)
        for part, value in dataset().recipe.model_dump().items()
        for name in (value if isinstance(value, dict) else (None,))
    }
    changed = {
        (part, name)
        for change, _ in CAUSES.values()
        for part, value in change.get("recipe", {}).items()
        for name in (value if isinstance(value, dict) else (None,))
    }
    assert changed == fields


@pytest.mark.parametrize("cause", CAUSES)
def test_a_change_makes_its_own_products_stale_and_no_others(dataset, done, cause):
    change, expected = CAUSES[cause]
    check(done(dataset()), done(dataset(**change)), expected)


def test_without_a_map_it_does_not_matter_what_backscal_would_be_divided_by(dataset, done):
    asked = [dataset(absent=(EHK,), recipe={"spectra": {"backscal": way}}) for way in ("exposure", "maximum")]
    check(*map(done, asked), set())


@pytest.mark.parametrize("step", FOLLOWING)
@pytest.mark.parametrize("use", [NATIVE, HEASOFT], ids=lambda use: use["name"])
def test_a_new_version_of_a_step(dataset, done, monkeypatch, step, use):
    before = done(dataset(engines=dict.fromkeys(FOLLOWING, use)))
    monkeypatch.setitem(STEP_VERSIONS, step, STEP_VERSIONS[step] + 1)
    check(before, done(dataset(engines=dict.fromkeys(FOLLOWING, use))), following(step, use))


@pytest.mark.parametrize("step", FOLLOWING)
@pytest.mark.parametrize(
    ("use", "other"),
    [
        (NATIVE, HEASOFT),
        (HEASOFT, NATIVE),
        (NATIVE, NATIVE | {"versions": {"native": "2"}}),
        (HEASOFT, HEASOFT | {"versions": {**HEASOFT["versions"], "heasoft": "6.37"}}),
        (HEASOFT, HEASOFT | {"versions": {**HEASOFT["versions"], "caldb": "20260301-b"}}),
    ],
)
def test_another_engine_or_version_of_one_step(dataset, done, step, use, other):
    engines = dict.fromkeys(FOLLOWING, use)
    before, after = done(dataset(engines=engines)), done(dataset(engines={**engines, step: other}))
    check(before, after, following(step, use))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seed": 1}, ALL),
        ({"calc_modegti": "yes"}, ALL),
        (
            {"flickering": "xtdpixclip"},
            {*MADE_OF_EVENTS, "flickering-pixels *", *FOLLOWING[Step.EXPOSURE]},
        ),
        ({"efficiency_energy_kev": 6.0}, {"efficiency-map *"}),
        ({"chatter": 5, "hours": 1.0, "version": "6.36", "caldb": "20260115-a"}, set()),
    ],
)
def test_what_the_recipe_says_to_heasoft(dataset, done, changes, expected):
    engines = dict.fromkeys(FOLLOWING, HEASOFT)
    before = done(dataset(engines=engines))
    check(before, done(dataset(engines=engines, recipe={"heasoft": changes})), expected)


def test_reprocessed_events_depend_on_all_that_the_pipeline_reads(dataset, done):
    engines = dict.fromkeys(FOLLOWING, HEASOFT)
    before = done(dataset(engines=engines))
    for name in (UNFILTERED, EHK):
        check(before, done(dataset(engines=engines, content={name: "new"})), ALL)
    for name in (EVENTS, BIMG):
        check(before, done(dataset(engines=engines, content={name: "new"})), set())
    assert [item.name for item in before.of(Step.PROCESSING)] == [
        "xa900001010xtd_p030000010_cl.evt",
        "xa900001010xtd_p030000010.bimg",
    ]


def test_without_unfiltered_events_nothing_can_be_reprocessed(dataset):
    engines = {**dict.fromkeys(FOLLOWING, NATIVE), Step.PROCESSING: HEASOFT}
    with pytest.raises(Permanent, match="900001010/30000010 cannot be reprocessed: no unfiltered events"):
        order(Step.PROCESSING, dataset(engines=engines, absent=(UNFILTERED,)), None)


def test_what_only_heasoft_makes_is_refused_with_the_reason(dataset, done):
    recipe = {"heasoft": {"flickering": "searchflickpix", "efficiency_energy_kev": 6.0}}
    manifest = done(dataset(recipe=recipe))
    whys = {item.kind: item.why for item in manifest.not_made}
    assert "searchflickpix runs only where HEASoft processes them" in whys[Kind.FLICKERING]
    assert "only HEASoft" in whys[Kind.EFFICIENCY_MAP]
    manifest = done(dataset(recipe=recipe, engines=dict.fromkeys(FOLLOWING, HEASOFT)))
    assert {item.kind for item in manifest.products} >= {Kind.FLICKERING, Kind.EFFICIENCY_MAP}
    assert not {item.kind for item in manifest.not_made} & {Kind.FLICKERING, Kind.EFFICIENCY_MAP}


def test_every_step_has_a_version():
    assert set(STEP_VERSIONS) == {Step.PROCESSING, *PRODUCT_STEPS} == set(Step) - {Step.DOWNLOAD}


@pytest.mark.parametrize(
    ("moved", "new_content", "expected"),
    [
        ({"ra": 287.7}, True, REGIONS | OF_SOURCE | OF_BACKGROUND),
        ({"dec": 9.4}, True, REGIONS | OF_SOURCE | OF_BACKGROUND),
        ({"name": "another name"}, False, REGIONS),
    ],
)
def test_another_target(dataset, done, moved, new_content, expected):
    target = {"name": "one", "ra": 287.6, "dec": 9.3, "origin": "asked for"}

    def content(wanted, _):
        place = fingerprint(moved) if new_content else ""
        return f"{wanted.spec.role} {place}" if wanted.spec.kind == Kind.REGION else wanted.fingerprint

    before = done(dataset(), lambda wanted, _: content(wanted, _).removesuffix(fingerprint(moved)), target)
    check(before, done(dataset(), content, target | moved), expected)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.SOURCE, OF_SOURCE),
        (Role.BACKGROUND, OF_BACKGROUND),
        (Role.CALIBRATION, set()),
    ],
)
def test_a_region_of_other_content(dataset, done, role, expected):
    def content(wanted, _):
        return "moved" if (wanted.spec.kind, wanted.spec.role) == (Kind.REGION, role) else "same"

    check(done(dataset(), lambda *_: "same"), done(dataset(), content), expected)


def refusing(kind: Kind, role: Role):
    return lambda item, _: "" if (item.spec.kind, item.spec.role) == (kind, role) else item.fingerprint


@pytest.mark.parametrize(
    ("role", "gone"),
    [
        (
            Role.BACKGROUND,
            {"region background", "light-curve background *", "light-curve net *", "spectrum background"},
        ),
        (
            Role.SOURCE,
            {"region source", "light-curve source *", "light-curve net *", "spectrum source",
             "grouped-spectrum *", "rmf *", *LOADERS},
        ),
    ],
)  # fmt: skip
def test_without_a_region_its_products_are_refused_with_the_reason(dataset, done, role, gone):
    before = done(dataset(), lambda item, _: item.fingerprint)
    after = done(dataset(), refusing(Kind.REGION, role))
    labels = {label(item) for item in before.products}
    lost = {name for name in labels if any(fnmatch(name, pattern) for pattern in gone)}
    assert {label(item) for item in after.products} == labels - lost
    refused = [(item.step, item.kind, item.role) for item in after.not_made if item.why == f"no {role}"]
    assert set(refused) >= {
        (Step.EXTRACTION, Kind.LIGHT_CURVE, role),
        (Step.EXTRACTION, Kind.SPECTRUM, role),
        (Step.DERIVED, Kind.LIGHT_CURVE, Role.NET),
    }


def test_a_region_that_vanished_without_a_word_is_told_as_such(dataset, done):
    manifest = done(dataset(), refusing(Kind.REGION, Role.SOURCE)).model_copy(update={"not_made": ()})
    refused = order(Step.EXTRACTION, dataset(), manifest).not_made
    assert {item.why for item in refused} == {"there is no source region"}


def test_without_a_map_there_are_no_rates_and_it_is_said(dataset, done):
    for manifest in (
        done(dataset(absent=(EHK,))),
        done(dataset(), refusing(Kind.EXPOSURE_MAP, Role.FIELD)),
    ):
        assert not manifest.find(Kind.RATE_IMAGE)
        whys = {item.why for item in manifest.not_made if item.kind == Kind.RATE_IMAGE}
        assert "there is no exposure map at binning 1" in whys
    [caution] = order(Step.EXPOSURE, dataset(absent=(EHK,)), manifest).cautions
    assert caution.id == "no-exposure-map"
    assert "EHK" in caution.sentence


@pytest.mark.parametrize(("absent", "lacking"), [(EHK, "EHK file"), (BIMG, "bad-pixel image")])
def test_a_missing_file_is_the_reason_for_no_map(dataset, done, absent, lacking):
    manifest = done(dataset(absent=(absent,)))
    whys = [item.why for item in manifest.not_made if item.kind == Kind.EXPOSURE_MAP]
    assert whys == [f"the archive holds no {lacking} for this dataset"]


def test_a_spectrum_that_tells_no_area_leaves_no_net_curve(dataset, done):
    manifest = done(dataset(), refusing(Kind.SPECTRUM, Role.BACKGROUND))
    assert not manifest.find(Kind.LIGHT_CURVE, Role.NET)
    assert [item.why for item in manifest.not_made if item.role == Role.NET] == [
        "there is no background spectrum that tells its area"
    ]


def test_without_a_background_curve_there_is_no_net_curve(dataset, done):
    manifest = done(dataset(), refusing(Kind.LIGHT_CURVE, Role.BACKGROUND))
    assert not manifest.find(Kind.LIGHT_CURVE, Role.NET)
    refused = [item for item in manifest.not_made if item.role == Role.NET]
    assert {item.why for item in refused} == {"there is no background light curve"}
    assert len({item.name for item in refused}) == 2


@pytest.mark.parametrize("kind", [Kind.LIGHT_CURVE, Kind.SPECTRUM])
@pytest.mark.parametrize("role", [Role.SOURCE, Role.BACKGROUND])
def test_a_net_curve_depends_on_both_curves_and_both_spectra(dataset, done, kind, role):
    manifest = done(dataset())
    other = manifest.model_copy(
        update={
            "products": tuple(
                item.model_copy(update={"fingerprint": "0" * 64})
                if (item.kind, item.role) == (kind, role)
                else item
                for item in manifest.products
            )
        }
    )
    before, after = (
        {item.fingerprint for item in order(Step.DERIVED, dataset(), given).wanted if item.spec.role == "net"}
        for given in (manifest, other)
    )
    assert len(after) == 2
    assert not before & after


def test_low_energies_carry_a_caution_and_give_no_rates(dataset, done):
    manifest = done(dataset(recipe={"images": {"bands": ("0.3-2", "0.4-2", "0.5-2", "0.6-2")}}))
    severities = {
        item.entry["band"]: [caution.severity for caution in item.cautions]
        for item in manifest.find(Kind.IMAGE, binning=1)
    }
    assert severities == {
        "0.3-2.0": ["severe"], "0.4-2.0": ["severe"], "0.5-2.0": ["notice"], "0.6-2.0": [],
    }  # fmt: skip
    assert {item.entry["band"] for item in manifest.find(Kind.RATE_IMAGE)} == {"0.5-2.0", "0.6-2.0"}
    assert {item.entry["band"]: len(item.cautions) for item in manifest.find(Kind.RATE_IMAGE)} == {
        "0.5-2.0": 1, "0.6-2.0": 0,
    }  # fmt: skip


def test_the_unbinned_map_is_made_whatever_is_asked(dataset, done):
    manifest = done(dataset(recipe={"exposure": {"binnings": (8,)}}))
    assert {item.entry["binning"] for item in manifest.find(Kind.EXPOSURE_MAP)} == {1, 8}


@pytest.mark.parametrize("step", PRODUCT_STEPS)
def test_nothing_is_ordered_before_processing(dataset, step):
    with pytest.raises(SoftwareFault, match=f"900001010/30000010: the step {step} needs the cleaned events"):
        order(step, dataset(), None)


def test_split_event_files_are_one_dataset(dataset, done):
    second = EVENTS.replace("xtd_p0", "xtd_p1")
    given = dataset().inputs.model_dump()
    given["inputs"] = (*given["inputs"], {"name": second, "size": 1, "sha256": "0" * 64})
    split = dataset(inputs=given | {"events": (EVENTS, second)})
    manifest = done(split)
    assert [item.name for item in manifest.find(Kind.EVENTS)] == [
        "xa900001010xtd_p030000010_cl.evt.gz",
        "xa900001010xtd_p130000010_cl.evt.gz",
    ]
    # The first list and the bad pixels stay as they were, and so does what does not look at events.
    changed = stale(done(dataset()), manifest)
    kept = [item.kind for item in manifest.products if item not in changed]
    assert kept == [Kind.EVENTS, Kind.BAD_PIXELS, Kind.RMF, Kind.LOADER, Kind.LOADER]

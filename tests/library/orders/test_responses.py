"""RMF, ARF, ray-traced events: made by HEASoft, given, or the archive's; what needs them; when made again."""

import pytest

from tasks.core.errors import BadInput
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.orders import order
from tasks.library.orders.responses import (
    NATIVE_MAP,
    NO_RMF,
    WITHOUT_HEASOFT,
    raytrace_key,
    release_of,
    source_position,
    why_no_arf,
    without_axis_offset,
)
from tasks.xtend.cautions import Severity, severe

VERSIONS = {"heasoft": "6.36", "heasoftpy": "1.5", "caldb": "20251115-aaaaaaaaaaaa", "heasoft-engine": "1"}
REMOTE = "https://nasa-heasarc.s3.amazonaws.com/caldb 20251115-aaaaaaaaaaaa"


def engines(name="heasoft", **versions):
    """All steps done natively, but the responses and the exposure map that they need."""
    native = {step: {"name": "native", "versions": {"native": "1"}} for step in Step}
    ours = {Step.RESPONSES: {"name": name, "versions": VERSIONS | versions}}
    return native | ours | {Step.EXPOSURE: {"name": name, "versions": VERSIONS}}


@pytest.fixture
def responses(dataset, done):
    """The order of the responses of a dataset; keywords go to the dataset."""

    def make(engine="heasoft", content=None, versions=None, **fields):
        asked = dataset(engines=engines(engine, **(versions or {})), **fields)
        manifest = done(asked) if content is None else done(asked, content)
        return order(Step.RESPONSES, asked, manifest)

    return make


RMF = "xtend/products/xa900001010xtd_src.rmf.gz"
MADE = {Kind.RMF, Kind.ARF, Kind.RAYTRACE}


def by_kind(made):
    """What is wanted, without scripts and grouped spectra."""
    return {item.spec.kind: item for item in made.wanted if item.spec.kind in MADE}


def whys(made):
    return {(item.kind, item.name): item.why for item in made.not_made}


def test_what_is_made(responses):
    made = by_kind(responses())
    stem = "xrism-xtend-obsid900001010-dataclass30000010"
    assert {kind: item.spec.name for kind, item in made.items()} == {
        Kind.RMF: f"{stem}.rmf",
        Kind.ARF: f"{stem}-ra287.6-dec9.3-radius0.0333deg-enALL.arf",
        Kind.RAYTRACE: f"{stem}-ra287.6-dec9.3-numphoton300000-enALL-raytracedevents.fits",
    }
    assert {item.spec.role for item in made.values()} == {Role.SOURCE}
    assert made[Kind.ARF].spec.entry == {"erange": [0.3, 18.0, 0.0, 0.0], "source_type": "POINT"}


STEM = "xrism-xtend-obsid900001010-dataclass30000010"
SPECTRUM = f"{STEM}-ra287.6-dec9.3-radius0.0333deg-enALL-spectrum.fits"
MINIMUM, OPTIMAL = (SPECTRUM.replace("-spectrum", f"-{kind}-spectrum") for kind in ("mingrp1", "optgrp"))


def test_without_heasoft_the_archives_rmf_stands_in(responses, dataset):
    made = responses("native")
    [rmf] = by_kind(made).values()
    assert (rmf.spec.name, rmf.spec.entry) == (f"{STEM}.rmf", {"origin": "archive"})
    assert [(item.id, item.severity) for item in rmf.cautions] == [("quick-look", Severity.NOTICE)]
    assert whys(made) == {(Kind.ARF, None): WITHOUT_HEASOFT}


def test_without_any_rmf_what_needs_one_is_refused(responses):
    made = responses("native", absent=(RMF,))
    assert not made.wanted
    assert whys(made) == {
        (Kind.RMF, None): NO_RMF,
        (Kind.ARF, None): WITHOUT_HEASOFT,
        (Kind.GROUPED_SPECTRUM, OPTIMAL): "there is no RMF",
    }


def test_heasoft_does_not_take_the_archives(responses):
    made = by_kind(responses())
    assert made.keys() == MADE
    assert "origin" not in made[Kind.RMF].spec.entry
    assert not made[Kind.RMF].cautions


@pytest.mark.parametrize("engine", ["native", "heasoft"])
def test_given_responses_take_the_place_of_others(responses, tmp_path, engine):
    (tmp_path / "a.rmf").write_bytes(b"matrix")
    (tmp_path / "a.arf").write_bytes(b"area")
    given = {"rmf": str(tmp_path / "a.rmf"), "arf": str(tmp_path / "a.arf")}
    first = by_kind(responses(engine, recipe={"responses": given}))
    assert {kind: item.spec.entry for kind, item in first.items()} == {
        Kind.RMF: {"origin": "given"},
        Kind.ARF: {"origin": "given"},
    }
    assert first[Kind.ARF].spec.name == SPECTRUM.replace("-spectrum.fits", ".arf")
    assert not first[Kind.RMF].cautions
    # The content counts, wherever it lies.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a.rmf").rename(tmp_path / "elsewhere" / "a.rmf")
    moved = given | {"rmf": str(tmp_path / "elsewhere" / "a.rmf")}
    assert by_kind(responses(engine, recipe={"responses": moved})) == first
    (tmp_path / "a.arf").write_bytes(b"another")
    second = by_kind(responses(engine, recipe={"responses": moved}))
    assert second[Kind.RMF] == first[Kind.RMF]
    assert second[Kind.ARF].fingerprint != first[Kind.ARF].fingerprint


def test_each_dataset_has_its_own_file(responses, dataset, tmp_path):
    own = dataset()
    (tmp_path / f"{own.obsid}-{own.dataclass}.arf").write_bytes(b"its own")
    named = {"rmf": __file__, "arf": str(tmp_path / "{obsid}-{dataclass}.arf")}
    assert by_kind(responses("native", recipe={"responses": named}))[Kind.ARF].spec.entry == {
        "origin": "given"
    }


@pytest.mark.parametrize("field", ["rmf", "arf"])
@pytest.mark.parametrize(("path", "why"), [("none.file", "No such file"), (".", "Is a directory")])
def test_a_given_response_that_cannot_be_read(responses, tmp_path, field, path, why):
    recipe = {"responses": {field: str(tmp_path / path)}}
    with pytest.raises(
        BadInput, match=rf"responses\.{field} of the recipe, {tmp_path}.* cannot be read: {why}"
    ):
        responses("native", recipe=recipe)


def test_heasoft_makes_an_arf_for_a_given_rmf(responses):
    made = by_kind(responses(recipe={"responses": {"rmf": __file__}}))
    assert made.keys() == MADE
    assert made[Kind.RMF].spec.entry == {"origin": "given"}
    assert made[Kind.ARF].spec.entry["source_type"] == "POINT"
    assert made[Kind.RMF].fingerprint != by_kind(responses())[Kind.RMF].fingerprint


def test_a_given_arf_without_an_rmf_is_refused(responses):
    made = responses("native", recipe={"responses": {"arf": __file__}}, absent=(RMF,))
    assert not made.wanted
    assert whys(made)[Kind.ARF, None].startswith("there is no RMF that gives its energies: no RMF without")


@pytest.mark.parametrize("engine", ["native", "heasoft"])
def test_groupings_that_look_at_the_resolution_come_with_the_rmf(responses, engine):
    made = responses(engine, recipe={"spectra": {"grouping": ("bmin:3", "opt", "min:1", "optmin:20")}})
    grouped = {item.spec.name: item for item in made.wanted if item.spec.kind == Kind.GROUPED_SPECTRUM}
    assert {name: item.spec.entry for name, item in grouped.items()} == {
        OPTIMAL: {"grouping": "opt"},
        OPTIMAL.replace("optgrp", "optmingrp20"): {"grouping": "optmin:20"},
    }


def test_scripts_name_the_first_grouping_and_all_that_belongs_to_it(responses):
    both = [item.spec for item in responses().wanted if item.spec.kind == Kind.LOADER]
    assert [spec.name for spec in both] == ["load.xcm", "load_sherpa.py"]
    for spec in both:
        background = spec.entry["files"]["background"]
        assert spec.entry == {
            "files": {
                "background": background, "spectrum": MINIMUM, "rmf": f"{STEM}.rmf",
                "arf": SPECTRUM.replace("-spectrum.fits", ".arf"),
            },
            "others": [OPTIMAL, SPECTRUM],
            "kev": [0.5, 10.0],
        }  # fmt: skip
        assert background.startswith(f"{STEM}-ra287.6-dec9.3-breg")
    [native, _] = (item.spec for item in responses("native").wanted if item.spec.kind == Kind.LOADER)
    assert native.entry["files"]["arf"] is None
    alone = responses(recipe={"spectra": {"grouping": ()}})
    assert [
        item.spec.entry["files"]["spectrum"] for item in alone.wanted if item.spec.kind == Kind.LOADER
    ] == [SPECTRUM] * 2


def test_a_caution_that_forbids_responses_is_the_reason(dataset, done):
    asked = dataset(engines=engines(), recipe={"blocking": ("out-of-time",)})
    manifest: Manifest = done(asked)
    told = manifest.model_copy(update={"cautions": (severe("out-of-time", "It is smeared."),)})
    made = order(Step.RESPONSES, asked, told)
    assert not made.wanted
    assert {why for (kind, _), why in whys(made).items() if kind in MADE} == {
        "the recipe forbids the step responses with the caution out-of-time: It is smeared."
    }
    assert whys(made)[Kind.GROUPED_SPECTRUM, OPTIMAL] == "there is no RMF"


def test_without_a_source_spectrum_there_is_none(responses):
    made = responses(content=lambda item, _: item.spec.kind != Kind.SPECTRUM and item.fingerprint)
    assert not made.wanted
    assert [item.why for item in made.not_made] == ["there is no source spectrum"] * 2


def test_without_a_region_the_reason_is_the_region(responses):
    made = responses(content=lambda item, _: item.spec.role != Role.SOURCE and item.fingerprint)
    assert {item.why for item in made.not_made} == {"no source"}


def test_a_spectrum_without_counts_weights_nothing(dataset, done):
    asked = dataset(engines=engines())
    manifest = done(asked)
    [spectrum] = manifest.find(Kind.SPECTRUM, Role.SOURCE)
    manifest.steps[Step.EXTRACTION].facts["counts"] = {spectrum.name: 0}
    made = order(Step.RESPONSES, asked, manifest)
    assert not made.wanted
    assert {item.kind for item in made.not_made} == {Kind.RMF, Kind.ARF, Kind.GROUPED_SPECTRUM}
    assert "no counts" in made.not_made[0].why


def test_without_an_exposure_map_there_is_an_rmf_alone(responses):
    made = responses(content=lambda item, _: item.spec.kind != Kind.EXPOSURE_MAP and item.fingerprint)
    assert set(by_kind(made)) == {Kind.RMF}
    assert [item.kind for item in made.not_made] == [Kind.ARF]
    assert "no exposure map" in made.not_made[0].why


def test_a_native_exposure_map_makes_no_arf(dataset, done):
    asked = dataset(engines=engines() | {Step.EXPOSURE: {"name": "native", "versions": {"native": "1"}}})
    made = order(Step.RESPONSES, asked, done(asked))
    assert set(by_kind(made)) == {Kind.RMF}
    assert whys(made) == {(Kind.ARF, None): NATIVE_MAP}
    scripts = [item.spec for item in made.wanted if item.spec.kind == Kind.LOADER]
    assert [spec.entry["files"]["arf"] for spec in scripts] == [None, None]


def test_a_given_arf_needs_no_map_of_heasoft(dataset, done):
    native = {Step.EXPOSURE: {"name": "native", "versions": {"native": "1"}}}
    asked = dataset(engines=engines() | native, recipe={"responses": {"arf": __file__}})
    assert set(by_kind(order(Step.RESPONSES, asked, done(asked)))) == {Kind.RMF, Kind.ARF}


@pytest.mark.parametrize(
    ("recipe", "changed"),
    [
        ({"responses": {"numphoton": 500}}, {Kind.ARF, Kind.RAYTRACE}),
        ({"responses": {"erange": (0.4, 18.0, 0.0, 0.0)}}, {Kind.ARF, Kind.RAYTRACE}),
        ({"responses": {"source_type": "FLATCIRCLE"}}, {Kind.ARF, Kind.RAYTRACE}),
        ({"heasoft": {"seed": 8}}, {Kind.ARF, Kind.RAYTRACE}),
        ({"responses": {"minphoton": 5}}, {Kind.ARF}),
        ({"responses": {"fit_band_kev": (0.6, 9.0)}}, {Kind.ARF}),
        ({"exposure": {"delta_arcmin": 5.0}}, {Kind.RMF, Kind.ARF, Kind.RAYTRACE}),
        ({"heasoft": {"chatter": 3}}, set()),
        ({"responses": {"flat_radius_arcmin": 3.0}}, set()),
        ({"images": {"binnings": (1,)}}, set()),
    ],
)
def test_a_change_makes_stale_what_it_concerns(responses, recipe, changed):
    before, after = by_kind(responses()), by_kind(responses(recipe=recipe))
    assert {kind for kind in before if before[kind].fingerprint != after[kind].fingerprint} == changed


def test_another_content_of_the_image_is_another_source(responses, tmp_path):
    image = tmp_path / "source.img"
    recipe = {"responses": {"source_type": "IMAGE", "image": str(image), "erange": (0.3, 18.0, 0.5, 8.0)}}
    made = []
    for content in ("one", "one", "another"):
        image.write_text(content)
        made.append({kind: item.fingerprint for kind, item in by_kind(responses(recipe=recipe)).items()})
    assert made[0] == made[1]
    changed = {kind for kind, before in made[0].items() if made[2][kind] != before}
    assert changed == {Kind.ARF, Kind.RAYTRACE}


KEYED = [
    ({}, {"heasoft": "6.37"}),
    ({}, {"caldb": "20260101-bbbbbbbbbbbb"}),
    ({"responses": {"numphoton": 500}}, {}),
    ({"responses": {"erange": (0.4, 18.0, 0.0, 0.0)}}, {}),
    ({"heasoft": {"seed": 8}}, {}),
    ({"responses": {"source_type": "BETAMODEL"}}, {}),
    ({"exposure": {"numphi": 4}}, {}),
]


@pytest.mark.parametrize(("recipe", "versions"), KEYED)
def test_ray_traced_events_of_anything_else_have_another_key(responses, recipe, versions):
    first = by_kind(responses())[Kind.RAYTRACE].spec.entry["key"]
    assert by_kind(responses(recipe=recipe, versions=versions))[Kind.RAYTRACE].spec.entry["key"] != first


def test_ray_traced_events_of_another_place_have_another_key(dataset, done):
    asked = dataset(engines=engines())
    here = {"name": "X", "ra": 10.0, "dec": 1.0, "origin": "asked for"}
    keys = {raytrace_key(asked, done(asked, target=here | {"ra": ra})) for ra in (10.0, 10.0001)}
    assert len(keys) == 2


def test_photons_come_from_where_the_circle_was_put(dataset, done):
    """From the target, unless the recipe has the circle follow the peak."""
    manifest = done(dataset(engines=engines()))
    target = manifest.steps[Step.PROCESSING].facts["target"]

    def position(circle):
        regions = manifest.steps[Step.REGIONS].model_copy(update={"facts": {"source": circle}})
        steps = {**manifest.steps, Step.REGIONS: regions}
        return source_position(manifest.model_copy(update={"steps": steps}))

    assert position({"ra": 1.0, "dec": 2.0, "centre": "peak"}) == (1.0, 2.0)
    for circle in (
        {"ra": 1.0, "dec": 2.0, "centre": "target"},
        {"ra": 1.0, "dec": 2.0, "centre": "given"},
        None,
    ):
        assert position(circle) == (target["ra"], target["dec"])


def test_ray_traced_events_of_the_same_do_not_go_by_what_they_ignore(responses):
    first = by_kind(responses())[Kind.RAYTRACE].spec.entry["key"]
    others = responses(
        recipe={"responses": {"minphoton": 3}, "heasoft": {"hours": 1}}, versions={"heasoftpy": "1.6"}
    )
    assert by_kind(others)[Kind.RAYTRACE].spec.entry["key"] == first


@pytest.mark.parametrize(
    ("versions", "recipe", "why"),
    [
        ({"heasoft": "6.36"}, {}, None),
        ({"heasoft": "6.36.1", "caldb": REMOTE}, {"erange": (0.1, 18, 0, 0)}, None),
        ({"heasoft": "7.0"}, {}, None),
        ({"heasoft": "6.35", "caldb": REMOTE}, {}, None),
        ({"heasoft": "6.34"}, {}, None),
        ({"heasoft": "6.34", "caldb": REMOTE}, {}, "remote CALDB"),
        ({"heasoft": "6.35"}, {"erange": (0.1, 18, 0, 0)}, "0.1 keV"),
        ({"heasoft": "?"}, {}, "not known"),
    ],
)
def test_which_heasoft_makes_arfs(dataset, versions, recipe, why):
    asked = dataset(engines=engines(**versions), recipe={"responses": recipe})
    said = why_no_arf(asked)
    assert said is None if why is None else why in said


def test_a_refused_arf_leaves_the_rmf(responses):
    made = responses(versions={"heasoft": "6.34", "caldb": REMOTE})
    assert set(by_kind(made)) == {Kind.RMF}
    assert "remote CALDB" in made.not_made[0].why


@pytest.mark.parametrize(
    ("version", "ids"),
    [
        ("6.34", {"arf-point-source", "arf-heasoft-old"}),
        ("6.36", {"arf-point-source", "arf-axis-offset"}),
        ("6.36.1", {"arf-point-source", "arf-axis-offset"}),
        ("6.37", {"arf-point-source"}),
    ],
)
def test_an_arf_carries_its_cautions(responses, version, ids):
    made = by_kind(responses(versions={"heasoft": version}))
    assert {item.id for item in made[Kind.ARF].cautions} == ids
    assert not made[Kind.RMF].cautions


def test_an_extended_source_gets_no_word_of_points(responses):
    made = by_kind(
        responses(recipe={"responses": {"source_type": "FLATCIRCLE"}}, versions={"heasoft": "6.37"})
    )
    assert not made[Kind.ARF].cautions


def test_only_one_release_is_told_the_axis(dataset):
    assert [
        without_axis_offset(dataset(engines=engines(heasoft=version)))
        for version in ("6.35", "6.36", "6.36.2", "6.37")
    ] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "release"), [("6.36", (6, 36)), ("V6.35.2", (6, 35)), ("6", ()), ("", ()), ("unknown", ())]
)
def test_a_release(text, release):
    assert release_of(text) == release


def test_the_notice_is_mild(responses):
    [told] = by_kind(responses(versions={"heasoft": "6.37"}))[Kind.ARF].cautions
    assert told.severity == Severity.NOTICE

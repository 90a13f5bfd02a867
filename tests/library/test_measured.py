import pytest

from tasks.core.identifiers import DataClass, ObsID
from tasks.library.manifest import Kind, Manifest, Product, Role, Step, StepRecord
from tasks.library.measured import judged_cautions, measured
from tasks.xtend.cautions import caution, notice
from tasks.xtend.data_class import Mode
from tasks.xtend.measured import Measured

HASH = "0" * 64
MODE = {
    "description": "CCD1+CCD2, 1/8 window, 0.46 s frames", "ccds": [1, 2], "window": "1/8", "burst": False,
    "frame_s": 0.46, "live_fraction": 0.92,
}  # fmt: skip
FACTS = {
    Step.PROCESSING: {
        "archive": {"CALDBVER": "gen1_xtd1", "TIMEDEL": 0.46},
        "events": 4000,
        "mode": MODE,
        "good_time": {"intervals": 9, "span_s": 9000.0, "live_fraction": 0.91, "longest_gap_s": 3000.0},
    },
    Step.EXPOSURE: {"exposure": 1000.0, "wander_arcsec": 4.5},
    Step.REGIONS: {
        "source": {"radius_arcmin": 2.0},
        "extent": {"ratio": 1.1, "error": 0.2},
        "detection": {"detected": True, "neighbours": 0.005},
    },
    Step.EXTRACTION: {
        "exposure": 1000.0,
        "counts": {"source.fits": 500, "background.fits": 90},
        "backscal": {"source.fits": 0.001, "background.fits": 0.003},
        "flickering": {"pixels": 2, "events": 70, "brightest": []},
    },
}


def spectrum(role):
    return Product(
        step=Step.EXTRACTION, kind=Kind.SPECTRUM, role=role, name=f"{role}.fits", path=f"x/{role}.fits",
        size=1, sha256=HASH, fingerprint=HASH,
    )  # fmt: skip


@pytest.fixture
def manifest():
    """Makes the manifest; keywords are facts of steps to change, None leaves a step out."""

    def make(products=(Role.SOURCE, Role.BACKGROUND), told=(), versions=None, **facts):
        steps = {}
        for step, given in FACTS.items():
            changed = facts.get(step.value, {})
            if changed is not None:
                steps[step] = StepRecord(
                    fingerprint=HASH, engine="native", versions=versions or {}, calls=(),
                    facts=given | changed, cautions=told if step == Step.PROCESSING else (),
                )  # fmt: skip
        return Manifest(
            obsid=ObsID("000128000"),
            dataclass=DataClass("31100010"),
            recipe="any",
            steps=steps,
            products=tuple(map(spectrum, products)),
        )

    return make


def test_everything_is_found(manifest):
    found = measured(manifest())
    area_arcmin2 = 0.003 * (2430 * 1.76798 / 60) ** 2
    assert found == Measured(
        mode=Mode((1, 2), "1/8", False, 0.46),
        live_fraction=0.91,
        span_s=9000.0,
        longest_gap_s=3000.0,
        events_caldb="gen1_xtd1",
        caldb=None,
        adopted=True,
        wander_arcsec=4.5,
        events=4000,
        outlier_pixels=2,
        outlier_events=70,
        exposure_s=1000.0,
        source_counts=500,
        net_counts=pytest.approx(470),
        source_radius_arcmin=2.0,
        background_brightness=pytest.approx(0.09 / area_arcmin2, rel=1e-4),
        neighbours=0.005,
        extent=1.1,
        extent_error=0.2,
        extended_category=False,
    )
    assert found.rate == 0.5


def test_a_manifest_of_nothing_tells_nothing(manifest):
    nothing = dict.fromkeys(step.value for step in FACTS)
    assert measured(manifest(products=(), **nothing)) == Measured()
    assert judged_cautions(manifest(products=(), **nothing)) == ()


def test_an_older_manifest_without_these_figures_is_judged_by_what_it_has(manifest):
    old = {Step.EXPOSURE: {}, Step.REGIONS: {}, Step.EXTRACTION: {"counts": {"source.fits": 5}}}
    steps = {
        step: record.model_copy(update={"facts": old.get(step, {"archive": {}})})
        for step, record in manifest().steps.items()
    }
    found = measured(manifest().model_copy(update={"steps": steps}))
    assert found == Measured(events_caldb="", source_counts=5, net_counts=5.0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"products": (Role.SOURCE,)}, {"net_counts": 500.0, "background_brightness": None}),
        ({"products": (Role.BACKGROUND,)}, {"source_counts": None, "net_counts": None}),
        ({"regions": {"detection": None}}, {"neighbours": None}),
        ({"regions": {"source": None, "extent": None}}, {"source_radius_arcmin": None, "extent": None}),
        ({"regions": {"extent": {"ratio": None, "error": None}}}, {"extent": None, "extent_error": None}),
        ({"extraction": {"backscal": {}}}, {"net_counts": 500.0, "background_brightness": None}),
        ({"extraction": {"exposure": 0.0}}, {"background_brightness": None}),
        ({"processing": {"archive": {}}}, {"events_caldb": ""}),
        ({"processing": {"reprocessing": {}}}, {"adopted": False}),
        ({"versions": {"caldb": "20260101-a"}}, {"caldb": "20260101-a"}),
        ({"told": (caution("unknown-class", "It is unknown."),)}, {"mode": None}),
        ({"told": (notice("extended-category", "It is a remnant."),)}, {"extended_category": True}),
    ],
)
def test_what_there_is_decides(manifest, change, expected):
    found = measured(manifest(**change))
    assert {name: getattr(found, name) for name in expected} == expected


def test_traps_are_judged(manifest):
    """500 counts in 1000 s: a trail in the window of 2.4′ lies within the circle of 4′."""
    found = judged_cautions(manifest(processing={"good_time": {"live_fraction": 0.5}}))
    assert [item.id for item in found] == ["live-fraction", "flickering-pixels"]
    assert judged_cautions(manifest(extraction={"flickering": None})) == ()

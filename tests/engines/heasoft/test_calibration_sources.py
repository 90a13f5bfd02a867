"""Where the calibration sources lie: HEASoft's circles, coordpnt, and the flags that they must agree with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import SoftwareFault
from tasks.engines.heasoft.calibration_sources import (
    DetCircle,
    coordinate_parameters,
    disagreement,
    exclude,
    in_circles,
    plan,
    prepare,
    read_circles,
    shipped_regions,
)
from tasks.engines.interface import StepInputs
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, Product, Role, Step, StepRecord
from tasks.library.orders import order
from tasks.xtend.geometry import CALIBRATION_CIRCLES, DetPixels, det_to_sky
from tasks.xtend.nominal import Nominal
from tasks.xtend.regions import read_region

OBSID, DATACLASS = "900001010", "30000010"
NOMINAL = Nominal(81.25, -69.64, 30.0)
ASPECT = {"ra": 81.25, "dec": -69.64, "pa": 30.0}
SHIPPED = "physical\n-circle(920,1530,92)\n-circle(919,271,91)\n"
OURS = [DetCircle(*each) for each in CALIBRATION_CIRCLES]


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def on_sky(pa: float = 30.0, shift: float = 0.0) -> str:
    """What coordpnt writes, by plain geometry."""
    det = DetPixels(np.array([920.0, 919.0]), np.array([1530.0, 271.0]))
    sky = det_to_sky(det, pa)
    ra, dec = NOMINAL.world(type(sky)(sky.x + shift, sky.y))
    # As coordpnt writes it.
    head = "# Region file written by coordpnt.\nfk5\n"
    return head + "".join(f"+circle({a:.8f}d,{b:.8f}d,0.04518182d)\n" for a, b in zip(ra, dec, strict=True))


def flags(circles: list[DetCircle]) -> np.ndarray:
    found = np.zeros((1810, 1810), np.int8)
    found[in_circles(circles)] = 1
    found[:, ::80] = 2
    found[:257] = -1
    return found


def test_coordpnt_is_given_the_nominal_aspect():
    assert coordinate_parameters(NOMINAL) == {
        "input": "det.reg",
        "outfile": "sky.reg",
        "telescop": "XRISM",
        "instrume": "XTEND",
        "ra": 81.25,
        "dec": -69.64,
        "roll": 30.0,
        "ranom": 81.25,
        "decnom": -69.64,
        "rollnom": 0.0,
        "teldeffile": "CALDB",
        "startsys": "DET",
        "stopsys": "RADEC",
        "clobber": True,
    }


def test_heasofts_file_is_found_below_headas(tmp_path, monkeypatch):
    monkeypatch.delenv("HEADAS", raising=False)
    assert shipped_regions() is None
    monkeypatch.setenv("HEADAS", str(tmp_path))
    assert shipped_regions() is None
    (tmp_path / "refdata").mkdir()
    (tmp_path / "refdata/calsrc_XTD_det.reg").write_text(SHIPPED)
    assert shipped_regions() == tmp_path / "refdata/calsrc_XTD_det.reg"


@pytest.mark.parametrize(
    "text",
    [
        SHIPPED,
        "# Region file format: DS9\nphysical\n- circle( 920 , 1530.0, 92 ) # cal\n-circle(919,271,91)",
        "physical;-circle(920,1530,92);-circle(919,271,91)",
    ],
)
def test_circles_are_read_however_they_are_written(text):
    Path("given.reg").write_text(text)
    assert read_circles(Path("given.reg")) == OURS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "something else than the circles"),
        ("physical\n", "something else than the circles"),
        ("physical\n-circle(1,2,3)\n-box(1,2,3,4,0)\n", "something else than the circles"),
        ("physical\n-circle(1,2)\n", "something else than the circles"),
        ("physical\n-circle(1,2,--3)\n", "a circle without numbers"),
    ],
)
def test_other_region_files_are_refused(text, reason):
    Path("given.reg").write_text(text)
    with pytest.raises(SoftwareFault, match=rf"given\.reg holds {reason}"):
        read_circles(Path("given.reg"))


def test_a_missing_file_is_told():
    with pytest.raises(SoftwareFault, match=r"given\.reg cannot be read as a region file"):
        read_circles(Path("given.reg"))


def test_given_circles_are_written_as_coordpnt_reads_them():
    Path("given.reg").write_text(SHIPPED)
    report = prepare("given.reg", None)
    assert Path("det.reg").read_text() == "physical\ncircle(920,1530,92)\ncircle(919,271,91)\n"
    assert report.facts == {"calibration_circles": [[920, 1530, 92], [919, 271, 91]]}
    assert report.cautions == ()


def test_without_heasofts_file_there_is_a_caution():
    assert [caution.id for caution in prepare(None, None).cautions] == ["calibration-circles-assumed"]
    assert read_circles(Path("det.reg")) == OURS


def test_circles_that_the_bad_pixel_image_flags_agree_with_it():
    assert disagreement(OURS, flags(OURS)) == ()
    # A window that holds none of their pixels says nothing against them.
    assert disagreement(OURS, np.full((1810, 1810), -1, np.int8)) == ()


@pytest.mark.parametrize(
    "flagged",
    [
        [DetCircle(920, 1500, 92), OURS[1]],
        [OURS[0]],
        [DetCircle(920, 1530, 70), DetCircle(919, 271, 70)],
        [*OURS, DetCircle(500, 900, 60)],
        [],
    ],
)
def test_circles_elsewhere_than_the_flags_get_a_caution(flagged):
    [caution] = disagreement(OURS, flags(flagged))
    assert caution.id == "calibration-circles-differ"


@pytest.mark.parametrize(("flagged", "expected"), [(OURS, []), ([OURS[0]], ["calibration-circles-differ"])])
def test_the_bad_pixel_image_is_compared_with_the_given_circles(flagged, expected):
    Path("given.reg").write_text(SHIPPED)
    fits.PrimaryHDU(flags(flagged).astype(np.int16)).writeto("bad.bimg")
    report = prepare("given.reg", "bad.bimg")
    assert [caution.id for caution in report.cautions] == expected
    assert read_circles(Path("det.reg")) == OURS


@given(st.floats(1, 1810), st.floats(1, 1810), st.floats(1, 300))
@settings(deadline=None, max_examples=20)
def test_a_circle_holds_the_pixels_whose_centres_are_near(x, y, radius):
    inside = in_circles([DetCircle(x, y, radius)])
    rows, columns = np.nonzero(inside)
    assert (np.hypot(columns + 1 - x, rows + 1 - y) <= radius * (1 + 1e-12)).all()
    row, column = min(max(round(y), 1), 1810), min(max(round(x), 1), 1810)
    assert inside[row - 1, column - 1]


def test_what_coordpnt_found_becomes_exclusions_in_sky_pixels():
    Path("det.reg").write_text(SHIPPED)
    Path("sky.reg").write_text(on_sky())
    assert exclude(ASPECT).cautions == ()
    region = read_region(Path("calsrc.reg"))
    shapes = region.pixel_shapes(None)
    assert region.whole_field_first
    assert [shape.sizes for shape in shapes] == [(92.0,), (91.0,)]
    expected = det_to_sky(DetPixels(np.array([920.0, 919.0]), np.array([1530.0, 271.0])), 30.0)
    assert [shape.x[0] for shape in shapes] == pytest.approx(expected.x, abs=1e-3)
    assert [shape.y[0] for shape in shapes] == pytest.approx(expected.y, abs=1e-3)


def test_the_tools_alignment_is_followed_and_a_far_one_told():
    Path("det.reg").write_text(SHIPPED)
    Path("sky.reg").write_text(on_sky(shift=3.0))
    assert exclude(ASPECT).cautions == ()
    Path("sky.reg").write_text(on_sky(shift=40.0))
    [caution] = exclude(ASPECT).cautions
    assert caution.id == "calibration-circles-far"
    assert "40 pixels" in caution.sentence


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fk5\ncircle(81.2,-69.6,0.04)\n", "put 1 of 2 calibration sources on the sky"),
        ("fk5\ncircle(261.2,69.6,0.04)\ncircle(261.2,69.6,0.04)\n", "on the other side of the sky"),
    ],
)
def test_a_source_that_is_not_on_the_sky_is_told(text, reason):
    Path("det.reg").write_text(SHIPPED)
    Path("sky.reg").write_text(text)
    with pytest.raises(SoftwareFault, match=reason):
        exclude(ASPECT)


def published(kind: Kind, name: str) -> Product:
    return Product(
        step=Step.PROCESSING, kind=kind, role=Role.FIELD, name=name, path=name, size=1,
        sha256=fingerprint(name), fingerprint=fingerprint(name),
    )  # fmt: skip


def planned(monkeypatch: pytest.MonkeyPatch, headas: Path | None, *, images: bool = True) -> list[Any]:
    monkeypatch.delenv("HEADAS", raising=False)
    if headas:
        monkeypatch.setenv("HEADAS", str(headas))
    dataset = Dataset.model_validate(
        {
            "obsid": OBSID,
            "dataclass": DATACLASS,
            "recipe": {},
            "inputs": {"events": ["a_cl.evt"], "inputs": []},
            "engines": {step: {"name": "heasoft", "versions": {}} for step in Step},
        }
    )
    facts = {"nominal": ASPECT, "target": {"name": "N132D", "ra": 81.25, "dec": -69.64}}
    record = StepRecord(fingerprint=fingerprint("a"), engine="heasoft", versions={}, calls=(), facts=facts)
    kinds = [(Kind.EVENTS, "a_cl.evt"), *[(Kind.BAD_PIXELS, "a.bimg")] * images]
    manifest = Manifest(
        obsid=dataset.obsid,
        dataclass=dataset.dataclass,
        recipe="standard",
        steps={Step.PROCESSING: record},
        products=tuple(published(kind, name) for kind, name in kinds),
    )
    inputs = StepInputs(dataset, manifest, Path("/down"), lambda product: Path("/store") / product.path)
    return plan(inputs, order(Step.REGIONS, dataset, manifest).wanted)


def test_all_regions_exclude_what_coordpnt_found(tmp_path, monkeypatch):
    (tmp_path / "refdata").mkdir()
    (tmp_path / "refdata/calsrc_XTD_det.reg").write_text(SHIPPED)
    preparing, tool, excluding, choosing = planned(monkeypatch, tmp_path)
    assert preparing.parameters == {"given": "given.reg", "bad_pixels": "bad.bimg"}
    assert preparing.inputs == {
        "given.reg": str(tmp_path / "refdata/calsrc_XTD_det.reg"),
        "bad.bimg": "/store/a.bimg",
    }
    assert tool.parameters["parameters"] == coordinate_parameters(NOMINAL)
    assert tool.after == {"det.reg": 0}
    assert excluding.after == {"det.reg": 0, "sky.reg": 1}
    assert choosing.function == "tasks.engines.native.regions:choose"
    assert choosing.parameters["calibration"] == "calsrc.reg"
    assert choosing.after == {"calsrc.reg": 2}


def test_without_heasofts_file_and_bad_pixels_there_are_still_circles(monkeypatch):
    preparing, *_ = planned(monkeypatch, None, images=False)
    assert preparing.parameters == {"given": None, "bad_pixels": None}
    assert preparing.inputs == {}

"""Lists of flickering pixels: united intervals, shares of good time, and the exposure that they cost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Permanent
from tasks.engines.interface import StepInputs
from tasks.engines.native.attitude import Attitude
from tasks.engines.native.engine import NativeEngine
from tasks.engines.native.flickering import live_shares, read_pixels, united
from tasks.engines.native.gti import Gti
from tasks.engines.native.projection import coverage, nominal_coverage
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, Step
from tasks.library.orders import order
from tasks.xtend.geometry import DET_SIZE, DET_TO_FOC
from tasks.xtend.nominal import Nominal

COLUMNS = ("CCD_ID", "ACTX", "ACTY", "DETX", "DETY", "START", "STOP")
KINDS = [(name, "f8" if name in ("START", "STOP") else "i4") for name in COLUMNS]
LIVE = np.ones((DET_SIZE, DET_SIZE), bool)
OBSID, DATACLASS = "900001010", "30000010"

Row = tuple[int, int, int, int]
"""DETX, DETY, START, STOP."""
# Few pixels and whole seconds, so that intervals meet, overlap and hold each other.
ROWS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(0, 20), st.integers(0, 8)).map(
        lambda row: (*row[:3], row[2] + row[3])
    ),
    max_size=12,
)


def listed(rows: list[Row]) -> np.ndarray:
    return np.array([(0, 5, 5, *row) for row in rows], KINDS)


def seconds(rows: list[Any]) -> dict[tuple[int, int], set[int]]:
    """The whole seconds of each pixel, one by one."""
    found: dict[tuple[int, int], set[int]] = {}
    for x, y, start, stop in rows:
        found.setdefault((x, y), set()).update(range(int(start), int(stop)))
    return found


@given(ROWS)
@settings(deadline=None)
def test_united_intervals_are_disjoint_and_cover_the_same_time(rows):
    made = united(listed(rows))[["DETX", "DETY", "START", "STOP"]].tolist()
    assert seconds(made) == seconds(rows)
    for x, y, start, stop in made:
        others = [row for row in made if row[:2] == (x, y) and row != (x, y, start, stop)]
        assert all(stop < other[2] or other[3] < start for other in others)


def test_a_list_is_left_as_it_was():
    pixels = listed([(1, 1, 5, 9), (1, 1, 0, 6)])
    united(pixels)
    assert pixels["STOP"].tolist() == [9, 6]


@given(ROWS, st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
def test_shares_are_what_a_count_of_seconds_gives(rows, good):
    gti = Gti.merged([start for start, _ in good], [start + length for start, length in good])
    time = {second for start, length in good for second in range(start, start + length)}
    live = LIVE[:4, :4].copy()
    live[0, 1] = False
    shares = live_shares(live, listed(rows), gti)
    expected = live.astype(float)
    for (x, y), bad in seconds(rows).items():
        expected[y - 1, x - 1] *= 1 - len(bad & time) / len(time)
    assert shares == pytest.approx(expected, abs=1e-6)
    assert ((shares >= 0) & (shares <= 1)).all()


def test_without_a_list_pixels_are_live_or_not():
    assert live_shares(LIVE, None, Gti.merged([0], [10])) is LIVE


@pytest.mark.parametrize(("x", "y"), [(0, 5), (5, DET_SIZE + 1), (-999, -999)])
def test_a_pixel_off_the_detector_is_told(x, y):
    with pytest.raises(Permanent, match=f"off the detector: DETX {x}, DETY {y}"):
        live_shares(LIVE, listed([(3, 3, 0, 1), (x, y, 0, 1)]), Gti.merged([0], [10]))


def test_a_list_is_read_whatever_its_types(tmp_path):
    rows = listed([(7, 8, 1, 2), (9, 10, 3, 4)])
    forms = {"CCD_ID": "B", "START": "D", "STOP": "D"}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, forms.get(name, "I"), array=rows[name]) for name in COLUMNS], name="PIXELS"
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "a.fpix")
    assert read_pixels(tmp_path / "a.fpix").tolist() == rows.tolist()
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "b.fpix")
    with pytest.raises(Permanent, match=r"b\.fpix has no extension PIXELS"):
        read_pixels(tmp_path / "b.fpix")


# ---------------------------------------------------------------------------------------------------------
# On the sky


def test_without_rotation_shares_are_only_shifted():
    shares = np.zeros((DET_SIZE, DET_SIZE), np.float32)
    shares[:300, :200] = np.random.default_rng(1).choice([0, 0.25, 0.9, 1, 1, 1], (300, 200))
    shown = nominal_coverage(shares, Nominal(30.0, -45.0, 0.0))
    shift = int(DET_TO_FOC)
    assert np.abs(shown[shift : shift + 300, shift : shift + 200] - shares[:300, :200]).max() < 1e-5
    assert shown.sum(dtype=float) == pytest.approx(shares.sum(dtype=float), rel=1e-6)


@given(st.floats(0, 360), st.floats(0.01, 0.99), st.integers(0, 1000))
@settings(deadline=None, max_examples=6)
def test_a_share_of_a_pixel_is_that_share_of_its_area(angle, share, seed):
    chance = np.random.default_rng(seed)
    whole, part = np.zeros((2, DET_SIZE, DET_SIZE), bool)
    whole[700:740, 700:740] = chance.random((40, 40)) < 0.7
    part[700:740, 700:740] = chance.random((40, 40)) < 0.1
    # Alone among dead pixels, too.
    part[800, 800] = True
    whole &= ~part
    nominal, attitude = Nominal(83.6, 22.0, angle), Attitude(83.61, 22.01, angle + 0.1)
    shown = coverage((whole + share * part).astype(np.float32), attitude, nominal)
    expected = coverage(whole, attitude, nominal) + share * coverage(part, attitude, nominal)
    assert np.abs(shown - expected).max() < 1e-5


# ---------------------------------------------------------------------------------------------------------
# Planned


Done = Callable[..., Manifest]


def dataset(flickering: str) -> Dataset:
    """Processed by HEASoft, its exposure map made natively."""
    stem = f"xa{OBSID}xtd_p0{DATACLASS}"
    names = [
        f"xtend/event_cl/{stem}_cl.evt.gz",
        f"xtend/event_uf/{stem}_uf.evt.gz",
        f"auxil/xa{OBSID}.ehk.gz",
    ]
    return Dataset.model_validate(
        {
            "obsid": OBSID,
            "dataclass": DATACLASS,
            "recipe": {"heasoft": {"flickering": flickering}},
            "inputs": {
                "events": names[:1],
                "ehk": names[2],
                "inputs": [{"name": name, "size": 1, "sha256": fingerprint(name)} for name in names],
            },
            "engines": {
                step: {
                    "name": "heasoft" if step == Step.PROCESSING else "native",
                    "versions": {"heasoft": "6.36"},
                }
                for step in Step
            },
        }
    )


@pytest.mark.parametrize(
    ("tool", "expected"), [("none", None), ("searchflickpix", f"xa{OBSID}xtd_p0{DATACLASS}.fpix")]
)
def test_the_native_map_is_given_the_list_that_events_were_cut_by(done: Done, tool, expected):
    asked = dataset(tool)
    manifest = done(asked, (Step.PROCESSING,))
    assert bool(manifest.find(Kind.FLICKERING)) == (expected is not None)
    inputs = StepInputs(asked, manifest, Path("/down"), lambda product: Path("/store") / product.path)
    [call] = NativeEngine().plan(Step.EXPOSURE, inputs, order(Step.EXPOSURE, asked, manifest).wanted)
    assert call.function == "tasks.engines.native.exposure:make"
    assert call.parameters["flickering"] == expected
    assert [name for name in call.inputs if name.endswith(".fpix")] == ([expected] if expected else [])

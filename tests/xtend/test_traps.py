"""Every trap with figures that spring it, figures that do not, and the edges between."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.xtend.data_class import Mode
from tasks.xtend.known_cautions import KNOWN_CAUTIONS
from tasks.xtend.measured import Measured
from tasks.xtend.traps import TRAPS, judged

FULL = Mode((1, 2, 3, 4), "full", False, 3.96)
EIGHTH = Mode((1, 2), "1/8", False, 0.46)
BURST = Mode((1, 2), "1/8", True, 0.06)
FULL_BURST = Mode((1, 2), "full", True, 0.06)
QUARTER = Mode((1, 2), "1/4", False, 0.96)
EXPOSURE = 1e4
HARMLESS = Measured(
    mode=FULL, live_fraction=0.99, span_s=5e4, longest_gap_s=3000.0, events_caldb="gen20250101_xtd20250101",
    caldb="20250101-0a1b2c", wander_arcsec=3.0, events=50000, outlier_pixels=0, outlier_events=0,
    exposure_s=EXPOSURE, source_counts=2000, net_counts=1900.0, source_radius_arcmin=2.0,
    background_brightness=7e-4, extent=1.0, extent_error=0.1,
)  # fmt: skip
"""A source of 0.2 ct/s, looked at for 10 ks in full window."""


def at(rate: float, **others: Any) -> dict[str, Any]:
    return {"source_counts": rate * EXPOSURE, **others}


CASES: list[tuple[str, dict[str, Any], str | None]] = [
    ("live-fraction", {"live_fraction": 1.0}, None),
    ("live-fraction", {"live_fraction": 0.99 * 0.901}, None),
    ("live-fraction", {"live_fraction": 0.99 * 0.899}, "severe"),
    ("live-fraction", {"mode": EIGHTH, "live_fraction": 1.0}, None),
    ("live-fraction", {"mode": EIGHTH, "live_fraction": 0.82}, "severe"),
    ("live-fraction", {"mode": BURST, "live_fraction": 1.0}, "severe"),
    ("live-fraction", {"mode": BURST, "live_fraction": 0.131}, None),
    ("live-fraction", {"mode": BURST, "live_fraction": 0.133}, "severe"),
    ("live-fraction", {"mode": FULL_BURST, "live_fraction": 0.015}, None),
    ("live-fraction", {"mode": FULL_BURST, "live_fraction": 0.12}, "severe"),
    ("live-fraction", {"mode": None, "live_fraction": 0.1}, None),
    ("live-fraction", {"live_fraction": None}, None),
    ("pile-up", at(2.33), None),
    ("pile-up", at(2.35), "notice"),
    ("pile-up", at(7.79), "notice"),
    ("pile-up", at(7.8), "severe"),
    ("pile-up", at(19.0, mode=EIGHTH), None),
    ("pile-up", at(20.0, mode=EIGHTH), "notice"),
    ("pile-up", at(66.3, mode=EIGHTH), "severe"),
    ("pile-up", at(134.0, mode=BURST), None),
    ("pile-up", at(135.0, mode=BURST), "notice"),
    ("pile-up", at(448.0, mode=BURST), "severe"),
    ("pile-up", at(448.0, mode=FULL_BURST), "severe"),
    ("pile-up", at(1e4, mode=QUARTER), None),
    ("pile-up", at(1e4, mode=None), None),
    ("pile-up", at(1e4, exposure_s=None), None),
    ("pile-up", at(1e4, exposure_s=0.0), None),
    ("pile-up", {"source_counts": None}, None),
    ("out-of-time", at(0.5), None),
    ("out-of-time", at(0.6), "notice"),
    ("out-of-time", at(1.8), "notice"),
    ("out-of-time", at(1.9), "caution"),
    ("out-of-time", at(1.9, background_brightness=3e-3), None),
    ("out-of-time", at(0.6, background_brightness=None), "notice"),
    ("out-of-time", at(0.1, background_brightness=None), None),
    ("out-of-time", {"source_counts": 990, "background_brightness": 1e-6}, "caution"),
    ("out-of-time", {"source_counts": 989, "background_brightness": 1e-6}, None),
    # The whole trail lies within a circle that is wider than the window: it adds one percent there.
    ("out-of-time", at(20.0, mode=EIGHTH), None),
    ("out-of-time", at(20.0, mode=EIGHTH, source_radius_arcmin=1.0), "caution"),
    ("out-of-time", at(20.0, mode=BURST), "caution"),
    ("out-of-time", at(20.0, mode=FULL_BURST), "caution"),
    ("out-of-time", at(0.0, mode=FULL_BURST), None),
    ("out-of-time", at(20.0, source_radius_arcmin=None), None),
    ("out-of-time", at(20.0, mode=None), None),
    ("stale-calibration", {"events_caldb": ""}, "caution"),
    ("stale-calibration", {"events_caldb": "  ", "caldb": None}, "caution"),
    ("stale-calibration", {"events_caldb": None}, None),
    ("stale-calibration", {"caldb": "20250102-0a1b2c"}, "caution"),
    ("stale-calibration", {"caldb": "20250102-0a1b2c", "adopted": False}, None),
    ("stale-calibration", {"caldb": "https://a.b/caldb-20241231-0a"}, None),
    ("stale-calibration", {"caldb": "0a1b2c"}, None),
    ("stale-calibration", {"caldb": None}, None),
    ("stale-calibration", {"events_caldb": "gen20260101_xtd20240101"}, "caution"),
    ("stale-calibration", {"events_caldb": "11"}, None),
    ("attitude-spread", {"wander_arcsec": 10.0}, None),
    ("attitude-spread", {"wander_arcsec": 10.1}, "caution"),
    ("attitude-spread", {"wander_arcsec": None}, None),
    ("time-gaps", {"longest_gap_s": 5760.0}, None),
    ("time-gaps", {"longest_gap_s": 5761.0}, "notice"),
    ("time-gaps", {"longest_gap_s": 5761.0, "span_s": 57620.0}, None),
    ("time-gaps", {"longest_gap_s": None}, None),
    ("time-gaps", {"span_s": None}, None),
    ("flickering-pixels", {"outlier_pixels": 1, "outlier_events": 499}, "notice"),
    ("flickering-pixels", {"outlier_pixels": 3, "outlier_events": 500}, "caution"),
    ("flickering-pixels", {"outlier_pixels": None, "outlier_events": None}, None),
    ("small-region", {"source_radius_arcmin": 1.0}, None),
    ("small-region", {"source_radius_arcmin": 0.99}, "caution"),
    ("small-region", {"source_radius_arcmin": None}, None),
    ("neighbour", {"neighbours": 0.0099}, None),
    ("neighbour", {"neighbours": 0.01}, "caution"),
    ("neighbour", {"neighbours": None}, None),
    ("too-few-counts", {"net_counts": 100.0}, None),
    ("too-few-counts", {"net_counts": 99.9}, "caution"),
    ("too-few-counts", {"net_counts": -3.0}, "caution"),
    ("too-few-counts", {"net_counts": None}, None),
    ("extended-target", {"extent": 1.5, "extent_error": 0.16}, "severe"),
    ("extended-target", {"extent": 1.5, "extent_error": 0.17}, None),
    ("extended-target", {"extent": 1.49, "extent_error": 0.01}, None),
    ("extended-target", {"extent": 8.0, "extent_error": 0.3}, "severe"),
    ("extended-target", {"extent": 8.0, "extent_error": 3.0}, None),
    ("extended-target", {"extent": None, "extent_error": None}, None),
    ("extended-target", {"extent": None, "extent_error": None, "extended_category": True}, "severe"),
    ("extended-target", {"extent": 1.2, "extent_error": 0.05, "extended_category": True}, None),
    ("extended-target", {"extent": 1.2, "extent_error": 0.15, "extended_category": True}, "severe"),
    # A core that piles up looks hollow.
    ("extended-target", at(8.0, extent=3.0, extent_error=0.1), None),
    ("extended-target", at(8.0, extent=1.0, extent_error=0.1, extended_category=True), "severe"),
]


def test_harmless_figures_and_no_figures_spring_nothing():
    assert judged(HARMLESS) == ()
    assert judged(Measured()) == ()


@pytest.mark.parametrize(("identifier", "figures", "severity"), CASES)
def test_a_trap_and_its_edges(identifier, figures, severity):
    found = TRAPS[identifier](replace(HARMLESS, **figures))
    assert (found.severity if found else None) == severity
    if found:
        assert found.id == identifier
        assert found.link == KNOWN_CAUTIONS[identifier].link
        assert found in judged(replace(HARMLESS, **figures))


def test_every_trap_has_a_case_that_springs_it_and_one_that_does_not():
    for identifier in TRAPS:
        outcomes = [severity for name, _, severity in CASES if name == identifier]
        assert None in outcomes
        assert set(outcomes) > {None}


@pytest.mark.parametrize(
    ("identifier", "figures", "words"),
    [
        ("live-fraction", {"mode": BURST, "live_fraction": 1.0}, "100% of the time .* exposes 12%"),
        ("pile-up", at(8.0), "8 ct/s of live time.*7.8 ct/s.*annulus"),
        ("out-of-time", at(20.0), "0.2 ct/s of the source.*11 times as bright"),
        ("out-of-time", at(20.0, mode=BURST), "add 8.3% to the counts"),
        ("stale-calibration", {"caldb": "20250102-0a"}, "xtd20250101, and here is 20250102-0a"),
        ("attitude-spread", {"wander_arcsec": 14.6}, "15″"),
        ("time-gaps", {"longest_gap_s": 1e4}, "10.0 ks, 20% of the time"),
        (
            "flickering-pixels",
            {"outlier_pixels": 1, "outlier_events": 40},
            "1 DET pixel holds.*40 events, 0.08%",
        ),
        ("flickering-pixels", {"outlier_pixels": 2, "outlier_events": 40}, "2 DET pixels hold"),
        ("small-region", {"source_radius_arcmin": 0.5}, "0.5′"),
        ("neighbour", {"neighbours": 0.031}, "put 3.1% of the target's counts"),
        ("too-few-counts", {"net_counts": 12.0, "source_counts": 30}, "12 net counts of 30"),
        ("extended-target", {"extent": 8.04, "extent_error": 0.3}, "8.0 ± 0.3 .* POINT ARF and fluxes"),
        ("extended-target", {"extended_category": True, "extent": None}, "the catalogue's class"),
    ],
)
def test_the_sentence_holds_the_figures(identifier, figures, words):
    found = TRAPS[identifier](replace(HARMLESS, **figures))
    assert re.search(words, found.sentence)
    assert found.sentence.endswith(".")


known = st.one_of(st.none(), st.floats(0, 1e9))


@settings(deadline=None, max_examples=200)
@given(
    mode=st.sampled_from([None, FULL, EIGHTH, BURST, FULL_BURST, QUARTER]),
    figures=st.fixed_dictionaries(
        dict.fromkeys(
            ("live_fraction", "span_s", "longest_gap_s", "wander_arcsec", "exposure_s", "source_counts",
             "net_counts", "source_radius_arcmin", "background_brightness", "extent", "extent_error",
             "events", "outlier_pixels", "outlier_events"), known
        )
    ),
)  # fmt: skip
def test_any_figures_are_judged_each_trap_at_most_once(mode, figures):
    found = judged(Measured(mode=mode, **figures))
    ids = [item.id for item in found]
    assert ids == [name for name in TRAPS if name in ids]

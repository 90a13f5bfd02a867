from datetime import datetime, timedelta, timezone

import pytest

from tasks.report.words import (
    band_words,
    duration_words,
    entry_words,
    figure_words,
    json_words,
    range_words,
    size_words,
    time_words,
)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1_234_567, "1.23 MB"),
        (999_999, "1 MB"),
        (5 * 10**12, "5 TB"),
    ],
)
def test_sizes(size, said):
    assert size_words(size) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (187, "3 min 07 s"), (7499, "2 h 04 min")],
)
def test_durations(seconds, said):
    assert duration_words(seconds) == said


def test_times_are_told_in_utc():
    tokyo = timezone(timedelta(hours=9))
    assert time_words(datetime(2026, 11, 21, 14, 30, 12, tzinfo=tokyo)) == "2026-11-21 05:30:12 UTC"


def test_entries():
    entry = {"band": "0.6-10.0", "channels": [100, 1667], "binning": 4, "time_bin": 200.0}
    assert entry_words(entry) == "0.6–10 keV, channels 100–1667, binning 4, 200 s bins"
    assert entry_words({"grouping": "min:1", "frame": "skypix"}) == "grouped min:1, in sky pixels"
    assert entry_words({"threshold": 0.5}) == "threshold 0.5"
    assert (
        entry_words({"erange": [0.3, 18.0, 0.0, 0.0], "source_type": "POINT"})
        == "0.3–18 keV, source type POINT"
    )
    assert entry_words({"energy_kev": 6.0}) == "at 6 keV"
    assert entry_words({"key": "0123456789abcdef"}) == "key 0123456789ab"
    assert entry_words({"files": {"spectrum": "a.pha"}, "others": ["b"], "kev": [0.5, 10.0]}) == "0.5–10 keV"
    assert entry_words({}) == ""


def test_bands():
    assert band_words("0.6-10.0") == "0.6–10 keV"


def test_json_is_one_line_where_it_is_short():
    assert json_words("a text") == "a text"
    assert json_words({"a": 1}) == '{"a": 1}'
    assert json_words(["x" * 60, "y" * 60]).count("\n") == 3


@pytest.mark.parametrize(
    ("value", "digits", "said"),
    [(0.0, 5, "0"), (1.75, 5, "1.75"), (3.4127e-12, 3, "3.41 × 10⁻¹²"), (-1.5e20, 5, "-1.5 × 10²⁰")],
)
def test_figures(value, digits, said):
    assert figure_words(value, digits) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1.75321, 1.70114, 1.80628), ("1.753", "1.701 to 1.806")),
        ((6.7, 2.1, None), ("6.7", "2.1 to ?")),
        ((0.07, None, None), ("0.07", "? to ?")),
        ((0.0, 0.0, 0.012345), ("0", "0 to 0.012345")),
        ((100.0, 99.9999, 100.0001), ("100", "99.9999 to 100.0001")),
    ],
)
def test_ranges(given, said):
    assert range_words(*given) == said

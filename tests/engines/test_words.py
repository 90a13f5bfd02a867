"""What is left of a process's output in a message."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.words import KEPT_LINES, last_words

FAREWELL = ["INFO ::Finished.", "INFO ::", "INFO ::====", "INFO ::Exit ERROR CONDITION", "INFO ::Return 1"]


def test_the_last_lines_are_told():
    assert last_words(f"line {number}" for number in range(9)) == "line 4 | line 5 | line 6 | line 7 | line 8"
    assert last_words(["", "  ", "\x1b"]) == "it printed nothing"


def test_a_long_farewell_does_not_hide_what_was_wrong():
    said = ["reading", "Could not get TelDef file from CALDB", "cleaning up", "FATAL ::coordevt failed"]
    assert last_words([*said, "bye", *FAREWELL]) == " | ".join([said[1], said[3], *FAREWELL])


def test_of_many_errors_the_latest_are_told():
    told = last_words([*(f"error {number}" for number in range(50)), *FAREWELL])
    assert told.startswith("error 47 | error 48 | error 49 | INFO")


def test_words_are_looked_for_whole():
    assert "terrorised" not in last_words(["terrorised", *FAREWELL])


def test_what_is_far_behind_is_forgotten():
    assert "error" not in last_words(["error", *["fine"] * KEPT_LINES])


@given(st.lists(st.text(max_size=2000), max_size=300))
def test_any_output_becomes_one_printable_line_of_some_length(lines):
    told = last_words(lines)
    assert told.isprintable()
    assert 0 < len(told) < 2500

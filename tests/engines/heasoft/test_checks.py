"""Checks as data of a call: they come back from JSON as they were, and nothing else passes for one."""

import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.engines.heasoft.checks import Check, counts_agree, covers, ebounds, region_applied, weighted_map

CHECKS = TypeAdapter(tuple[Check, ...])


def test_checks_are_data():
    made = (
        region_applied("a.pha"),
        counts_agree("a.pha"),
        weighted_map("a.pha"),
        covers("a.arf", 0.5, 10),
        ebounds("a.rmf"),
    )
    assert CHECKS.validate_json(CHECKS.dump_json(made)) == made


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "looks-nice", "file": "a.pha"},
        {"kind": "ebounds", "file": "../a.rmf"},
        {"kind": "ebounds", "file": "a.rmf", "low": 1.0},
        {"kind": "covers", "file": "a.arf", "low": 1.0},
    ],
)
def test_nothing_else_is_a_check(bad):
    with pytest.raises(ValidationError):
        CHECKS.validate_python((bad,))

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tasks.core.state import Standing, State
from tasks.library.summary import Result, Summary


def result(obsid, state, **values):
    return Result(obsid=obsid, target="N132D", standing=Standing(state=state), why="new", **values)


@pytest.fixture
def summary():
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    results = (
        result("000128000", State.DONE, dataclass="30000010"),
        result("000128000", State.FAILED, dataclass="31100010"),
        result("300049010", State.SKIPPED),
        result("300049011", State.DONE),
    )
    return Summary(
        sweep="s", recipe="standard", archive="a", catalogue="c", store="d",
        started=moment, ended=moment, found=3, results=results,
    )  # fmt: skip


def test_results_by_state_keep_their_order(summary):
    assert [item.obsid for item in summary.of(State.DONE)] == ["000128000", "300049011"]
    assert [item.dataclass for item in summary.of(State.FAILED)] == ["31100010"]
    assert summary.of(State.RUNNING) == ()


def test_it_survives_json(summary):
    assert Summary.model_validate_json(summary.model_dump_json()) == summary


@pytest.mark.parametrize(
    "change", [{"obsid": "1"}, {"dataclass": "x"}, {"standing": {"state": "odd"}}, {"a": 1}]
)
def test_what_is_no_result(change):
    with pytest.raises(ValidationError):
        Result.model_validate(result("000128000", State.DONE).model_dump(mode="json") | change)

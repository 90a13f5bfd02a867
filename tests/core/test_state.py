import pytest
from pydantic import ValidationError

from tasks.core.errors import BadInput, EnvironmentFault, NotPublic, Outcome, Permanent, Transient
from tasks.core.state import Standing, State


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotPublic("not released yet"), "skipped(not-public)"),
        (Transient("the server answered 503"), "failed(transient)"),
        (Permanent("no such column"), "failed(permanent)"),
    ],
)
def test_an_outcome_has_a_standing(error, text):
    standing = Standing.of(error)
    assert str(standing) == text
    assert standing.reason == str(error)
    assert Standing.model_validate_json(standing.model_dump_json()) == standing


def test_a_plain_state_has_no_parentheses():
    assert str(Standing(state=State.DONE)) == "done"
    assert [str(state) for state in State] == ["waiting", "running", "done", "skipped", "failed"]


@pytest.mark.parametrize("error", [BadInput("x"), EnvironmentFault("x"), Outcome("x"), ValueError("x")])
def test_other_errors_have_none(error):
    with pytest.raises(TypeError, match="is no state of a dataset"):
        Standing.of(error)


@pytest.mark.parametrize("values", [{}, {"state": "odd"}, {"state": "done", "colour": 1}])
def test_what_is_no_standing(values):
    with pytest.raises(ValidationError):
        Standing.model_validate(values)

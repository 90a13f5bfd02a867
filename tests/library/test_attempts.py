from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from tasks.core.errors import Permanent
from tasks.core.state import Standing, State
from tasks.library.attempts import ATTEMPT_KEY, read_attempt, write_attempt


def test_a_record_comes_back_as_it_was(store, attempt):
    one = attempt(
        datasets={"31100010": Standing(state=State.FAILED, kind="software", reason="a tool failed")}
    )
    write_attempt(store, one)
    assert store.sizes().keys() == {one.key}
    assert ATTEMPT_KEY.fullmatch(one.key)
    assert read_attempt(store, one.key) == one


def test_its_key_says_when_in_universal_time(attempt):
    tokyo = datetime(2026, 11, 21, 7, 0, tzinfo=timezone(timedelta(hours=9)))
    one = attempt(id="abc-1", started=tokyo, ended=None)
    assert one.key == "000128000/attempts/2026-11-20T22-00-00-abc-1.json"


def test_the_end_replaces_the_start(directory_store, attempt):
    write_attempt(directory_store, attempt(id="a", ended=None, standing=Standing(state=State.RUNNING)))
    ended = attempt(id="a")
    write_attempt(directory_store, ended)
    assert list(directory_store.sizes()) == [ended.key]
    assert read_attempt(directory_store, ended.key) == ended


def test_the_selection_is_that_of_the_basis(attempt):
    one, same = attempt(basis={"a": "1", "b": "2"}), attempt(basis={"b": "2", "a": "1"})
    assert one.selection == same.selection
    assert one.selection != attempt(basis={"a": "1", "b": "3"}).selection


@pytest.mark.parametrize(
    "values",
    [
        {"id": "../../x"},
        {"id": ""},
        {"id": "A"},
        {"obsid": "../etc"},
        {"started": datetime(2026, 11, 21)},
        {"ended": datetime(2020, 1, 1, tzinfo=UTC)},
        {"tries": -1},
        {"datasets": {"x": {"state": "done"}}},
        {"colour": "red"},
    ],
)
def test_what_is_no_attempt(attempt, values):
    with pytest.raises(ValidationError):
        attempt(**values)


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}"])
def test_what_is_no_record(directory_store, content):
    key = "000128000/attempts/2026-11-21T05-30-00-a.json"
    if content is not None:
        directory_store.replace(key, content)
    with pytest.raises(Permanent, match=r"a.json is no record of an attempt"):
        read_attempt(directory_store, key)


def test_a_record_under_another_name(directory_store, attempt):
    directory_store.replace("300049010/attempts/x.json", attempt().model_dump_json().encode())
    with pytest.raises(Permanent, match="another attempt"):
        read_attempt(directory_store, "300049010/attempts/x.json")

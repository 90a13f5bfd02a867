import pytest
from pydantic import ValidationError

from tasks.library.call import Call


@pytest.mark.parametrize(
    "function",
    [
        "os:system",
        "tasks:run",
        "tasks.a:b.c",
        "tasks.a",
        "tasks..a:b",
        "tasks.a:b\n",
        "tasks.a:b()",
        "xtasks.a:b",
    ],
)
def test_only_functions_of_the_project_are_called(function):
    with pytest.raises(ValidationError):
        Call(function=function)


@pytest.mark.parametrize("name", ["..", ".call.json", "a/b", "-rf", "a b", "", "a\n", "ä", "x" * 256])
def test_files_have_plain_names(name):
    with pytest.raises(ValidationError):
        Call(function="tasks.a:b", outputs=(name,))
    with pytest.raises(ValidationError):
        Call(function="tasks.a:b", inputs={name: "/somewhere"})


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_a_time(timeout):
    with pytest.raises(ValidationError):
        Call(function="tasks.a:b", timeout=timeout)


def test_a_call_survives_the_way_to_its_child():
    call = Call(
        function="tasks.a:b",
        parameters={"x": [1, 2.5, None], "y": {"z": "ü"}},
        inputs={"in.fits": "/a b/c"},
        outputs=("out.fits",),
        timeout=1.5,
    )
    assert Call.model_validate_json(call.model_dump_json()) == call

import pytest

from tasks.core.errors import BadInput
from tasks.engines.choice import engine


@pytest.mark.parametrize("name", ["native", "auto"])
def test_the_native_engine_is_always_there(name):
    assert engine(name).name == "native"


@pytest.mark.parametrize("name", ["", "NATIVE", "heasoftpy"])
def test_an_engine_that_does_not_exist_is_refused(name):
    with pytest.raises(BadInput, match="there is no engine"):
        engine(name)

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.library.fingerprint import fingerprint
from tasks.library.recipe import LightCurves, Recipe

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), values))
def test_the_order_of_keys_does_not_matter(mapping):
    assert fingerprint(mapping) == fingerprint(dict(reversed(mapping.items())))


@settings(deadline=None)
@given(st.lists(st.text(), min_size=2, unique=True))
def test_the_order_of_parts_does(parts):
    assert fingerprint(*parts) != fingerprint(*reversed(parts))


@settings(deadline=None)
@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_parts_do_not_run_into_each_other(one, other):
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


def test_it_is_the_same_in_every_process_and_on_every_day():
    expected = "f7c261ee0ae407444257d793001ab4b8858b7ed9efe46f2f30819a9a5fa9cfcb"
    code = "from tasks.library.fingerprint import fingerprint; print(fingerprint('a', {'b': [1, 2.5, None]}))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == fingerprint("a", {"b": [1, 2.5, None]})
    assert out.strip() == expected


def test_models_count_by_what_they_hold():
    assert fingerprint(Recipe()) == fingerprint(Recipe())
    assert fingerprint(Recipe()) == fingerprint(Recipe().model_dump(mode="json"))
    assert fingerprint(Recipe()) != fingerprint(Recipe(light_curves=LightCurves(time_bin=100.0)))


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, "1"), (1, True), (None, "null"), ([], {}), ("", None), (Decimal("0.6"), Decimal("0.7"))],
)
def test_what_differs_has_another(one, other):
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_has_no_fingerprint(value):
    with pytest.raises(ValueError, match=r"JSON|serialize"):
        fingerprint(value)

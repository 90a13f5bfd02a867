"""Model expressions: what they mean, and what is said of those that mean nothing."""

import pytest

from tasks.core.errors import BadInput
from tasks.library.spectral.components import COMPONENTS
from tasks.library.spectral.expression import Leaf, Product, Sum, leaves, parse
from tasks.library.spectral.xspec_names import XSPEC_ONLY


def labels(text):
    return [leaf.label for leaf in leaves(parse(text))]


def test_one_component():
    node = parse(" powerlaw ")
    assert isinstance(node, Leaf)
    assert node.component is COMPONENTS["powerlaw"]


@pytest.mark.parametrize(
    "text", ["phabs*(powerlaw+bbody)", "phabs(powerlaw + bbody)", "Phabs * ( PowerLaw+ bbody )"]
)
def test_absorbed_sum(text):
    node = parse(text)
    assert isinstance(node, Product)
    assert isinstance(node.parts[1], Sum)
    assert labels(text) == ["phabs", "powerlaw", "bbody"]


def test_products_bind_tighter_than_sums():
    node = parse("phabs*powerlaw + gaussian")
    assert isinstance(node, Sum)
    assert isinstance(node.parts[0], Product)


def test_factors_of_factors():
    assert labels("phabs*phabs(powerlaw)") == ["phabs", "phabs_2", "powerlaw"]
    assert labels("phabs*(powerlaw+gaussian+gaussian)") == ["phabs", "powerlaw", "gaussian", "gaussian_4"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it ends where a component should come"),
        ("phabs*", "it ends where a component should come"),
        ("phabs*(powerlaw", "a bracket is not closed"),
        ("phabs*powerlaw)", "')' is not expected there"),
        ("*powerlaw", "'*' stands where a component should come"),
        ("powerlaw-bbody", "'-' is not expected there"),
        ("powerlaw bbody", "'bbody' is not expected there"),
        ("powerlaw*bbody", "emission cannot be multiplied"),
        ("powerlaw(bbody)", "something is missing before a bracket"),
        ("phabs+powerlaw", "only emission can be added"),
        ("phabs", "only absorbs"),
        ("phabs*powerlaw; rm", "cannot be read at '; rm'"),
        ("__import__('os')", "cannot be read at"),
        ("powerlaw2", "there is no model component powerlaw2"),
        ("+".join(["powerlaw"] * 40), "more than 30 components"),
    ],
)
def test_no_expression(text, said):
    with pytest.raises(BadInput, match=r".") as refused:
        parse(text)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["apec", "TBabs", "diskbb", "cflux"])
def test_what_xspec_has_and_this_set_has_not_is_named(name):
    with pytest.raises(BadInput) as refused:
        parse(f"phabs*{name}")
    assert str(refused.value).startswith(
        f"{name} is a model of XSPEC, and Sherpa as installed here has no XSPEC"
    )


def test_who_asks_for_tbabs_is_told_what_comes_near():
    with pytest.raises(BadInput, match="phabs with the abundances wilm"):
        parse("tbabs*powerlaw")


def test_no_name_is_in_both_sets():
    assert not XSPEC_ONLY & set(COMPONENTS)


def test_brackets_of_any_depth_are_refused_without_a_crash():
    with pytest.raises(BadInput):
        parse("(" * 5000 + "powerlaw")

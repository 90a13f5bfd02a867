"""Laws of orders that hold for every recipe and target."""

import re
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.library.call import Call
from tasks.library.manifest import Manifest, Step
from tasks.library.orders import PRODUCT_STEPS, order
from tasks.library.recipe import Recipe

KEV = st.decimals(0, 24, places=3).map(abs) | st.sampled_from(["0.3", "0.4", "0.6", "2", "10"]).map(Decimal)
# Wide enough to hold a channel of its own.
WIDTH = st.decimals("0.02", 10, places=3)
BANDS = st.tuples(KEV, WIDTH).map(lambda pair: f"{pair[0]}-{pair[0] + pair[1]}")
BINNINGS = st.lists(st.integers(1, 64), unique=True, max_size=4)
POSITIVE = st.floats(1e-6, 1e6, allow_nan=False)
GROUPINGS = st.just("opt") | st.builds(
    "{}:{}".format, st.sampled_from(["min", "optmin", "bmin"]), st.integers(1, 9_999_999)
)
FRACTION = st.floats(1e-3, 1)
RECIPES = st.fixed_dictionaries(
    {
        "edges": st.sampled_from(["shared", "disjoint"]),
        "images": st.fixed_dictionaries(
            {"bands": st.lists(BANDS, max_size=4, unique=True), "binnings": BINNINGS}
        ),
        "exposure": st.fixed_dictionaries(
            {
                "delta_arcmin": POSITIVE,
                "numphi": st.integers(0, 10**6),
                "binnings": BINNINGS,
                "minimum_fraction": FRACTION,
                "mask_calibration": st.booleans(),
            }
        ),
        "light_curves": st.fixed_dictionaries(
            {
                "bands": st.lists(BANDS, max_size=4, unique=True),
                "time_bin": POSITIVE,
                "exposure_threshold": st.floats(0, 1),
                "net_errors": st.sampled_from(["gaussian", "linear"]),
            }
        ),
        "spectra": st.fixed_dictionaries(
            {
                "grouping": st.lists(GROUPINGS, unique=True, max_size=4),
                "backscal": st.sampled_from(["exposure", "maximum"]),
            }
        ),
        "source": st.fixed_dictionaries({"radius_arcmin": st.floats(0.01, 5)}),
    }
)
TARGETS = st.fixed_dictionaries(
    {
        "name": st.text(max_size=200),
        "ra": st.floats(0, 360),
        "dec": st.floats(-90, 90),
        "origin": st.just("RA_OBJ/DEC_OBJ of the events"),
    }
)
# The fixtures only make functions, so one for all examples is as good as one each.
LAW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def valid(parts: dict) -> dict:
    """Only recipes that can be: their own tests tell which these are."""
    try:
        Recipe.model_validate(parts)
    except ValidationError:
        assume(False)
    return parts


@LAW
@given(parts=RECIPES, target=TARGETS)
def test_every_product_has_a_plain_name_and_a_fingerprint_of_its_own(dataset, done, parts, target):
    manifest: Manifest = done(dataset(recipe=valid(parts)), target=target)
    names = [item.name for item in manifest.products]
    assert len(set(names)) == len(names)
    assert len({item.fingerprint for item in manifest.products}) == len(names)
    # These are the names that calls, stores and file systems take.
    Call(function="tasks.any:function", outputs=tuple(names))
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name) and len(name) < 256 for name in names)


@LAW
@given(parts=RECIPES, target=TARGETS)
def test_a_fingerprint_depends_on_nothing_but_content(dataset, done, parts, target):
    """Where files lie, how large they are, and how, when and by whom a step was done makes no difference."""
    asked = dataset(recipe=valid(parts))
    manifest: Manifest = done(asked, target=target)
    elsewhere = manifest.model_copy(
        update={
            "recipe": "other",
            "products": tuple(
                item.model_copy(update={"path": f"moved/{item.name}", "size": 99})
                for item in manifest.products
            ),
            "steps": {
                step: record.model_copy(update={"engine": "other", "versions": {"a": "b"}, "calls": ({},)})
                for step, record in manifest.steps.items()
            },
        }
    )
    for step in (Step.PROCESSING, *PRODUCT_STEPS):
        assert order(step, asked, elsewhere) == order(step, asked, manifest)


@pytest.mark.parametrize("name", ["", "../../etc", "a/b\\c", "\u00e9\u4e16", "--rf", "x" * 500])
def test_odd_targets_give_plain_names(dataset, done, name):
    target = {"name": name, "ra": 0.0, "dec": -0.0, "origin": "asked for"}
    names = [item.name for item in done(dataset(), target=target).products]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", name) for name in names)

from types import SimpleNamespace

import pytest

from tasks.core.identifiers import ObsID
from tasks.library.store import open_store
from tasks.report.site_catalogue import KEY, Facts, day_words, read_facts, remember_facts

ONE, TWO = ObsID("900000010"), ObsID("900000020")


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def test_what_was_seen_stays_known(store):
    assert read_facts(store) == {}
    first = Facts(name="M 87", ra=187.7, dec=12.4, start_mjd=60310.5, exposure=9.0, status="archived")
    remember_facts(store, {ONE: first})
    remember_facts(store, {TWO: Facts(name="Cen A")})
    assert read_facts(store) == {ONE: first, TWO: Facts(name="Cen A")}
    remember_facts(store, {ONE: Facts(name="M87")})
    assert read_facts(store)[ONE] == Facts(name="M87")


def test_nothing_new_writes_nothing(store, monkeypatch):
    remember_facts(store, {ONE: Facts(name="M 87")})
    monkeypatch.setattr(store, "replace", lambda *_: pytest.fail("it was written again"))
    remember_facts(store, {ONE: Facts(name="M 87")})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x": {}}', b'{"900000010": {"ra": "north"}}'])
def test_a_damaged_one_is_as_none(store, content):
    store.replace(KEY, content)
    assert read_facts(store) == {}


def test_facts_are_read_from_what_has_them():
    row = SimpleNamespace(
        name="M 87",
        ra=1.0,
        dec=None,
        start_mjd=None,
        exposure=0.0,
        category="AGN",
        status="",
        public_date=0.0,
    )
    assert Facts.model_validate(row) == Facts(name="M 87", ra=1.0, category="AGN", public_date=0.0)


@pytest.mark.parametrize(
    ("mjd", "day"), [(60310.99, "2024-01-01"), (None, ""), (0.0, ""), (1e12, ""), (-1e9, ""), (1e300, "")]
)
def test_days(mjd, day):
    assert day_words(mjd) == day


@pytest.mark.parametrize("limits", [("ra", 360.0), ("dec", 90.0)])
@pytest.mark.parametrize("beyond", [1.001, -1.001, float("nan"), float("inf")])
def test_a_position_that_cannot_be_is_none(limits, beyond):
    name, limit = limits
    assert getattr(Facts.model_validate({name: limit}), name) == limit
    assert getattr(Facts.model_validate({name: limit * beyond}), name) is None

import pytest

from tasks.core.identifiers import ObsID
from tasks.core.state import Standing, State
from tasks.library.inventory import damaged
from tasks.library.publication import publish

OBSID = ObsID("000128000")
DONE = Standing(state=State.DONE)
FOLDER = f"{OBSID}/30000010"


@pytest.fixture
def published(store, ledger, draft, make):
    manifest = publish(store, None, draft(), [make("a.fits"), make("b.fits")], lambda: None)
    ledger.record_manifest(manifest, DONE)
    return manifest


def test_an_empty_store_is_not_even_listed(ledger):
    assert damaged(None, ledger) == frozenset()


def test_what_is_whole_is_not_damaged(store, ledger, published):
    store.replace(f"{FOLDER}/more", b"files that nobody knows do no harm")
    assert damaged(store, ledger) == frozenset()


@pytest.mark.parametrize("number", [0, 1])
def test_a_missing_product_is_damage(store, ledger, published, number):
    store.delete([f"{FOLDER}/{published.products[number].path}"])
    assert damaged(store, ledger) == {OBSID}


@pytest.mark.parametrize("content", [b"s", b"longer than it was, whatever that may have been" * 9])
def test_another_size_is_damage(store, ledger, published, content):
    store.replace(f"{FOLDER}/{published.products[0].path}", content)
    assert damaged(store, ledger) == {OBSID}


def test_a_missing_manifest_is_damage(store, ledger, published):
    store.delete([f"{FOLDER}/manifest.json"])
    assert damaged(store, ledger) == {OBSID}


def test_only_the_damaged_observation_is_named(store, ledger, published, draft, make):
    other = draft().model_copy(update={"obsid": ObsID("000129000")})
    ledger.record_manifest(publish(store, None, other, [make("a.fits")], lambda: None), DONE)
    store.delete([f"{FOLDER}/{published.products[0].path}"])
    assert damaged(store, ledger) == {OBSID}


def test_a_dataset_without_a_manifest_lacks_nothing(store, ledger, attempt):
    ledger.record_attempt(attempt())
    assert damaged(store, ledger) == frozenset()

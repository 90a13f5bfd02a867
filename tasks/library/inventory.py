"""The inventory: what the ledger says is published against what the store holds."""

from sqlalchemy import ColumnElement, select

from tasks.core.identifiers import ObsID
from tasks.library import schema
from tasks.library.keys import MANIFEST
from tasks.library.ledger import Ledger
from tasks.library.store import Store

_OBSID_DIGITS = 9


def damaged(store: Store, ledger: Ledger) -> frozenset[ObsID]:
    """Observations with published files that are missing or have another size.

    One look at each name in a directory or one paged listing of a bucket; no file is read.
    """
    product, dataset = schema.products.c, schema.datasets.c
    files = select(_key(product.obsid, product.dataclass, product.path), product.size)
    manifests = select(_key(dataset.obsid, dataset.dataclass, MANIFEST)).where(dataset.manifest.is_not(None))
    with ledger.reading() as connection:
        sizes = dict(connection.execute(files).tuples().all())
        named = connection.scalars(manifests).all()
    found = store.sizes_of([*sizes, *named]) if sizes or named else {}
    lost = [key for key in named if key not in found]
    spoilt = [key for key, size in sizes.items() if found.get(key) != size]
    return frozenset(ObsID(key[:_OBSID_DIGITS]) for key in (*lost, *spoilt))


def _key(
    obsid: ColumnElement[str], dataclass: ColumnElement[str], path: ColumnElement[str] | str
) -> ColumnElement[str]:
    """A file's key in the store, put together by the database."""
    return obsid + "/" + dataclass + "/" + path

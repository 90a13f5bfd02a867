"""The inventory: what the ledger says is published against what the store holds."""

from sqlalchemy import select

from tasks.core.identifiers import ObsID
from tasks.library import schema
from tasks.library.keys import MANIFEST
from tasks.library.ledger import Ledger
from tasks.library.store import Store


def damaged(store: Store, ledger: Ledger) -> frozenset[ObsID]:
    """Observations with published files that are missing or have another size.

    One scan of a directory or one paged listing of a bucket; no file is read.
    """
    product, dataset = schema.products.c, schema.datasets.c
    with ledger.reading() as connection:
        products = connection.execute(
            select(product.obsid, product.dataclass, product.path, product.size)
        ).all()
        manifests = connection.execute(
            select(dataset.obsid, dataset.dataclass).where(dataset.manifest.is_not(None))
        ).all()
    found = store.sizes() if manifests else {}
    lost = {row.obsid for row in manifests if f"{row.obsid}/{row.dataclass}/{MANIFEST}" not in found}
    spoilt = {
        row.obsid for row in products if found.get(f"{row.obsid}/{row.dataclass}/{row.path}") != row.size
    }
    return frozenset(map(ObsID, lost | spoilt))

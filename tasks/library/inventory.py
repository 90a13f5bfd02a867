"""The inventory: what the ledger says is published against what the store holds."""

from sqlalchemy import select

from tasks.core.identifiers import ObsID
from tasks.library import schema
from tasks.library.ledger import Ledger
from tasks.library.store import Store


def damaged(store: Store, ledger: Ledger) -> frozenset[ObsID]:
    """Observations with published files that are missing or have another size: one scan, nothing is read."""
    table = schema.products.c
    with ledger.reading() as connection:
        rows = connection.execute(select(table.obsid, table.dataclass, table.path, table.size)).all()
    found = store.sizes() if rows else {}
    return frozenset(
        ObsID(row.obsid) for row in rows if found.get(f"{row.obsid}/{row.dataclass}/{row.path}") != row.size
    )

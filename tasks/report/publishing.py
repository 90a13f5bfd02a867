"""What a sweep leaves in the report: its summary and page, what the catalogue said, and the site."""

from collections.abc import Mapping

from tasks.core.identifiers import ObsID
from tasks.library.ledger import Ledger
from tasks.library.store import Store
from tasks.library.summary import Summary
from tasks.report.site import update
from tasks.report.site_catalogue import Facts, remember_facts
from tasks.report.sweep import sweep_page


def summary_key(sweep: str) -> str:
    """Where a sweep's summary lies in the store."""
    return f"report/sweeps/{sweep}.json"


def publish_sweep(store: Store, ledger: Ledger, summary: Summary, seen: Mapping[ObsID, Facts]) -> None:
    """Publish a sweep's summary and page, and bring index and pages of observations up to date."""
    store.replace(summary_key(summary.sweep), summary.model_dump_json(indent=1).encode())
    store.replace(f"report/sweep-{summary.sweep}.html", sweep_page(summary).encode())
    remember_facts(store, seen)
    update(store, ledger)

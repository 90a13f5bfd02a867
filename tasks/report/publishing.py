"""Putting a sweep's page into the store."""

from tasks.library.store import Store
from tasks.library.summary import Summary
from tasks.report.sweep import sweep_page

INDEX = "report/index.html"
"""The page of the newest sweep."""


def summary_key(sweep: str) -> str:
    """Where a sweep's summary lies in the store."""
    return f"report/sweeps/{sweep}.json"


def publish_summary(store: Store, summary: Summary) -> None:
    """Publish a sweep's summary and its page, which is also the newest."""
    store.replace(summary_key(summary.sweep), summary.model_dump_json(indent=1).encode())
    page = sweep_page(summary).encode()
    # Side by side, so that one page serves as both.
    store.replace(f"report/sweep-{summary.sweep}.html", page)
    store.replace(INDEX, page)

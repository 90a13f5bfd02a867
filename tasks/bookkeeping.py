"""Tasks that show what was done."""

from prefect import task

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing
from tasks.engines.paging import make_page
from tasks.library.publication import read_manifest
from tasks.library.site import this_site
from tasks.policies import RETRIED
from tasks.report.choice import preview_products
from tasks.report.dataset import PAGE_FILES


@task(name="page", task_run_name="page {obsid} {dataclass}", **RETRIED)
async def page(obsid: ObsID, dataclass: DataClass, target: str, standing: Standing) -> None:
    """Make the page of a dataset."""
    site = this_site()
    manifest = read_manifest(site.store, obsid, dataclass)
    shown = preview_products(manifest) if manifest else ()
    await make_page(site, obsid, dataclass, target, standing, manifest, shown, PAGE_FILES)

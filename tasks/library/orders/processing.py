"""Processing: the dataset's cleaned events and its bad-pixel image."""

import re

from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Role, Step
from tasks.library.orders.order import Maker, Order


def order(dataset: Dataset) -> Order:
    """An event list per split file, and the bad-pixel image where there is one."""
    make, inputs = Maker(dataset, Step.PROCESSING), dataset.inputs
    files = [(name, Kind.EVENTS) for name in inputs.events]
    if inputs.bad_pixels:
        files.append((inputs.bad_pixels, Kind.BAD_PIXELS))
    wanted = tuple(
        make.want(
            kind,
            Role.FIELD,
            adopted_name(dataset, source, kind),
            inputs.sha256(source),
            entry={"source": source},
        )
        for source, kind in files
    )
    return Order(wanted, cautions=dataset.cautions)


def adopted_name(dataset: Dataset, source: str, kind: Kind) -> str:
    """HEASoft's name for an adopted file, with the compression it came in."""
    found = re.search(r"xtd_p([0-9])", source)
    name = names.cleaned_events if kind == Kind.EVENTS else names.bad_pixel_image
    suffix = ".gz" if source.endswith(".gz") else ""
    return name(dataset.obsid, int(found[1]) if found else 0, dataset.dataclass) + suffix

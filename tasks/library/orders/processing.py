"""Processing: the dataset's cleaned events and its bad-pixel image, adopted or made anew."""

import re
from collections.abc import Iterator

from tasks.core.errors import Permanent
from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, NotMade, Role, Step
from tasks.library.orders.order import Maker, Order, Wanted
from tasks.library.pipeline_files import Place, place_of


def order(dataset: Dataset) -> Order:
    """An event list per split file, and the bad-pixel image."""
    make = Maker(dataset, Step.PROCESSING)
    if dataset.engine_of(Step.PROCESSING).name == "heasoft":
        return Order(tuple(_reprocessed(make)), cautions=dataset.cautions)
    return Order(tuple(_adopted(make)), tuple(_not_adopted(make)), dataset.cautions)


def adopted_name(dataset: Dataset, source: str, kind: Kind) -> str:
    """HEASoft's name for an adopted file, with the compression it came in."""
    suffix = ".gz" if source.endswith(".gz") else ""
    return _name(dataset, source, kind) + suffix


def _name(dataset: Dataset, source: str, kind: Kind) -> str:
    found = re.search(r"xtd_p([0-9])", source)
    name = names.cleaned_events if kind == Kind.EVENTS else names.bad_pixel_image
    return name(dataset.obsid, int(found[1]) if found else 0, dataset.dataclass)


def _adopted(make: Maker) -> Iterator[Wanted]:
    """The archive's own files; a bad-pixel image where there is one."""
    dataset, inputs = make.dataset, make.dataset.inputs
    files = [(name, Kind.EVENTS) for name in inputs.events]
    if inputs.bad_pixels:
        files.append((inputs.bad_pixels, Kind.BAD_PIXELS))
    for source, kind in files:
        name = adopted_name(dataset, source, kind)
        yield make.want(kind, Role.FIELD, name, inputs.sha256(source), entry={"source": source})


def _not_adopted(make: Maker) -> Iterator[NotMade]:
    if (tool := make.dataset.recipe.heasoft.flickering) != "none":
        why = f"events were adopted: {tool} runs only where HEASoft processes them"
        yield make.refuse(Kind.FLICKERING, Role.FIELD, why)


def _reprocessed(make: Maker) -> Iterator[Wanted]:
    """What xtdpipeline makes: all of it follows from everything that it reads.

    Raises
    ------
    Permanent
        When there are no unfiltered events.
    """
    dataset, recipe = make.dataset, make.dataset.recipe.heasoft
    places = {file.sha256: place_of(dataset.obsid, file.name) for file in dataset.inputs.inputs}
    if Place.UNFILTERED not in places.values():
        raise Permanent(
            f"{dataset.key} cannot be reprocessed: no unfiltered events are here; the archive lacks them, or "
            "the download was for another engine"
        )
    sources = [sha256 for sha256, place in places.items() if place]
    files = [(_name(dataset, source, Kind.EVENTS), Kind.EVENTS) for source in dataset.inputs.events]
    files.append((names.bad_pixel_image(dataset.obsid, 0, dataset.dataclass), Kind.BAD_PIXELS))
    if recipe.flickering != "none":
        files.append((names.flickering_pixels(dataset.obsid, dataset.dataclass), Kind.FLICKERING))
    for name, kind in files:
        # Flickering pixels do not change the bad-pixel image.
        flickering = None if kind == Kind.BAD_PIXELS else recipe.flickering
        yield make.want(
            kind,
            Role.FIELD,
            name,
            *sources,
            seed=recipe.seed,
            calc_modegti=recipe.calc_modegti,
            flickering=flickering,
        )

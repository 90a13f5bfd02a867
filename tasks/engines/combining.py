"""Making the combined image of an observation: two calls, whose files go to the report's folder."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from tasks.core.errors import Outcome, Transient
from tasks.core.identifiers import DataClass, ObsID
from tasks.engines.runner import CallResult, run_call
from tasks.engines.workplace import workplace
from tasks.library.call import Call, linked
from tasks.library.combination import (
    PICTURE,
    RECORD,
    Combined,
    CombinedFile,
    Sum,
    combined_key,
    read_combined,
    sum_of,
)
from tasks.library.dataset import recipe_hash
from tasks.library.fingerprint import file_sha256, fingerprint
from tasks.library.keys import MANIFEST
from tasks.library.manifest import Kind, Manifest, Product
from tasks.library.ownership import recipe_of
from tasks.library.publication import manifest_bytes, read_manifest
from tasks.library.recipe import Recipe
from tasks.library.site import Site

_VERSION = 1
"""Raised when the sum or its picture is to be made again everywhere."""
_SECONDS = 900.0


async def combine(
    site: Site, obsid: ObsID, dataclasses: Iterable[DataClass], confirm: Callable[[], None]
) -> bool:
    """Bring the combined image of an observation up to date.

    Parameters
    ----------
    site, obsid
        Which observation, and where it is kept.
    dataclasses : iterable of DataClass
        Its datasets.
    confirm : callable
        Raises `LeaseLost` when this process must not publish any more.

    Returns
    -------
    bool
        Whether anything was made or taken away.
    """
    recipe = await asyncio.to_thread(recipe_of, site.store) or Recipe()
    read = [await asyncio.to_thread(read_manifest, site.store, obsid, name) for name in dataclasses]
    found = sum_of(filter(None, read))
    before = await asyncio.to_thread(read_combined, site.store, obsid)
    if found is None:
        if before:
            await asyncio.to_thread(_clear, site, obsid, before, confirm)
        return before is not None
    of = _fingerprint(found, recipe)
    if before and before.of == of and await asyncio.to_thread(_is_there, site, obsid, before):
        return False
    with workplace(site, f"{obsid}-combined") as directory:
        record = await _make(site, obsid, found, recipe, of, directory)
        await asyncio.to_thread(_put, site, obsid, before, record, directory, confirm)
    return True


def _fingerprint(found: Sum, recipe: Recipe) -> str:
    used = [product.sha256 for item in found.summands for product in (item.image, item.exposure_map)]
    marked = [product.sha256 for _, product in found.regions]
    return fingerprint(_VERSION, found.dataclasses, used, marked, recipe.exposure.minimum_fraction)


async def _make(site: Site, obsid: ObsID, found: Sum, recipe: Recipe, of: str, directory: Path) -> Combined:
    """Sum and draw in scratch; the files are left in `directory/0` and `directory/1`."""
    record = Combined(of=of, dataclasses=found.dataclasses, band=str(found.band), binning=found.binning)
    inputs = await asyncio.to_thread(_inputs, site, obsid, found, directory)
    calls = linked(_calls(obsid, found, recipe, inputs), directory)
    try:
        summed, drawn = [
            await run_call(call, directory / str(number), site.log(obsid), cores=site.cores)
            for number, call in enumerate(calls)
        ]
    except Transient:
        raise
    except Outcome as exc:
        return record.model_copy(update={"why": str(exc)})
    files = tuple(
        CombinedFile(kind=kind, name=name, size=path.stat().st_size, sha256=file_sha256(path))
        for kind, name in found.names(obsid).items()
        for path in [directory / "0" / name]
    )
    return record.model_copy(update={"files": files, **_told(summed, drawn)})


def _told(summed: CallResult, drawn: CallResult) -> dict[str, object]:
    """What the picture's call told about it."""
    if why := drawn.report.not_made.get(PICTURE):
        return {"why": why}
    facts = drawn.report.facts
    return {"alt": facts["alt"], "caption": facts["caption"], "size": tuple(facts["size"])}


def _calls(obsid: ObsID, found: Sum, recipe: Recipe, inputs: dict[str, str]) -> list[Call]:
    names = found.names(obsid)
    images = [item.image.name for item in found.summands]
    maps = [item.exposure_map.name for item in found.summands]
    regions = [product.name for _, product in found.regions]
    summing = Call(
        function="tasks.engines.native.combined:combine",
        parameters={
            "images": images,
            "exposure_maps": maps,
            "names": {
                "image": names[Kind.IMAGE],
                "exposure_map": names[Kind.EXPOSURE_MAP],
                "rate_image": names[Kind.RATE_IMAGE],
            },
            "minimum_fraction": recipe.exposure.minimum_fraction,
            "recipe": recipe_hash(recipe),
        },
        inputs={name: inputs[name] for name in (*images, *maps)},
        outputs=tuple(names.values()),
        timeout=_SECONDS,
    )
    drawing = Call(
        function="tasks.report.combined:draw_combined",
        parameters={"dataclasses": list(found.dataclasses)},
        inputs={name: inputs[name] for name in (MANIFEST, *regions)},
        after={names[Kind.RATE_IMAGE]: 0},
        outputs=(PICTURE,),
        timeout=_SECONDS,
    )
    return [summing, drawing]


def _inputs(site: Site, obsid: ObsID, found: Sum, directory: Path) -> dict[str, str]:
    """Local paths of what is summed and drawn, under their own names."""
    copy = directory / MANIFEST
    copy.write_bytes(manifest_bytes(found.pictured(obsid)))
    wanted: list[tuple[Manifest, Product]] = [
        (item.manifest, product) for item in found.summands for product in (item.image, item.exposure_map)
    ]
    wanted += [(item.manifest, product) for item, product in found.regions]
    fetched = directory / "inputs"
    return {MANIFEST: str(copy)} | {
        product.name: str(
            site.store.local(f"{obsid}/{manifest.dataclass}/{product.path}", fetched, product.sha256)
        )
        for manifest, product in wanted
    }


def _is_there(site: Site, obsid: ObsID, record: Combined) -> bool:
    sizes = site.store.sizes(f"report/{obsid}")
    return all(sizes.get(combined_key(obsid, item.name)) == item.size for item in record.files)


def _put(
    site: Site,
    obsid: ObsID,
    before: Combined | None,
    record: Combined,
    directory: Path,
    confirm: Callable[[], None],
) -> None:
    """Replace the files, and the record at last: a killed writer's work is done again."""
    confirm()
    made = {item.name: directory / "0" / item.name for item in record.files}
    if record.alt:
        made[PICTURE] = directory / "1" / PICTURE
    for name, path in made.items():
        site.store.replace(combined_key(obsid, name), path.read_bytes())
    site.store.replace(combined_key(obsid, RECORD), record.model_dump_json(indent=1).encode() + b"\n")
    gone = {item.name for item in before.files} | {PICTURE} if before else set()
    site.store.delete(combined_key(obsid, name) for name in gone - made.keys())


def _clear(site: Site, obsid: ObsID, before: Combined, confirm: Callable[[], None]) -> None:
    """Take away what is summed no more, the record first."""
    confirm()
    gone = (RECORD, PICTURE, *(item.name for item in before.files))
    site.store.delete(combined_key(obsid, name) for name in gone)

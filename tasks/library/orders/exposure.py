"""Exposure maps at the recipe's binnings, and the unbinned one that areas are taken from."""

from collections.abc import Iterator

from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, NotMade, Role, Step
from tasks.library.orders.order import Maker, Order, Wanted, hashes
from tasks.xtend.cautions import caution


def order(dataset: Dataset, manifest: Manifest) -> Order:
    """A map per binning, or why there is none; an efficiency map where the recipe asks for it."""
    ehk, bad_pixels = dataset.inputs.ehk, hashes(manifest, Kind.BAD_PIXELS)
    if ehk is None:
        return _without(dataset, "EHK file")
    if not bad_pixels:
        return _without(dataset, "bad-pixel image")
    make = Maker(dataset, Step.EXPOSURE)
    sources = (*hashes(manifest, Kind.EVENTS), *bad_pixels, dataset.inputs.sha256(ehk))
    # Flickering pixels count as not exposed while they flicker.
    sources += hashes(manifest, Kind.FLICKERING)
    efficiency = [*_efficiency(make, sources)]
    return Order(
        (*_maps(make, sources), *(item for item in efficiency if isinstance(item, Wanted))),
        tuple(item for item in efficiency if isinstance(item, NotMade)),
    )


def _maps(make: Maker, sources: tuple[str, ...]) -> Iterator[Wanted]:
    dataset, recipe = make.dataset, make.dataset.recipe.exposure
    # Regions and BACKSCAL need the unbinned map whatever the recipe shows.
    for binning in sorted({1, *recipe.binnings}):
        yield make.want(
            Kind.EXPOSURE_MAP,
            Role.FIELD,
            names.exposure_map(dataset.obsid, dataset.dataclass, recipe.delta_arcmin, recipe.numphi, binning),
            *sources,
            entry={"binning": binning},
            delta_arcmin=recipe.delta_arcmin,
            numphi=recipe.numphi,
            mask_calibration=recipe.mask_calibration,
        )


def _efficiency(make: Maker, sources: tuple[str, ...]) -> Iterator[Wanted | NotMade]:
    dataset, recipe = make.dataset, make.dataset.recipe.exposure
    energy = dataset.recipe.heasoft.efficiency_energy_kev
    if energy is None:
        return
    name = names.efficiency_map(dataset.obsid, dataset.dataclass, recipe.delta_arcmin, recipe.numphi, energy)
    if dataset.engine_of(Step.EXPOSURE).name != "heasoft":
        why = "only HEASoft knows how efficient the telescope is: its CALDB does"
        yield make.refuse(Kind.EFFICIENCY_MAP, Role.FIELD, why, name)
        return
    yield make.want(
        Kind.EFFICIENCY_MAP,
        Role.FIELD,
        name,
        *sources,
        entry={"energy_kev": energy},
        delta_arcmin=recipe.delta_arcmin,
        numphi=recipe.numphi,
        mask_calibration=recipe.mask_calibration,
    )


def _without(dataset: Dataset, lacking: str) -> Order:
    why = f"the archive holds no {lacking} for this dataset"
    refusal = Maker(dataset, Step.EXPOSURE).refuse(Kind.EXPOSURE_MAP, Role.FIELD, why)
    sentence = f"No exposure map: {why}. Images are not divided by exposure, and areas are geometric."
    return Order((), (refusal,), (caution("no-exposure-map", sentence),))

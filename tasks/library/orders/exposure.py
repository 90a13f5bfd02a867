"""Exposure maps at the recipe's binnings, and the unbinned one that areas are taken from."""

from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.orders.order import Maker, Order, hashes
from tasks.xtend.cautions import caution


def order(dataset: Dataset, manifest: Manifest) -> Order:
    """A map per binning, or why there is none."""
    ehk, bad_pixels = dataset.inputs.ehk, hashes(manifest, Kind.BAD_PIXELS)
    if ehk is None:
        return _without(dataset, "EHK file")
    if not bad_pixels:
        return _without(dataset, "bad-pixel image")
    make, recipe = Maker(dataset, Step.EXPOSURE), dataset.recipe.exposure
    return Order(
        tuple(
            make.want(
                Kind.EXPOSURE_MAP,
                Role.FIELD,
                names.exposure_map(
                    dataset.obsid, dataset.dataclass, recipe.delta_arcmin, recipe.numphi, binning
                ),
                *hashes(manifest, Kind.EVENTS),
                *bad_pixels,
                dataset.inputs.sha256(ehk),
                entry={"binning": binning},
                delta_arcmin=recipe.delta_arcmin,
                numphi=recipe.numphi,
            )
            # Regions and BACKSCAL need the unbinned map whatever the recipe shows.
            for binning in sorted({1, *recipe.binnings})
        )
    )


def _without(dataset: Dataset, lacking: str) -> Order:
    why = f"the archive holds no {lacking} for this dataset"
    refusal = Maker(dataset, Step.EXPOSURE).refuse(Kind.EXPOSURE_MAP, Role.FIELD, why)
    sentence = f"No exposure map: {why}. Images are not divided by exposure, and areas are geometric."
    return Order((), (refusal,), (caution("no-exposure-map", sentence),))

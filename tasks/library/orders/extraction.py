"""Images, light curves and spectra: everything that one read of the events gives."""

from collections.abc import Iterator

from tasks.core.identifiers import Band
from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.orders.order import Maker, Order, Wanted, band_entry, hashes, low_energy

_ROLES = (Role.SOURCE, Role.BACKGROUND)


def order(dataset: Dataset, manifest: Manifest) -> Order:
    """Images always; curves and spectra of the roles that have a region."""
    make = Maker(dataset, Step.EXTRACTION)
    wanted = [*_images(make, manifest)]
    refused = []
    for role in _ROLES:
        if why := why_no_region(manifest, role):
            refused += [make.refuse(kind, role, why) for kind in (Kind.LIGHT_CURVE, Kind.SPECTRUM)]
        else:
            wanted += [*_curves(make, manifest, role), _spectrum(make, manifest, role)]
    return Order(tuple(wanted), tuple(refused))


def why_no_region(manifest: Manifest, role: Role) -> str | None:
    """The reason why a role has no region; None when it has one."""
    if manifest.find(Kind.REGION, role):
        return None
    whys = (item.why for item in manifest.not_made if item.kind == Kind.REGION and item.role == role)
    return next(whys, f"there is no {role} region")


def curve_name(dataset: Dataset, manifest: Manifest, band: Band, role: Role) -> str:
    """File name of a role's light curve."""
    recipe = dataset.recipe.light_curves
    ra, dec = _position(manifest)
    aperture = _aperture(dataset, manifest, role)
    return names.light_curve(
        dataset.obsid,
        dataset.dataclass,
        ra,
        dec,
        band,
        recipe.exposure_threshold,
        recipe.time_bin,
        role,
        aperture,
    )


def _images(make: Maker, manifest: Manifest) -> Iterator[Wanted]:
    dataset = make.dataset
    for band in dataset.recipe.images.bands:
        for binning in dataset.recipe.images.binnings:
            yield make.want(
                Kind.IMAGE,
                Role.FIELD,
                names.image(dataset.obsid, dataset.dataclass, band, binning),
                *hashes(manifest, Kind.EVENTS),
                entry={**band_entry(dataset, band), "binning": binning},
                cautions=low_energy(band),
            )


def _curves(make: Maker, manifest: Manifest, role: Role) -> Iterator[Wanted]:
    recipe = make.dataset.recipe.light_curves
    for band in recipe.bands:
        yield make.want(
            Kind.LIGHT_CURVE,
            role,
            curve_name(make.dataset, manifest, band, role),
            *hashes(manifest, Kind.EVENTS),
            *_region(manifest, role),
            entry={**band_entry(make.dataset, band), "time_bin": recipe.time_bin},
            cautions=low_energy(band),
            threshold=recipe.exposure_threshold,
        )


def _spectrum(make: Maker, manifest: Manifest, role: Role) -> Wanted:
    dataset = make.dataset
    ra, dec = _position(manifest)
    aperture = _aperture(dataset, manifest, role)
    maps = hashes(manifest, Kind.EXPOSURE_MAP, binning=1)
    return make.want(
        Kind.SPECTRUM,
        role,
        names.spectrum(dataset.obsid, dataset.dataclass, ra, dec, role, aperture),
        *hashes(manifest, Kind.EVENTS),
        *maps,
        *_region(manifest, role),
        # Without a map BACKSCAL goes by pixels, whatever the recipe says.
        normalisation=dataset.recipe.spectra.backscal if maps else None,
    )


def _region(manifest: Manifest, role: Role) -> tuple[str, ...]:
    """The content of the region: one that comes out the same leaves its products alone."""
    return tuple(product.sha256 for product in manifest.find(Kind.REGION, role, frame="skypix"))


def _position(manifest: Manifest) -> tuple[float, float]:
    target = manifest.steps[Step.PROCESSING].facts["target"]
    return target["ra"], target["dec"]


def _aperture(dataset: Dataset, manifest: Manifest, role: Role) -> float | str:
    """The source circle's radius in degrees; the hash of a background, or of a source that is no circle."""
    region = Role.BACKGROUND if role == Role.BACKGROUND else Role.SOURCE
    digest = manifest.find(Kind.REGION, region, frame="skypix")[0].sha256[:8]
    chosen = manifest.steps[Step.REGIONS].facts.get("source") or {}
    radius = chosen.get("radius_arcmin", dataset.recipe.source.radius_arcmin)
    return digest if region == Role.BACKGROUND or radius is None else radius / 60

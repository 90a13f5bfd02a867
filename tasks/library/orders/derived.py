"""What is made of other products: rate images, net light curves, grouped spectra."""

from collections.abc import Iterator

from tasks.core.identifiers import Band
from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, NotMade, Product, Role, Step
from tasks.library.orders.extraction import curve_name, why_no_region
from tasks.library.orders.order import LOW_ENERGY_KEV, Maker, Order, Wanted, hashes


def order(dataset: Dataset, manifest: Manifest) -> Order:
    """What the dataset's images, curves and spectra allow."""
    make = Maker(dataset, Step.DERIVED)
    rates = [_rate_image(make, manifest, image) for image in manifest.find(Kind.IMAGE)]
    grouped = [_grouped(make, spectrum) for spectrum in manifest.find(Kind.SPECTRUM, Role.SOURCE)]
    net = [*_net_curves(make, manifest)]
    everything = [*rates, *grouped, *net]
    return Order(
        tuple(item for item in everything if isinstance(item, Wanted)),
        tuple(item for item in everything if isinstance(item, NotMade)),
    )


def _rate_image(make: Maker, manifest: Manifest, image: Product) -> Wanted | NotMade:
    dataset, band, binning = make.dataset, Band.parse(image.entry["band"]), image.entry["binning"]
    name = names.rate_image(dataset.obsid, dataset.dataclass, band, binning)
    maps = hashes(manifest, Kind.EXPOSURE_MAP, binning=binning)
    if float(band.low) <= LOW_ENERGY_KEV:
        why = f"{band} keV reaches down to where the response cannot be trusted: no rates are made of it"
        return make.refuse(Kind.RATE_IMAGE, Role.FIELD, why, name)
    if not maps:
        why = f"there is no exposure map at binning {binning}"
        return make.refuse(Kind.RATE_IMAGE, Role.FIELD, why, name)
    return make.want(
        Kind.RATE_IMAGE,
        Role.FIELD,
        name,
        image.fingerprint,
        *maps,
        entry=image.entry,
        cautions=image.cautions,
        minimum_fraction=dataset.recipe.exposure.minimum_fraction,
    )


def _grouped(make: Maker, spectrum: Product) -> Wanted:
    minimum = make.dataset.recipe.spectra.group_minimum
    return make.want(
        Kind.GROUPED_SPECTRUM,
        Role.SOURCE,
        names.grouped_spectrum(spectrum.name, "min", minimum),
        spectrum.fingerprint,
        entry={"grouping": f"min:{minimum}"},
    )


def _net_curves(make: Maker, manifest: Manifest) -> Iterator[Wanted | NotMade]:
    spectra = [hashes(manifest, Kind.SPECTRUM, role) for role in (Role.SOURCE, Role.BACKGROUND)]
    if not all(spectra):
        role = Role.BACKGROUND if spectra[0] else Role.SOURCE
        why = why_no_region(manifest, role) or f"there is no {role} spectrum that tells its area"
        yield make.refuse(Kind.LIGHT_CURVE, Role.NET, why)
        return
    for curve in manifest.find(Kind.LIGHT_CURVE, Role.SOURCE):
        name = curve_name(make.dataset, manifest, Band.parse(curve.entry["band"]), Role.NET)
        background = hashes(manifest, Kind.LIGHT_CURVE, Role.BACKGROUND, band=curve.entry["band"])
        if not background:
            yield make.refuse(Kind.LIGHT_CURVE, Role.NET, "there is no background light curve", name)
            continue
        yield make.want(
            Kind.LIGHT_CURVE,
            Role.NET,
            name,
            curve.fingerprint,
            *background,
            *spectra[0],
            *spectra[1],
            entry=curve.entry,
            cautions=curve.cautions,
            errors=make.dataset.recipe.light_curves.net_errors,
        )

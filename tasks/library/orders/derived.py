"""What is made of other products: rate images, net light curves, grouped spectra."""

from collections.abc import Iterator

from tasks.core.identifiers import Band
from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, NotMade, Product, Role, Step
from tasks.library.orders.extraction import curve_name, why_no_region
from tasks.library.orders.order import LOW_ENERGY_KEV, Maker, Order, Wanted, hashes
from tasks.xtend.grouping import GroupingRule


def order(dataset: Dataset, manifest: Manifest) -> Order:
    """What the dataset's images, curves and spectra allow."""
    make = Maker(dataset, Step.DERIVED)
    rates = [_rate_image(make, manifest, image) for image in manifest.find(Kind.IMAGE)]
    grouped = [
        grouped_spectrum(make, manifest, spectrum, rule)
        for spectrum in manifest.find(Kind.SPECTRUM, Role.SOURCE)
        for rule in dataset.recipe.spectra.rules
        if not rule.needs_response
    ]
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


def grouped_spectrum(
    make: Maker, manifest: Manifest, spectrum: Product, rule: GroupingRule, *sources: str
) -> Wanted | NotMade:
    """A grouped copy of the source spectrum; `sources` are hashes of what it is made from besides."""
    name = names.grouped_spectrum(spectrum.name, rule.kind, rule.least)
    background = hashes(manifest, Kind.SPECTRUM, Role.BACKGROUND) if rule.needs_background else ()
    if rule.needs_background and not background:
        why = why_no_region(manifest, Role.BACKGROUND) or "there is no background spectrum"
        return make.refuse(Kind.GROUPED_SPECTRUM, Role.SOURCE, why, name)
    return make.want(
        Kind.GROUPED_SPECTRUM,
        Role.SOURCE,
        name,
        spectrum.fingerprint,
        *background,
        *sources,
        entry={"grouping": str(rule)},
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

"""Scripts that load the source spectrum with all that belongs to it."""

from collections.abc import Iterator, Sequence

from tasks.library import names
from tasks.library.manifest import Kind, Manifest, Product, Role, Step
from tasks.library.orders.order import Maker, Wanted


def loaders(make: Maker, manifest: Manifest, spectrum: Product, made: Sequence[Wanted]) -> Iterator[Wanted]:
    """A script for XSPEC and one for Sherpa.

    They name files and no folders: in which folder a step publishes is settled after its products are
    made. So what they hold depends on names alone; the fingerprints of responses count since without
    these files there is no script.

    Parameters
    ----------
    make, manifest
        The dataset, and what is published.
    spectrum : Product
        The source's.
    made : sequence of Wanted
        What this step makes: an RMF at least.
    """
    grouped = _grouped(make, manifest, made)
    backgrounds = manifest.find(Kind.SPECTRUM, Role.BACKGROUND)
    files = {
        "spectrum": grouped[0] if grouped else spectrum.name,
        "background": backgrounds[0].name if backgrounds else None,
        **{str(kind): _name(made, kind) for kind in (Kind.RMF, Kind.ARF)},
    }
    responses = [item.fingerprint for item in made if item.spec.kind in (Kind.RMF, Kind.ARF)]
    for name in names.loaders():
        yield make.want(
            Kind.LOADER,
            Role.SOURCE,
            name,
            *responses,
            entry={
                "files": files,
                "others": [other for other in (*grouped, spectrum.name) if other != files["spectrum"]],
                "kev": list(make.dataset.recipe.responses.fit_band_kev),
            },
        )


def _grouped(make: Maker, manifest: Manifest, made: Sequence[Wanted]) -> list[str]:
    """Names of the grouped spectra, in the order of the recipe."""
    there = {
        item.entry["grouping"]: item.name
        for item in manifest.of(Step.DERIVED)
        if item.kind == Kind.GROUPED_SPECTRUM
    }
    there |= {
        item.spec.entry["grouping"]: item.spec.name
        for item in made
        if item.spec.kind == Kind.GROUPED_SPECTRUM
    }
    return [there[text] for text in make.dataset.recipe.spectra.grouping if text in there]


def _name(made: Sequence[Wanted], kind: Kind) -> str | None:
    return next((item.spec.name for item in made if item.spec.kind == kind), None)

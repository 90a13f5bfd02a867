"""RMF and ARF of the source spectrum, and what needs them: optimally grouped spectra and loader scripts."""

import re
from collections.abc import Iterator
from typing import Final

from tasks.library import names
from tasks.library.blocking import why_blocked
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Manifest, NotMade, Product, Role, Step
from tasks.library.orders.derived import grouped_spectrum
from tasks.library.orders.extraction import why_no_region
from tasks.library.orders.given_responses import find_arf, find_image, find_rmf, want_arf, want_rmf
from tasks.library.orders.loaders import loaders
from tasks.library.orders.order import Maker, Order, Wanted
from tasks.xtend.cautions import Caution, caution, notice

WITHOUT_HEASOFT: Final = "no ARF without HEASoft and CALDB, and the recipe gives none (responses.arf)"
NO_RMF: Final = (
    "no RMF without HEASoft and CALDB: the archive has none for this observation, and the recipe gives none "
    "(responses.rmf)"
)
NATIVE_MAP: Final = (
    "xaarfgen cannot use an exposure map of the native engine, which does not say where the optical axis "
    'lies: have the step exposure done by HEASoft, too (engines.exposure = "heasoft")'
)
_ADVISED: Final = (6, 36)
"""From this release on ARFs are right wherever the range begins; documents ask for it."""
_REMOTE_CALDB: Final = (6, 35)
"""From this release on xaarfgen works with a CALDB that is not on the disk."""
_WRONG_FROM_KEV: Final = 0.1
"""Before 6.36 an ARF whose range begins here is wrong (GEN-5 of XRISM's "things to watch out for")."""
_OFFSET_RELEASE: Final = (6, 36)
"""The release that takes the optical axis of CALDB 12 at a wrong place (GEN-6 there)."""


def order(dataset: Dataset, manifest: Manifest) -> Order:
    """The responses of the source spectrum, what needs them, or why there are none."""
    make, spectrum = Maker(dataset, Step.RESPONSES), _spectrum(manifest)
    if spectrum is None:
        why = why_no_region(manifest, Role.SOURCE) or "there is no source spectrum"
        return Order((), tuple(make.refuse(kind, Role.SOURCE, why) for kind in (Kind.RMF, Kind.ARF)))
    why_not = why_blocked(Step.RESPONSES, dataset, manifest)
    rmf = make.refuse(Kind.RMF, Role.SOURCE, why_not) if why_not else _rmf(make, manifest, spectrum)
    if isinstance(rmf, NotMade):
        arf = make.refuse(Kind.ARF, Role.SOURCE, why_not or _why_no_arf_either(dataset, rmf))
        return _collected(rmf, arf, *_grouped(make, manifest, spectrum, None))
    areas = [*_arf(make, manifest, spectrum, rmf)]
    grouped = [*_grouped(make, manifest, spectrum, rmf)]
    made = [item for item in (*areas, *grouped) if isinstance(item, Wanted)]
    return _collected(rmf, *areas, *grouped, *loaders(make, manifest, spectrum, [rmf, *made]))


def _spectrum(manifest: Manifest) -> Product | None:
    return next(iter(manifest.find(Kind.SPECTRUM, Role.SOURCE)), None)


def _collected(*items: Wanted | NotMade) -> Order:
    return Order(
        tuple(item for item in items if isinstance(item, Wanted)),
        tuple(item for item in items if isinstance(item, NotMade)),
    )


def _rmf(make: Maker, manifest: Manifest, spectrum: Product) -> Wanted | NotMade:
    """A given one, the archive's where none is made, else xtdrmf's."""
    if found := find_rmf(make.dataset):
        return want_rmf(make, found)
    why = _why_none_is_made(make.dataset, manifest, spectrum)
    if why:
        return make.refuse(Kind.RMF, Role.SOURCE, why)
    name = names.rmf(make.dataset.obsid, make.dataset.dataclass)
    return make.want(Kind.RMF, Role.SOURCE, name, spectrum.fingerprint)


def _why_none_is_made(dataset: Dataset, manifest: Manifest, spectrum: Product) -> str | None:
    if dataset.engine_of(Step.RESPONSES).name != "heasoft":
        return NO_RMF
    if manifest.steps[Step.EXTRACTION].facts.get("counts", {}).get(spectrum.name) == 0:
        return "the source spectrum holds no counts, so nothing weights a response"
    return None


def _why_no_arf_either(dataset: Dataset, rmf: NotMade) -> str:
    if dataset.engine_of(Step.RESPONSES).name != "heasoft" and dataset.recipe.responses.arf is None:
        return WITHOUT_HEASOFT
    return f"there is no RMF that gives its energies: {rmf.why}"


def _grouped(
    make: Maker, manifest: Manifest, spectrum: Product, rmf: Wanted | None
) -> Iterator[Wanted | NotMade]:
    """The groupings that look at the resolution."""
    for rule in make.dataset.recipe.spectra.rules:
        if rule.needs_response and rmf is not None:
            yield grouped_spectrum(make, manifest, spectrum, rule, rmf.fingerprint)
        elif rule.needs_response:
            name = names.grouped_spectrum(spectrum.name, rule.kind, rule.least)
            yield make.refuse(Kind.GROUPED_SPECTRUM, Role.SOURCE, "there is no RMF", name)


def why_no_arf(dataset: Dataset) -> str | None:
    """Why this HEASoft cannot make the recipe's ARF; None when it can."""
    given = dataset.engine_of(Step.RESPONSES).versions
    release = release_of(given.get("heasoft", ""))
    if not release:
        return "the version of HEASoft is not known, and ARFs depend on it"
    if release < _REMOTE_CALDB and "://" in given.get("caldb", ""):
        return f"xaarfgen of HEASoft {given['heasoft']} does not work with a remote CALDB: 6.35 or newer does"
    lowest = dataset.recipe.responses.erange[0]
    if release < _ADVISED and lowest <= _WRONG_FROM_KEV:
        return (
            f"xaarfgen of HEASoft {given['heasoft']} makes a wrong ARF when its range begins at {lowest:g} "
            "keV: begin higher (0.3 or 0.5 keV), or take HEASoft 6.36"
        )
    return None


def without_axis_offset(dataset: Dataset) -> bool:
    """Whether the exposure map that xaarfgen reads must say that the optical axis has no offset.

    With CALDB 12 HEASoft 6.36 takes the offset wrong; the documents advise CALDB 11, or an offset of 0 in the
    map. What number a CALDB has cannot be told from its index, so that release always gets the 0.
    """
    return release_of(dataset.engine_of(Step.RESPONSES).versions.get("heasoft", "")) == _OFFSET_RELEASE


def release_of(version: str) -> tuple[int, ...]:
    """The first two numbers of a version, (6, 36) of `6.36.1`; empty when it has none."""
    found = re.match(r"V?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else ()


def source_position(manifest: Manifest) -> tuple[float, float]:
    """Where photons come from, RA and Dec in degrees: the target, or the peak that the circle was put on."""
    target = manifest.steps[Step.PROCESSING].facts["target"]
    regions = manifest.steps.get(Step.REGIONS)
    circle = (regions.facts.get("source") if regions else None) or {}
    there = circle if circle.get("centre") == "peak" else target
    return there["ra"], there["dec"]


def raytrace_key(dataset: Dataset, manifest: Manifest) -> str:
    """Hash (64 hex digits) over all that decides ray-traced events: with another they are not used again.

    Position, exposure map with its attitude histogram, energies, photons, seed, shape of the source, CALDB
    and HEASoft.
    """
    given, recipe = dataset.engine_of(Step.RESPONSES).versions, dataset.recipe.responses
    return fingerprint(
        *source_position(manifest),
        [product.fingerprint for product in manifest.find(Kind.EXPOSURE_MAP, binning=1)],
        without_axis_offset(dataset),
        recipe.erange,
        recipe.numphoton,
        dataset.recipe.heasoft.seed,
        _shape(dataset),
        given.get("caldb"),
        given.get("heasoft"),
    )


def _arf(make: Maker, manifest: Manifest, spectrum: Product, rmf: Wanted) -> Iterator[Wanted | NotMade]:
    dataset, recipe = make.dataset, make.dataset.recipe.responses
    if found := find_arf(dataset):
        yield want_arf(make, found, spectrum, rmf)
        return
    if dataset.engine_of(Step.RESPONSES).name != "heasoft":
        yield make.refuse(Kind.ARF, Role.SOURCE, WITHOUT_HEASOFT)
        return
    if why := _why_no_map(dataset, manifest) or why_no_arf(dataset):
        yield make.refuse(Kind.ARF, Role.SOURCE, why)
        return
    ra, dec = source_position(manifest)
    traced = make.want(
        Kind.RAYTRACE,
        Role.SOURCE,
        names.raytraced_events(dataset.obsid, dataset.dataclass, ra, dec, recipe.numphoton),
        entry={"key": raytrace_key(dataset, manifest)},
    )
    yield traced
    regions = manifest.find(Kind.REGION, Role.SOURCE, frame="radec")
    yield make.want(
        Kind.ARF,
        Role.SOURCE,
        names.arf(spectrum.name),
        rmf.fingerprint,
        traced.fingerprint,
        *(region.sha256 for region in regions),
        entry={"erange": list(recipe.erange), "source_type": recipe.source_type},
        cautions=tuple(_cautions(dataset)),
        minphoton=recipe.minphoton,
        fit_band=recipe.fit_band_kev,
    )


def _why_no_map(dataset: Dataset, manifest: Manifest) -> str | None:
    if not manifest.find(Kind.EXPOSURE_MAP, binning=1):
        return "there is no exposure map, which holds the attitude that an ARF is made for"
    return NATIVE_MAP if dataset.engine_of(Step.EXPOSURE).name != "heasoft" else None


def _shape(dataset: Dataset) -> list[object]:
    """The shape of the source, by those parameters that its type looks at."""
    recipe = dataset.recipe.responses
    if recipe.source_type == "IMAGE":
        return [recipe.source_type, find_image(dataset).sha256]
    own: dict[str, object] = {"FLATCIRCLE": recipe.flat_radius_arcmin, "BETAMODEL": recipe.beta}
    return [recipe.source_type, own.get(recipe.source_type)]


def _cautions(dataset: Dataset) -> Iterator[Caution]:
    given, recipe = dataset.engine_of(Step.RESPONSES).versions["heasoft"], dataset.recipe.responses
    if recipe.source_type == "POINT":
        yield notice(
            "arf-point-source",
            "This ARF is that of a point source at the target; for an extended source its area is wrong: "
            "choose another source type in the recipe.",
        )
    if release_of(given) < _ADVISED:
        yield caution(
            "arf-heasoft-old",
            f"This ARF was made with HEASoft {given}; XRISM's documents ask for 6.36 or newer.",
        )
    if without_axis_offset(dataset):
        yield caution(
            "arf-axis-offset",
            f"HEASoft {given} takes the optical axis of CALDB 12 at a wrong place (GEN-6); this ARF was made "
            "with OPTAOFFX and OPTAOFFY set to 0 in a copy of the exposure map, as advised.",
        )

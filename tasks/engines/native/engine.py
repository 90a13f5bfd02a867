"""The native engine as a planner: which of its functions make which products."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from tasks.core.errors import SoftwareFault
from tasks.engines.fits import fit_call
from tasks.engines.interface import StepInputs
from tasks.engines.native import response_plan
from tasks.engines.planning import facts_of, links_to, names_of, products_of, specs_of, used_by
from tasks.library.call import Call
from tasks.library.dataset import recipe_hash
from tasks.library.manifest import Kind, ProductSpec, Role, Step
from tasks.library.orders import Wanted
from tasks.library.orders.regions import given_regions

NATIVE_VERSION = "1"
"""Raised by hand when the results of this engine change in more than one step."""

_MINUTES = 60.0
_REGIONS = (Role.SOURCE, Role.BACKGROUND)


class NativeEngine:
    """Does every step with numpy and astropy in a child process, from the archive's cleaned events."""

    name = "native"

    def versions(self) -> dict[str, str]:
        """Its own version; those of its libraries do not change a count."""
        return {"native": NATIVE_VERSION}

    def provenance(self) -> dict[str, str]:
        """Versions of the project and of the libraries that compute."""
        return {name: version(name) for name in ("xtendflow", "numpy", "astropy")}

    def can(self, step: Step) -> str | None:
        """It can do every step of this list."""
        return None if step in _PLANS else f"the native engine has no step {step}"

    def plan(self, step: Step, inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
        """One call: each step of this engine is one function."""
        return [_PLANS[step](inputs, products)]


def _processing(inputs: StepInputs, products: Sequence[Wanted]) -> Call:
    files = inputs.dataset.inputs
    sources = [*files.events, *([files.bad_pixels] if files.bad_pixels else [])]
    local = {source: source.rpartition("/")[2] for source in sources}
    # An adopted file keeps its name, so inputs lie in a folder of their own names.
    linked = {f"in.{name}": str(inputs.downloads / source) for source, name in local.items()}
    return Call(
        function="tasks.engines.native.adoption:adopt",
        parameters={
            "obsid": inputs.dataset.obsid,
            "dataclass": inputs.dataset.dataclass,
            "events": [f"in.{local[name]}" for name in files.events],
            "bad_pixels": f"in.{local[files.bad_pixels]}" if files.bad_pixels else None,
            "adopted_names": {f"in.{local[item.spec.entry['source']]}": item.spec.name for item in products},
        },
        inputs=linked,
        outputs=names_of(products),
        timeout=30 * _MINUTES,
    )


def _exposure(inputs: StepInputs, products: Sequence[Wanted]) -> Call:
    exposure = inputs.dataset.recipe.exposure
    ehk = inputs.dataset.inputs.ehk
    if ehk is None:
        raise SoftwareFault("an exposure map was ordered without an EHK file")
    events, bad_pixels = products_of(inputs, Kind.EVENTS), products_of(inputs, Kind.BAD_PIXELS)
    flickering = products_of(inputs, Kind.FLICKERING)
    return Call(
        function="tasks.engines.native.exposure:make",
        parameters={
            "ehk": ehk.rpartition("/")[2],
            "events": [product.name for product in events],
            "bad_pixels": bad_pixels[0].name,
            "maps": {str(item.spec.entry["binning"]): item.spec.name for item in products},
            "delta_arcmin": exposure.delta_arcmin,
            "numphi": exposure.numphi,
            "mask_calibration": exposure.mask_calibration,
            "recipe": recipe_hash(inputs.dataset.recipe),
            "flickering": flickering[0].name if flickering else None,
        },
        inputs={
            ehk.rpartition("/")[2]: str(inputs.downloads / ehk),
            **links_to(inputs, [*events, *bad_pixels, *flickering]),
        },
        outputs=names_of(products),
        timeout=60 * _MINUTES,
    )


def _regions(inputs: StepInputs, products: Sequence[Wanted]) -> Call:
    recipe = inputs.dataset.recipe
    events = products_of(inputs, Kind.EVENTS)
    maps = products_of(inputs, Kind.EXPOSURE_MAP, binning=1)
    bad_pixels = [] if maps else [*products_of(inputs, Kind.BAD_PIXELS)]
    given = given_regions(inputs.dataset)
    return Call(
        function="tasks.engines.native.regions:choose",
        parameters={
            "obsid": inputs.dataset.obsid,
            "name": facts_of(inputs)["target"]["name"],
            "events": [product.name for product in events],
            "target": facts_of(inputs)["target"],
            "exposure_map": maps[0].name if maps else None,
            "bad_pixels": bad_pixels[0].name if bad_pixels else None,
            "source": recipe.source.model_dump(mode="json", exclude={"region_folder"}),
            "background": recipe.background.model_dump(mode="json"),
            "names": {_region_key(item): item.spec.name for item in products},
            "calibration": None,
            "given": {str(role): f"given_{path.name}" for role, path in given.items()},
        },
        inputs={
            **links_to(inputs, [*events, *maps, *bad_pixels]),
            **{f"given_{path.name}": str(path) for path in given.values()},
        },
        outputs=names_of(products),
        timeout=30 * _MINUTES,
    )


def _extraction(inputs: StepInputs, products: Sequence[Wanted]) -> Call:
    events = products_of(inputs, Kind.EVENTS)
    maps = products_of(inputs, Kind.EXPOSURE_MAP, binning=1)
    regions = {role: products_of(inputs, Kind.REGION, role, frame="skypix") for role in _REGIONS}
    light_curves = [
        {
            "name": spec.name,
            "channels": spec.entry["channels"],
            "region": regions[spec.role][0].name,
            "time_bin": spec.entry["time_bin"],
            "threshold": inputs.dataset.recipe.light_curves.exposure_threshold,
        }
        for spec in specs_of(products, Kind.LIGHT_CURVE)
    ]
    spectra = [
        {
            "name": spec.name,
            "region": regions[spec.role][0].name,
            "exposure_map": maps[0].name if maps else None,
            "normalisation": inputs.dataset.recipe.spectra.backscal,
        }
        for spec in specs_of(products, Kind.SPECTRUM)
    ]
    return Call(
        function="tasks.engines.native.extraction:extract",
        parameters={
            "events": [product.name for product in events],
            "images": [
                {"name": spec.name, "channels": spec.entry["channels"], "binning": spec.entry["binning"]}
                for spec in specs_of(products, Kind.IMAGE)
            ],
            "light_curves": light_curves,
            "spectra": spectra,
            "recipe": recipe_hash(inputs.dataset.recipe),
        },
        inputs=links_to(inputs, [*events, *used_by(inputs, *light_curves, *spectra)]),
        outputs=names_of(products),
        timeout=120 * _MINUTES,
    )


def _derived(inputs: StepInputs, products: Sequence[Wanted]) -> Call:
    rates = [_rate(inputs, spec) for spec in specs_of(products, Kind.RATE_IMAGE)]
    curves = [_net(inputs, spec) for spec in specs_of(products, Kind.LIGHT_CURVE)]
    grouped = [
        response_plan.grouped_request(inputs, spec) for spec in specs_of(products, Kind.GROUPED_SPECTRUM)
    ]
    return Call(
        function="tasks.engines.native.derived:derive",
        parameters={
            "rate_images": rates,
            "net_curves": curves,
            "grouped": grouped,
            "recipe": recipe_hash(inputs.dataset.recipe),
        },
        inputs=links_to(inputs, used_by(inputs, *rates, *curves, *grouped)),
        outputs=names_of(products),
        timeout=60 * _MINUTES,
    )


def _rate(inputs: StepInputs, spec: ProductSpec) -> dict[str, Any]:
    band, binning = spec.entry["band"], spec.entry["binning"]
    return {
        "name": spec.name,
        "image": products_of(inputs, Kind.IMAGE, band=band, binning=binning)[0].name,
        "exposure_map": products_of(inputs, Kind.EXPOSURE_MAP, binning=binning)[0].name,
        "minimum_fraction": inputs.dataset.recipe.exposure.minimum_fraction,
    }


def _net(inputs: StepInputs, spec: ProductSpec) -> dict[str, Any]:
    band = spec.entry["band"]
    curves = {role: products_of(inputs, Kind.LIGHT_CURVE, role, band=band)[0].name for role in _REGIONS}
    spectra = {f"{role}_spectrum": products_of(inputs, Kind.SPECTRUM, role)[0].name for role in _REGIONS}
    return {
        "name": spec.name,
        **{str(role): name for role, name in curves.items()},
        **spectra,
        "errors": inputs.dataset.recipe.light_curves.net_errors,
    }


def _fit(inputs: StepInputs, products: Sequence[Wanted]) -> Call:
    return fit_call(inputs, products, "sherpa")


def _region_key(item: Wanted) -> str:
    """What the function calls a region file: `source`, `source_pixels`, `calibration`."""
    pixels = "_pixels" if item.spec.entry["frame"] == "skypix" else ""
    return f"{item.spec.role}{pixels}"


_PLANS: dict[Step, Callable[[StepInputs, Sequence[Wanted]], Call]] = {
    Step.PROCESSING: _processing,
    Step.EXPOSURE: _exposure,
    Step.REGIONS: _regions,
    Step.EXTRACTION: _extraction,
    Step.DERIVED: _derived,
    Step.RESPONSES: response_plan.plan,
    Step.FIT: _fit,
}

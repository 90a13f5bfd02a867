"""RMF by xtdrmf and ARF by xaarfgen: their calls, and what an exposure map needs before."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from astropy.io import fits

from tasks.core.errors import BadInput, Permanent, SoftwareFault
from tasks.engines.heasoft.checks import covers, ebounds
from tasks.engines.heasoft.finishing import identity_of
from tasks.engines.heasoft.raytrace import reusable
from tasks.engines.heasoft.sequence import Calls, line_of
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.interface import StepInputs
from tasks.engines.planning import facts_of, names_of, products_of
from tasks.library.call import Call
from tasks.library.dataset import recipe_hash
from tasks.library.manifest import Kind, Product, ProductSpec, Role, Step
from tasks.library.orders import Wanted
from tasks.library.orders.responses import raytrace_key, without_axis_offset
from tasks.library.recipe import HEASoft, Responses
from tasks.xtend.channels import CHANNEL_COUNT, EV_PER_CHANNEL
from tasks.xtend.regions import read_region

Parameters = Mapping[str, str | int | float | bool]

SPECTRUM: Final = "source.pha"
RMF: Final = "source.rmf"
ARF: Final = "source.arf"
TRACED: Final = "raytrace.fits"
PUBLISHED: Final = "published.fits"
REGION: Final = "source.reg"
EXPOSURE_MAP: Final = "expmap.fits"
PREPARED_MAP: Final = "axismap.fits"
IMAGE: Final = "image.fits"
_HISTOGRAM: Final = "OFFAXISHIST"
_MINUTES: Final = 60.0
_HOUR: Final = 3600.0
_FROM_CALDB: Final[Parameters] = dict.fromkeys(
    ("teldeffile", "qefile", "contamifile", "gatevalvefile", "obffile", "fwfile", "onaxisffile",
     "onaxiscfile", "mirrorfile", "obstructfile", "frontreffile", "backreffile", "pcolreffile",
     "scatterfile"),
    "CALDB",
)  # fmt: skip
_OF_OTHER_INSTRUMENTS: Final[Parameters] = {"dattfile": "NONE", "filtoffsetfile": "NONE", "sampling": 4}
"""What xaarfgen's predecessor asked for its hard X-ray imagers alone."""
_OF_SOME_RELEASES: Final = (
    *_OF_OTHER_INSTRUMENTS, "auxtransfile", "polydeg", "abund", "cols", "covfac", "rmfthresh",
)  # fmt: skip
"""Known from the predecessor's parameter file; left out where a release does not have them."""


def rmf_parameters() -> Parameters:
    """Parameters of xtdrmf: the response of `SPECTRUM`, weighted by its map, on the grid of PI channels."""
    return {
        "infile": SPECTRUM,
        "outfile": RMF,
        "rmfparam": "CALDB",
        "eminin": 200.0,
        "dein": "2,24",
        "nchanin": "5900,500",
        "eminout": 0.0,
        "deout": float(EV_PER_CHANNEL),
        "nchanout": CHANNEL_COUNT,
        "rmfthresh": 1e-6,
        "clobber": True,
    }


def arf_parameters(
    ra: float, dec: float, exposure_map: str, responses: Responses, heasoft: HEASoft
) -> Parameters:
    """Parameters of xaarfgen: `ARF` of `REGION` (fk5, degrees) with the energies of `RMF`.

    Parameters
    ----------
    ra, dec : float
        The source in degrees.
    exposure_map : str
        The file whose attitude histogram is used.
    responses, heasoft
        What the recipe says.
    """
    return {
        **_FROM_CALDB,
        **_OF_OTHER_INSTRUMENTS,
        "xrtevtfile": TRACED,
        "source_ra": ra,
        "source_dec": dec,
        "telescop": "XRISM",
        "instrume": "XTEND",
        "emapfile": exposure_map,
        "rmffile": RMF,
        "erange": _numbers(responses.erange),
        "outfile": ARF,
        "regmode": "RADEC",
        "regionfile": REGION,
        "numphoton": responses.numphoton,
        "minphoton": responses.minphoton,
        "sourcetype": responses.source_type,
        "betapars": _numbers(responses.beta),
        "flatradius": responses.flat_radius_arcmin,
        "imgfile": IMAGE if responses.source_type == "IMAGE" else "NONE",
        "auxtransfile": "NONE",
        "polydeg": "DEFAULT",
        "abund": 1.0,
        "cols": 0.0,
        "covfac": 1.0,
        "rmfthresh": 1e-10,
        "seed": heasoft.seed,
        "cleanup": True,
        "clobber": True,
    }


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def prepare(region: str, axis_offset_zero: bool) -> None:
    """See that xaarfgen reads the region as it is meant, and give it the exposure map it needs.

    Parameters
    ----------
    region : str
        Region file.
    axis_offset_zero : bool
        Whether to make `PREPARED_MAP`: a copy of `EXPOSURE_MAP` whose attitude histogram says that the
        optical axis has no offset.

    Raises
    ------
    BadInput
        When the region is not in sky coordinates, or no region that HEASoft understands.
    Permanent
        When the map holds no attitude histogram.
    """
    if read_region(Path(region)).system not in ("fk5", "icrs"):
        raise BadInput(f"{region} is not in fk5: an ARF is made of a region in sky coordinates")
    if not axis_offset_zero:
        return
    shutil.copyfile(EXPOSURE_MAP, PREPARED_MAP)
    try:
        with fits.open(PREPARED_MAP, mode="update", memmap=True) as hdus:
            for key in ("OPTAOFFX", "OPTAOFFY"):
                hdus[_HISTOGRAM].header[key] = (0.0, "set by xtendflow for HEASoft 6.36 (GEN-6)")
    except KeyError as exc:
        raise Permanent(f"the exposure map holds no {_HISTOGRAM}, so no ARF can be made of it") from exc


def plan(inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
    """The calls that make the RMF, the ARF and its ray-traced events, then the finish.

    Published ray-traced events are used again where their key is the one of this order, and only there.
    """
    specs = {item.spec.kind: item.spec for item in products}
    key = _key(inputs)
    calls, links = Calls(), _links(inputs, reusable(inputs, key))
    if Kind.RMF in specs:
        calls.add(_rmf_call(inputs, links))
    if Kind.ARF in specs or (Kind.RAYTRACE in specs and TRACED not in links):
        _add_arf(inputs, calls, links, specs.get(Kind.ARF))
    files = {Kind.RMF: RMF, Kind.ARF: ARF, Kind.RAYTRACE: TRACED}
    items = [_item(calls, specs[kind], file, key) for kind, file in files.items() if kind in specs]
    made = calls.after(*(files[kind] for kind in specs))
    calls.add(
        Call(
            function="tasks.engines.heasoft.finishing:finish",
            parameters={
                "products": items,
                "recipe": recipe_hash(inputs.dataset.recipe),
                "identity": {**identity_of(inputs), "CALDBVER": _caldb(inputs)},
            },
            inputs={files[kind]: links[files[kind]] for kind in specs if files[kind] not in made},
            after=made,
            outputs=names_of(products),
            timeout=60 * _MINUTES,
        )
    )
    return calls.calls


def _key(inputs: StepInputs) -> str:
    if inputs.manifest is None:
        raise SoftwareFault(f"{inputs.dataset.key} has not been processed")
    return raytrace_key(inputs.dataset, inputs.manifest)


def _caldb(inputs: StepInputs) -> str:
    """The CALDB that responses are made with, which need not be that of the events."""
    return inputs.dataset.engine_of(Step.RESPONSES).versions["caldb"]


def _links(inputs: StepInputs, traced: str | None) -> dict[str, str]:
    """Where the published files are that calls of this plan may take, by their short names."""
    found: dict[str, tuple[Product, ...]] = {
        SPECTRUM: products_of(inputs, Kind.SPECTRUM, Role.SOURCE),
        EXPOSURE_MAP: products_of(inputs, Kind.EXPOSURE_MAP, binning=1),
        REGION: products_of(inputs, Kind.REGION, Role.SOURCE, frame="radec"),
        RMF: products_of(inputs, Kind.RMF),
    }
    links = {name: str(inputs.locate(products[0])) for name, products in found.items() if products}
    return links | ({TRACED: traced} if traced else {})


def _rmf_call(inputs: StepInputs, links: Mapping[str, str]) -> Call:
    return tool_call(
        "xtdrmf",
        rmf_parameters(),
        inputs={SPECTRUM: links[SPECTRUM]},
        outputs=[RMF],
        checks=[ebounds(RMF, EV_PER_CHANNEL)],
        chatter=inputs.dataset.recipe.heasoft.chatter,
        timeout=60 * _MINUTES,
    )


def _add_arf(inputs: StepInputs, calls: Calls, links: Mapping[str, str], wanted: ProductSpec | None) -> None:
    """The call of xaarfgen with what goes before, and the count of its photons after."""
    calls.add(_prepare_call(inputs, links))
    calls.add(_arf_call(inputs, calls, links))
    recipe = inputs.dataset.recipe
    # In an image as the source there is no one place that photons are counted around.
    if wanted is None or recipe.responses.source_type == "IMAGE":
        return
    made = calls.after(TRACED)
    calls.add(
        Call(
            function="tasks.engines.heasoft.raytrace:count",
            parameters={
                "traced": TRACED,
                "arf": wanted.name,
                "radius_arcmin": recipe.source.radius_arcmin,
                "band_kev": list(recipe.responses.fit_band_kev),
            },
            inputs={} if made else {TRACED: links[TRACED]},
            after=made,
            timeout=60 * _MINUTES,
        )
    )


def _prepare_call(inputs: StepInputs, links: Mapping[str, str]) -> Call:
    zero = without_axis_offset(inputs.dataset)
    return Call(
        function="tasks.engines.heasoft.responses:prepare",
        parameters={"region": REGION, "axis_offset_zero": zero},
        inputs={name: links[name] for name in (REGION, EXPOSURE_MAP)},
        outputs=(PREPARED_MAP,) if zero else (),
        timeout=30 * _MINUTES,
    )


def _arf_call(inputs: StepInputs, calls: Calls, links: Mapping[str, str]) -> Call:
    recipe, target = inputs.dataset.recipe, facts_of(inputs)["target"]
    made = calls.after(PREPARED_MAP, RMF)
    exposure_map = PREPARED_MAP if PREPARED_MAP in made else EXPOSURE_MAP
    taken = {name for name in (REGION, RMF, exposure_map) if name in links} - made.keys()
    # xaarfgen gets a copy, for whatever it may write into its events must not be what is published.
    again = {PUBLISHED: links[TRACED]} if TRACED in links else {}
    image = {IMAGE: _image(recipe.responses)} if recipe.responses.source_type == "IMAGE" else {}
    low, high = recipe.responses.fit_band_kev
    return tool_call(
        "xaarfgen",
        arf_parameters(target["ra"], target["dec"], exposure_map, recipe.responses, recipe.heasoft),
        inputs={**{name: links[name] for name in sorted(taken)}, **again, **image},
        after=made,
        edits={TRACED: PUBLISHED} if again else {},
        outputs=[ARF] if again else [ARF, TRACED],
        optional=_OF_SOME_RELEASES,
        checks=[covers(ARF, low, high)],
        chatter=recipe.heasoft.chatter,
        timeout=recipe.heasoft.hours * _HOUR,
    )


def _image(responses: Responses) -> str:
    """The absolute path of the image that the source looks like.

    Raises
    ------
    BadInput
        When there is none.
    """
    path = Path(responses.image or "")
    if not path.is_file():
        raise BadInput(f"the image {path} of the source type IMAGE is not there")
    return str(path.resolve())


def _item(calls: Calls, spec: ProductSpec, file: str, key: str) -> dict[str, Any]:
    """What the finish has to do for a product: HISTORY tells the call that made it, and the key."""
    makers = [line_of(call) for call in calls.calls if file in call.outputs]
    said = [f"ray-traced events of key {key}"] if spec.kind == Kind.RAYTRACE else []
    return {"name": spec.name, "file": file, "kind": spec.kind, "history": [*makers, *said]}

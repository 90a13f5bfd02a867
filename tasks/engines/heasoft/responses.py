"""RMF by xtdrmf and ARF by xaarfgen: the calls of the tools, and of what needs their products."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tasks.engines.heasoft.checks import covers, ebounds
from tasks.engines.heasoft.grouping import RMF, SPECTRUM, group_call
from tasks.engines.heasoft.raytrace import countable_radius, reusable
from tasks.engines.heasoft.response_tools import (
    ARF,
    DETECTOR_REGION,
    EXPOSURE_MAP,
    IMAGE,
    OF_SOME_RELEASES,
    PREPARED_MAP,
    REGION,
    TRACED,
    arf_parameters,
    region_parameters,
    rmf_parameters,
)
from tasks.engines.heasoft.sequence import Calls, line_of
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.interface import StepInputs
from tasks.engines.native import response_plan
from tasks.engines.planning import (
    facts_of,
    identity_of,
    links_to,
    manifest_of,
    names_of,
    products_of,
    specs_of,
)
from tasks.library import names
from tasks.library.call import Call
from tasks.library.dataset import recipe_hash
from tasks.library.manifest import Kind, Product, ProductSpec, Role, Step
from tasks.library.orders import Wanted
from tasks.library.orders.given_responses import find_image
from tasks.library.orders.responses import raytrace_key, source_position, without_axis_offset
from tasks.xtend.grouping import GroupingRule
from tasks.xtend.nominal import Nominal

PUBLISHED: Final = "published.fits"
_MINUTES: Final = 60.0
_HOUR: Final = 3600.0


def plan(inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
    """The calls that make RMF, ARF, ray-traced events and what needs them.

    Given responses and loader scripts are no tool's work, and are made as the native engine makes them.
    Published ray-traced events are used again where their key is the one of this order, and only there.
    """
    ours = [item for item in products if item.spec.kind == Kind.LOADER or "origin" in item.spec.entry]
    tools = [item for item in products if item not in ours]
    given = [item for item in ours if item.spec.kind == Kind.RMF]
    calls = Calls()
    if given:
        calls.add(response_plan.plan(inputs, given))
    if tools:
        # The call before has checked it; the tools take the file itself, whose name here they understand.
        _add_tools(inputs, calls, tools, {RMF: calls.last.inputs["given.rmf"]} if given else {})
    if rest := [item for item in ours if item not in given]:
        made = names_of([item for item in products if item.spec.kind == Kind.RMF])
        call = response_plan.plan(inputs, rest, made[0] if made else None)
        if call.parameters["arf"]:
            calls.add(call.model_copy(update={"after": calls.after(*made)}))
        else:
            calls.add(_loading(inputs, calls, call))
    return calls.calls


def _loading(inputs: StepInputs, calls: Calls, call: Call) -> Call:
    """The call that writes scripts alone: it sees whether the ARF that they name was made."""
    named = {item["files"]["arf"] for item in call.parameters["loaders"]} - {None}
    after = calls.after(*named)
    published = [item for item in products_of(inputs, Kind.ARF) if item.name in named - after.keys()]
    return call.model_copy(
        update={
            "function": "tasks.engines.heasoft.response_tools:load",
            "inputs": {**call.inputs, **links_to(inputs, published)},
            "after": after,
        }
    )


def _add_tools(
    inputs: StepInputs, calls: Calls, products: Sequence[Wanted], given: Mapping[str, str]
) -> None:
    """The calls of the tools, then the finish; `given` is where a given RMF is."""
    specs = {item.spec.kind: item.spec for item in products if item.spec.kind != Kind.GROUPED_SPECTRUM}
    key = _key(inputs)
    links = {**_links(inputs, reusable(inputs, key)), **given}
    if Kind.RMF in specs:
        calls.add(_rmf_call(inputs, links))
    if Kind.ARF in specs or (Kind.RAYTRACE in specs and TRACED not in links):
        _add_arf(inputs, calls, links, specs.get(Kind.ARF))
    files = {Kind.RMF: RMF, Kind.ARF: ARF, Kind.RAYTRACE: TRACED}
    items = [_item(calls, specs[kind], file, key) for kind, file in files.items() if kind in specs]
    items += _grouped(inputs, calls, links, products)
    made = calls.after(*(item["file"] for item in items))
    calls.add(
        Call(
            function="tasks.engines.heasoft.finishing:finish",
            parameters={
                "products": items,
                "recipe": recipe_hash(inputs.dataset.recipe),
                "identity": {**identity_of(inputs), "CALDBVER": _caldb(inputs)},
            },
            inputs={item["file"]: links[item["file"]] for item in items if item["file"] not in made},
            after=made,
            outputs=names_of(products),
            timeout=60 * _MINUTES,
        )
    )


def _grouped(
    inputs: StepInputs, calls: Calls, links: Mapping[str, str], products: Sequence[Wanted]
) -> list[dict[str, Any]]:
    """A call for each spectrum that is grouped with the RMF; what the finish has to do."""
    made = calls.after(RMF)
    items, dataset = [], inputs.dataset
    # The ARF's name is longer than a keyword holds.
    linked = {
        "RESPFILE": names.in_header(names.rmf(dataset.obsid, dataset.dataclass)), "ANCRFILE": "none",
    }  # fmt: skip
    for number, spec in enumerate(specs_of(products, Kind.GROUPED_SPECTRUM)):
        output, request = f"grouped{number}.fits", response_plan.grouped_request(inputs, spec)
        calls.add(
            group_call(
                output,
                GroupingRule.parse(spec.entry["grouping"]),
                {name: links[name] for name in (SPECTRUM, RMF) if name not in made},
                inputs.dataset.recipe.heasoft.chatter,
                after=made,
            )
        )
        history = [f"grouped: {request['spectrum']}", line_of(calls.last)]
        items.append(
            {
                "name": spec.name,
                "file": output,
                "kind": spec.kind,
                "history": history,
                "linked": linked,
            }
        )
    return items


def _key(inputs: StepInputs) -> str:
    return raytrace_key(inputs.dataset, manifest_of(inputs))


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
        checks=[ebounds(RMF)],
        chatter=inputs.dataset.recipe.heasoft.chatter,
        timeout=60 * _MINUTES,
    )


def _add_arf(inputs: StepInputs, calls: Calls, links: Mapping[str, str], wanted: ProductSpec | None) -> None:
    """The call of xaarfgen with what goes before, and the count of its photons after."""
    calls.add(_prepare_call(inputs, links))
    calls.add(_region_call(inputs, links))
    radius = countable_radius(inputs)
    calls.add(_arf_call(inputs, calls, links, radius))
    if wanted is None:
        return
    made = calls.after(TRACED)
    calls.add(
        Call(
            function="tasks.engines.heasoft.raytrace:count",
            parameters={
                "traced": TRACED,
                "arf": wanted.name,
                "radius_arcmin": radius,
                "band_kev": list(inputs.dataset.recipe.responses.fit_band_kev),
            },
            inputs={} if made else {TRACED: links[TRACED]},
            after=made,
            timeout=60 * _MINUTES,
        )
    )


def _prepare_call(inputs: StepInputs, links: Mapping[str, str]) -> Call:
    zero = without_axis_offset(inputs.dataset)
    return Call(
        function="tasks.engines.heasoft.response_tools:prepare",
        parameters={"region": REGION, "axis_offset_zero": zero},
        inputs={name: links[name] for name in (REGION, EXPOSURE_MAP)},
        outputs=(PREPARED_MAP,) if zero else (),
        timeout=30 * _MINUTES,
    )


def _region_call(inputs: StepInputs, links: Mapping[str, str]) -> Call:
    """The conversion of the region for which xaarfgen calls coordpnt as well.

    xaarfgen does not look whether it worked, and there are regions that coordpnt cannot convert: that is to
    show before photons are traced for hours.
    """
    return tool_call(
        "coordpnt",
        region_parameters(Nominal(**facts_of(inputs)["nominal"])),
        inputs={REGION: links[REGION]},
        outputs=[DETECTOR_REGION],
        chatter=inputs.dataset.recipe.heasoft.chatter,
        timeout=10 * _MINUTES,
    )


def _arf_call(inputs: StepInputs, calls: Calls, links: Mapping[str, str], radius: float | None) -> Call:
    recipe = inputs.dataset.recipe
    made = calls.after(PREPARED_MAP, RMF)
    exposure_map = PREPARED_MAP if PREPARED_MAP in made else EXPOSURE_MAP
    taken = {name for name in (REGION, RMF, exposure_map) if name in links} - made.keys()
    # xaarfgen gets a copy, for whatever it may write into its events must not be what is published.
    again = {PUBLISHED: links[TRACED]} if TRACED in links else {}
    image = {IMAGE: find_image(inputs.dataset).path} if recipe.responses.source_type == "IMAGE" else {}
    low, high = recipe.responses.fit_band_kev
    plain = tool_call(
        "xaarfgen",
        arf_parameters(*source_position(manifest_of(inputs)), exposure_map, recipe.responses, recipe.heasoft),
        inputs={**{name: links[name] for name in sorted(taken)}, **again, **image},
        after=made,
        edits={TRACED: PUBLISHED} if again else {},
        outputs=[ARF] if again else [ARF, TRACED],
        optional=OF_SOME_RELEASES,
        checks=[covers(ARF, low, high)],
        chatter=recipe.heasoft.chatter,
        timeout=recipe.heasoft.hours * _HOUR,
    )
    return plain.model_copy(
        update={
            "function": "tasks.engines.heasoft.raytrace:generate",
            "parameters": {**plain.parameters, "radius_arcmin": radius},
        }
    )


def _item(calls: Calls, spec: ProductSpec, file: str, key: str) -> dict[str, Any]:
    """What the finish has to do for a product: HISTORY tells the call that made it, and the key."""
    makers = [line_of(call) for call in calls.calls if file in call.outputs]
    said = [f"ray-traced events of key {key}"] if spec.kind == Kind.RAYTRACE else []
    return {"name": spec.name, "file": file, "kind": spec.kind, "history": [*makers, *said]}

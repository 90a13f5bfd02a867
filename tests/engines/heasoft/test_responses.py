"""What xtdrmf and xaarfgen are asked for, what goes before, and when photons are traced anew."""

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.core.errors import BadInput, SoftwareFault
from tasks.engines.heasoft.response_tools import (
    OF_SOME_RELEASES,
    arf_parameters,
    region_parameters,
    rmf_parameters,
)
from tasks.engines.heasoft.responses import plan
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.interface import StepInputs
from tasks.engines.runner import run_call_blocking
from tasks.library.manifest import Kind, Step
from tasks.library.recipe import HEASoft, Responses
from tasks.xtend.nominal import Nominal

CALDB = (
    "teldeffile", "qefile", "contamifile", "gatevalvefile", "obffile", "fwfile", "onaxisffile", "onaxiscfile",
    "mirrorfile", "obstructfile", "frontreffile", "backreffile", "pcolreffile", "scatterfile",
)  # fmt: skip
ARF = {
    **dict.fromkeys(CALDB, "CALDB"),
    "xrtevtfile": "raytrace.fits", "source_ra": 81.25, "source_dec": -69.64, "telescop": "XRISM",
    "instrume": "XTEND", "dattfile": "NONE", "filtoffsetfile": "NONE", "sampling": 4,
    "emapfile": "expmap.fits", "rmffile": "source.rmf", "erange": "0.3 18 0 0", "outfile": "source.arf",
    "regmode": "RADEC", "regionfile": "source.reg", "numphoton": 300000, "minphoton": 100,
    "sourcetype": "POINT", "betapars": "0.5 0.6 5", "flatradius": 10.0, "imgfile": "NONE",
    "auxtransfile": "NONE", "polydeg": "DEFAULT", "abund": "1.0", "cols": "0.0", "covfac": "1.0",
    "rmfthresh": 1e-10, "seed": 7, "cleanup": True, "clobber": True,
}  # fmt: skip
NEWER = {"heasoft": "6.37"}
LOAD = "tasks.engines.heasoft.response_tools:load"


def test_an_rmf():
    assert rmf_parameters() == {
        "infile": "source.pha", "outfile": "source.rmf", "rmfparam": "CALDB", "eminin": 200.0, "dein": "2,24",
        "nchanin": "5900,500", "eminout": 0.0, "deout": 6.0, "nchanout": 4096, "rmfthresh": 1e-6,
        "clobber": True,
    }  # fmt: skip


def test_an_arf():
    assert arf_parameters(81.25, -69.64, "expmap.fits", Responses(), HEASoft()) == ARF


@pytest.mark.parametrize(
    ("recipe", "changed"),
    [
        (
            {"source_type": "FLATCIRCLE", "flat_radius_arcmin": 3.5},
            {"sourcetype": "FLATCIRCLE", "flatradius": 3.5},
        ),
        (
            {"source_type": "BETAMODEL", "beta": (1, 0.7, 8)},
            {"sourcetype": "BETAMODEL", "betapars": "1 0.7 8"},
        ),
        (
            {"source_type": "IMAGE", "image": "/x.fits", "erange": (0.3, 18, 0.5, 8)},
            {"sourcetype": "IMAGE", "imgfile": "image.fits", "erange": "0.3 18 0.5 8"},
        ),
        ({"erange": (0.5, 17, 2, 8)}, {"erange": "0.5 17 2 8"}),
        ({"numphoton": 1_000_000, "minphoton": 10}, {"numphoton": 1_000_000, "minphoton": 10}),
    ],
)
def test_an_arf_of_another_recipe(recipe, changed):
    given = arf_parameters(81.25, -69.64, "expmap.fits", Responses(**recipe), HEASoft())
    assert given == ARF | changed


def named(planned, kind):
    """File name of the wanted product of a kind."""
    return next(item.spec.name for item in planned.ordered.wanted if item.spec.kind == kind)


def test_optimal_groups_take_the_rmf_of_the_same_plan(planned):
    made = planned(
        Step.RESPONSES, plan, versions=NEWER, recipe={"spectra": {"grouping": ("opt", "optmin:20")}}
    )
    calls = made.tool("ftgrouppha")
    assert [given["grouptype"] for given in made.given("ftgrouppha")] == ["opt", "optmin"]
    assert [given["groupscale"] for given in made.given("ftgrouppha")] == [1.0, 20.0]
    assert [(call.inputs.keys(), call.after) for call in calls] == [({"source.pha"}, {"source.rmf": 0})] * 2
    finished = made.finish["grouped0.fits"]
    assert finished["linked"] == {"RESPFILE": named(made, Kind.RMF), "ANCRFILE": "none"}
    assert finished["history"][1].startswith("ftgrouppha infile=source.pha")


def test_optimal_groups_take_the_rmf_that_is_published(planned):
    made = planned(
        Step.RESPONSES,
        plan,
        published=True,
        versions=NEWER,
        only=lambda item: item.spec.kind == Kind.GROUPED_SPECTRUM,
    )
    [call] = made.tool("ftgrouppha")
    assert (call.after, call.inputs["source.rmf"][:17]) == ({}, "/store/responses/")
    assert len(made.calls) == 2


def scripts(item):
    return item.spec.kind == Kind.LOADER


def test_scripts_are_written_without_the_tools(planned):
    made = planned(Step.RESPONSES, plan, versions=NEWER, only=scripts)
    [call] = made.calls
    assert call.outputs == ("load.xcm", "load_sherpa.py")
    assert not call.inputs


def test_scripts_see_whether_the_arf_of_the_same_plan_was_made(planned):
    made = planned(Step.RESPONSES, plan, versions=NEWER)
    assert made.calls[-1].function == LOAD
    assert made.calls[-1].after == {named(made, Kind.ARF): len(made.calls) - 2}


def test_scripts_see_the_arf_that_is_published(planned):
    made = planned(Step.RESPONSES, plan, published=True, versions=NEWER, only=scripts)
    [call] = made.calls
    arf = named(made, Kind.ARF)
    assert (call.function, call.inputs) == (LOAD, {arf: f"/store/responses/{arf}"})


GIVEN = {"rmf": __file__, "arf": __file__}


@pytest.mark.parametrize("given", [["rmf"], ["arf"], ["rmf", "arf"]], ids=" and ".join)
def test_a_plan_with_given_responses_holds(planned, holds, given):
    recipe = {"responses": {name: GIVEN[name] for name in given}}
    made = planned(Step.RESPONSES, plan, versions=NEWER, recipe=recipe)
    for call in made.calls:
        assert {path for path in call.inputs.values() if path == __file__} <= set(GIVEN.values())
    bare = [
        call.model_copy(update={"inputs": {k: v for k, v in call.inputs.items() if v != __file__}})
        for call in made.calls
    ]
    holds(replace(made, calls=bare), Step.RESPONSES)
    assert bool(made.tool("xtdrmf")) == ("rmf" not in given)
    assert bool(made.tool("xaarfgen")) == ("arf" not in given)


def test_a_given_rmf_is_checked_first_and_then_used_by_the_tools(planned):
    made = planned(Step.RESPONSES, plan, versions=NEWER, recipe={"responses": {"rmf": __file__}})
    rmf = named(made, Kind.RMF)
    assert (made.calls[0].outputs, made.calls[0].inputs) == ((rmf,), {"given.rmf": __file__})
    for tool in ("xaarfgen", "ftgrouppha"):
        [call] = made.tool(tool)
        assert call.inputs["source.rmf"] == __file__
        assert "source.rmf" not in call.after


def test_a_given_arf_is_checked_against_the_rmf_of_the_same_plan(planned):
    made = planned(Step.RESPONSES, plan, versions=NEWER, recipe={"responses": {"arf": __file__}})
    [finish] = (number for number, call in enumerate(made.calls) if call.function.endswith(":finish"))
    last, rmf = made.calls[-1], named(made, Kind.RMF)
    assert last.after == {rmf: finish}
    assert (last.parameters["arf"]["rmf"], last.inputs) == (rmf, {"given.arf": __file__})


def test_no_plural():
    assert not {"numphotons", "minphotons"} & ARF.keys()


@pytest.mark.parametrize("versions", [{}, NEWER])
def test_a_plan_holds(planned, holds, versions):
    holds(planned(Step.RESPONSES, plan, versions=versions), Step.RESPONSES)


def test_the_calls_of_a_plan(planned):
    made = planned(Step.RESPONSES, plan, versions=NEWER)
    assert [call.function.rpartition(".")[2] for call in made.calls] == [
        "tool:run", "response_tools:prepare", "tool:run", "raytrace:generate", "raytrace:count", "tool:run",
        "finishing:finish", "response_tools:load",
    ]  # fmt: skip
    rmf, arf = made.tool("xtdrmf")[0], made.tool("xaarfgen")[0]
    assert rmf.inputs["source.pha"].endswith("-enALL-spectrum.fits")
    assert arf.parameters["parameters"] == ARF
    assert arf.after == {"source.rmf": 0}
    assert arf.outputs == ("source.arf", "raytrace.fits")
    assert arf.inputs["source.reg"].endswith("radec_900001010_N132D_src.reg")
    assert arf.timeout == 12 * 3600
    assert {"dattfile", "filtoffsetfile", "sampling"} <= set(arf.parameters["optional"])
    assert not {"numphoton", "minphoton", "erange", "seed", "regmode"} & set(arf.parameters["optional"])
    assert arf.parameters["radius_arcmin"] == 2.0
    assert made.calls[4].parameters == {
        "traced": "raytrace.fits", "arf": made.finish["source.arf"]["name"], "radius_arcmin": 2.0,
        "band_kev": [0.5, 10.0],
    }  # fmt: skip


def test_the_region_is_converted_before_photons_are_traced(planned):
    """As xaarfgen will do it: it would not notice that it cannot be done."""
    made = planned(Step.RESPONSES, plan, versions=NEWER)
    order = [call.parameters.get("tool") for call in made.calls]
    assert order.index("coordpnt") < order.index("xaarfgen")
    [call] = made.tool("coordpnt")
    assert call.inputs == {"source.reg": made.tool("xaarfgen")[0].inputs["source.reg"]}
    assert call.timeout <= 600
    assert call.parameters["parameters"] == region_parameters(Nominal(81.2, -69.6, 30.0)) == {
        "input": "source.reg", "outfile": "detector.reg", "telescop": "XRISM", "instrume": "XTEND",
        "teldeffile": "CALDB", "startsys": "RADEC", "stopsys": "DET", "ra": 81.2, "dec": -69.6, "roll": 30.0,
        "ranom": 81.2, "decnom": -69.6, "rollnom": 0.0, "clobber": True,
    }  # fmt: skip


@pytest.mark.parametrize("wrong", ["numphotons", "minphotons"])
def test_xaarfgen_is_not_asked_with_a_misspelt_parameter(double, tmp_path, wrong):
    call = tool_call(
        "xaarfgen",
        {**ARF, wrong: 500},
        outputs=["source.arf"],
        optional=OF_SOME_RELEASES,
        chatter=1,
        timeout=60,
    )
    with pytest.raises(SoftwareFault, match=f"xaarfgen has no parameter {wrong} in this release"):
        run_call_blocking(call, tmp_path / "work")


def planned_again(made, source):
    """The plan where the regions step told something else of the source."""
    regions = made.manifest.steps[Step.REGIONS].model_copy(update={"facts": {"source": source}})
    manifest = made.manifest.model_copy(update={"steps": {**made.manifest.steps, Step.REGIONS: regions}})
    inputs = StepInputs(made.dataset, manifest, Path("/down"), lambda product: Path("/store") / product.path)
    return replace(made, calls=plan(inputs, made.ordered.wanted))


@pytest.mark.parametrize(
    ("source", "radius"),
    [
        ({"ra": 81.25, "dec": -69.64, "radius_arcmin": 1.25, "centre": "given"}, 1.25),
        ({"ra": 81.25, "dec": -69.64, "radius_arcmin": None, "centre": "given"}, None),
        ({"ra": 81.25, "dec": -69.66, "radius_arcmin": 2.0, "centre": "given"}, None),
        ({"ra": 81.26, "dec": -69.66, "radius_arcmin": 2.0, "centre": "peak"}, 2.0),
        ({"ra": 81.259, "dec": -69.64, "radius_arcmin": 2.0, "centre": "given"}, 2.0),
        (None, None),
    ],
)
def test_photons_are_counted_where_the_region_is_a_circle_around_the_source(planned, source, radius):
    made = planned_again(planned(Step.RESPONSES, plan, versions=NEWER), source)
    [count] = [call for call in made.calls if call.function.endswith("raytrace:count")]
    assert count.parameters["radius_arcmin"] == radius
    assert made.tool("xaarfgen")[0].parameters["radius_arcmin"] == radius


def test_what_is_checked(planned):
    made = planned(Step.RESPONSES, plan)
    [ebounds] = made.tool("xtdrmf")[0].parameters["checks"]
    [covers] = made.tool("xaarfgen")[0].parameters["checks"]
    assert (ebounds["kind"], ebounds["file"]) == ("ebounds", "source.rmf")
    assert (covers["kind"], covers["file"], covers["low"], covers["high"]) == (
        "covers",
        "source.arf",
        0.5,
        10.0,
    )


def test_the_release_that_goes_wrong_gets_a_map_without_offset(planned):
    made = planned(Step.RESPONSES, plan)
    prepare_call, arf = made.calls[1], made.tool("xaarfgen")[0]
    assert prepare_call.parameters["axis_offset_zero"] is True
    assert prepare_call.outputs == ("axismap.fits",)
    assert arf.parameters["parameters"]["emapfile"] == "axismap.fits"
    assert arf.after["axismap.fits"] == 1
    assert "expmap.fits" not in arf.inputs


def test_an_rmf_that_is_published_is_taken(planned):
    made = planned(
        Step.RESPONSES, plan, published=True, versions=NEWER, only=lambda item: item.spec.kind == Kind.ARF
    )
    assert not made.tool("xtdrmf")
    assert made.tool("xaarfgen")[0].inputs["source.rmf"].startswith("/store/responses/")


def test_ray_traced_events_of_the_same_key_are_used_again(planned):
    made = planned(
        Step.RESPONSES, plan, published=True, versions=NEWER, only=lambda item: item.spec.kind == Kind.ARF
    )
    [arf] = made.tool("xaarfgen")
    assert arf.inputs["published.fits"].endswith("-raytracedevents.fits")
    assert arf.parameters["edits"] == {"raytrace.fits": "published.fits"}
    assert arf.outputs == ("source.arf",)
    [counted] = [call for call in made.calls if call.function.endswith("raytrace:count")]
    assert counted.inputs.keys() == {"raytrace.fits"}


def test_ray_traced_events_of_another_key_are_not(planned):
    """The file of the same name is there, of another seed."""
    published = planned(Step.RESPONSES, plan, published=True, versions=NEWER)
    [old] = published.manifest.find(Kind.RAYTRACE)
    made = planned(Step.RESPONSES, plan, versions=NEWER, recipe={"heasoft": {"seed": 8}})
    [new] = [item.spec for item in made.ordered.wanted if item.spec.kind == Kind.RAYTRACE]
    assert new.name == old.name
    assert new.entry["key"] != old.entry["key"]
    assert made.tool("xaarfgen")[0].outputs == ("source.arf", "raytrace.fits")


def test_ray_traced_events_of_the_same_key_are_published_again_without_a_run(planned):
    made = planned(
        Step.RESPONSES,
        plan,
        published=True,
        versions=NEWER,
        only=lambda item: item.spec.kind == Kind.RAYTRACE,
    )
    assert [call.function for call in made.calls] == ["tasks.engines.heasoft.finishing:finish"]
    assert made.calls[0].inputs["raytrace.fits"].endswith("-raytracedevents.fits")


def test_history_tells_call_and_key(planned):
    made = planned(Step.RESPONSES, plan, versions=NEWER)
    [said] = made.finish["source.arf"]["history"]
    assert said.startswith("xaarfgen ")
    assert 'erange="0.3 18 0 0"' in said
    traced = made.finish["raytrace.fits"]["history"]
    assert traced[1].startswith("ray-traced events of key ")


def test_an_image_of_the_source_is_handed_over(planned, tmp_path):
    image = tmp_path / "picture.img"
    image.write_text("x")
    recipe = {"responses": {"source_type": "IMAGE", "image": str(image), "erange": (0.3, 18, 0.5, 8)}}
    made = planned(Step.RESPONSES, plan, recipe=recipe, versions=NEWER)
    assert made.tool("xaarfgen")[0].inputs["image.fits"] == str(image)
    [count] = [call for call in made.calls if call.function.endswith("raytrace:count")]
    assert count.parameters["radius_arcmin"] is None


def test_an_image_that_is_not_there(planned):
    image = {"source_type": "IMAGE", "image": "/nowhere/picture.img", "erange": (0.3, 18, 0.5, 8)}
    recipe = {"responses": image}
    with pytest.raises(
        BadInput, match=r"responses\.image of the recipe, /nowhere/picture\.img, cannot be read"
    ):
        planned(Step.RESPONSES, plan, recipe=recipe)

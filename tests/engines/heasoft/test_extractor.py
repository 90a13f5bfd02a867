"""What extractor and ahbackscal are asked for, to the last parameter."""

import gzip
from pathlib import Path

import pytest

from tasks.core.errors import BadInput, Permanent
from tasks.engines.heasoft.extractor import (
    Events,
    image_parameters,
    light_curve_parameters,
    plan,
    prepare,
    spectrum_parameters,
)
from tasks.engines.heasoft.spectra import backscal_parameters
from tasks.library.manifest import Kind, Role, Step
from tasks.xtend.channels import Channels

ONE, TWO = Events(("events0.evt",)), Events(("events0.evt", "events1.evt"))
SPLIT = tuple(f"xtend/event_cl/xa900001010xtd_p{number}30000010_cl.evt" for number in range(2))
PLAIN = SPLIT[:1]
ASKED = {
    "filename", "eventsout", "imgfile", "phafile", "fitsbinlc", "binlc", "regionfile", "timefile",
    "adjustgti", "xcolf", "ycolf", "tcol", "ecol", "xcolh", "ycolh",
}  # fmt: skip
"""What extractor asks for when it is not told; see its parameter file."""
COMMON = {
    "eventsout": "NONE", "imgfile": "NONE", "phafile": "NONE", "fitsbinlc": "NONE", "unbinlc": "NONE",
    "qdpfile": "NONE", "gtitxt": "NONE", "xronwn": "NONE", "regionfile": "NONE", "timefile": "NONE",
    "xcolf": "X", "ycolf": "Y", "zcolf": "NONE", "tcol": "TIME", "ecol": "PI", "xcolh": "DETX",
    "ycolh": "DETY", "ccol": "NONE", "gcol": "NONE", "gti": "GTI", "gtinam": "GTI", "events": "EVENTS",
    "exitnow": False, "adjustgti": False, "fullimage": True, "copyall": False, "clobber": True, "binf": 1,
    "binh": 1, "specbin": 1, "wtmapb": True, "wtmapfix": True, "binlc": 64.0, "lcthresh": 0.0,
    "lcstart": -1.0, "lctzero": True,
}  # fmt: skip


def test_an_image():
    assert image_parameters(ONE, Channels(100, 334), 4, "image0.fits") == {
        **COMMON, "filename": "events0.evt[PI=100:334]", "imgfile": "image0.fits", "binf": 4,
    }  # fmt: skip


def test_a_light_curve():
    given = light_curve_parameters(ONE, Channels(333, 1001), "source.reg", 200.0, 0.1, "curve0.fits")
    assert given == {
        **COMMON, "filename": "events0.evt[PI=333:1001]", "fitsbinlc": "curve0.fits",
        "regionfile": "source.reg", "binlc": 200.0, "lcthresh": 0.1,
    }  # fmt: skip


def test_a_spectrum_has_every_channel_and_its_map():
    assert spectrum_parameters(ONE, "source.reg", "counts0.fits") == {
        **COMMON, "filename": "events0.evt", "phafile": "counts0.fits", "regionfile": "source.reg",
    }  # fmt: skip


def test_several_files_are_given_as_a_list_that_is_cut_as_a_whole():
    assert (
        image_parameters(TWO, Channels(100, 334), 1, "image0.fits")["filename"] == "@events.lis[PI=100:334]"
    )
    assert spectrum_parameters(TWO, "source.reg", "counts0.fits")["filename"] == "@events.lis"
    assert TWO.texts() == {"events.lis": "events0.evt\nevents1.evt\n"}
    assert ONE.texts() == {}


@pytest.mark.parametrize("norm", ["EXPOSURE", "MAX"])
def test_backscal(norm):
    assert backscal_parameters("spectrum0.fits", "source.reg", norm) == {
        "infile": "spectrum0.fits", "regfile": "source.reg", "expfile": "expmap.fits", "norm": norm,
        "cleanup": True, "clobber": True, "logfile": "NONE",
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"events": PLAIN},
        {"events": SPLIT},
        {"events": tuple(f"{name}.gz" for name in SPLIT)},
        {"lacks": lambda item: item.spec.kind == Kind.EXPOSURE_MAP},
        {"lacks": lambda item: item.spec.role in (Role.SOURCE, Role.BACKGROUND)},
        {"lacks": lambda item: item.spec.role == Role.BACKGROUND},
    ],
    ids=["zipped", "plain", "split", "split and zipped", "no map", "no region", "no background"],
)
def test_a_plan_holds(planned, holds, fields):
    holds(planned(Step.EXTRACTION, plan, **fields), Step.EXTRACTION)


def test_every_asked_parameter_is_given(planned):
    for given in planned(Step.EXTRACTION, plan).given("extractor"):
        assert given.keys() >= ASKED
        made = [given[key] for key in ("imgfile", "phafile", "fitsbinlc") if given[key] != "NONE"]
        assert len(made) == 1


def test_one_call_of_extractor_a_product_and_one_of_ahbackscal_a_spectrum(planned):
    made = planned(Step.EXTRACTION, plan)
    kinds = [item.spec.kind for item in made.ordered.wanted]
    assert len(made.tool("extractor")) == len(kinds)
    assert len(made.tool("ahbackscal")) == kinds.count(Kind.SPECTRUM) == 2
    assert [given["norm"] for given in made.given("ahbackscal")] == ["EXPOSURE"] * 2


def test_the_recipe_s_maximum_is_ahbackscal_s(planned):
    made = planned(Step.EXTRACTION, plan, recipe={"spectra": {"backscal": "maximum"}})
    assert [given["norm"] for given in made.given("ahbackscal")] == ["MAX"] * 2


def test_ahbackscal_edits_a_copy(planned):
    made = planned(Step.EXTRACTION, plan)
    for call in made.tool("ahbackscal"):
        [(scaled, counted)] = call.parameters["edits"].items()
        assert call.parameters["parameters"]["infile"] == scaled
        assert call.outputs == (scaled,)
        assert counted in call.after
        assert made.finish[scaled]["kind"] == Kind.SPECTRUM


def test_without_a_map_backscal_stays_that_of_the_pixels(planned):
    made = planned(Step.EXTRACTION, plan, lacks=lambda item: item.spec.kind == Kind.EXPOSURE_MAP)
    assert not made.tool("ahbackscal")
    assert {"counts0.fits", "counts1.fits"} <= made.finish.keys()


def test_regions_are_checked_for_what_was_made_with_them(planned):
    for call in planned(Step.EXTRACTION, plan).tool("extractor"):
        region = call.parameters["parameters"]["regionfile"]
        [output] = call.outputs
        assert (region in call.inputs) == (region != "NONE")
        checks = [(check["kind"], check["file"]) for check in call.parameters["checks"]]
        assert (("region-applied", output) in checks) == (region != "NONE")


def test_counts_and_maps_are_checked_of_all_that_have_them(planned):
    """A light curve tells no total, and an image has no weighted map."""
    found: set[str] = set()
    for call in planned(Step.EXTRACTION, plan).tool("extractor"):
        given, [output] = call.parameters["parameters"], call.outputs
        [kind] = [key for key in ("imgfile", "phafile", "fitsbinlc") if given[key] != "NONE"]
        checks = {check["kind"] for check in call.parameters["checks"] if check["file"] == output}
        assert ("counts-agree" in checks) == (kind != "fitsbinlc")
        assert ("weighted-map" in checks) == (kind == "phafile")
        found.add(kind)
    assert len(found) == 3


def test_regions_are_read_before_a_tool_takes_the_whole_field_for_them(planned):
    preparing = planned(Step.EXTRACTION, plan).calls[0]
    assert set(preparing.parameters["regions"]) == {"source.reg", "background.reg"}
    for role, short in (("source.reg", "src"), ("background.reg", "back")):
        assert preparing.inputs[role].endswith(".reg")
        assert short in preparing.inputs[role]


def test_zipped_events_are_unpacked_once(planned):
    made = planned(Step.EXTRACTION, plan)
    assert made.calls[0].function == "tasks.engines.heasoft.extractor:prepare"
    assert made.calls[0].outputs == ("events0.evt",)
    assert made.calls[0].inputs["events0.evt.gz"].endswith("_cl.evt.gz")
    assert all(call.after["events0.evt"] == 0 for call in made.tool("extractor"))
    assert made.calls[-1].parameters["events"] == ["xa900001010xtd_p030000010_cl.evt.gz"]


def test_plain_events_are_taken_as_they_are(planned):
    made = planned(Step.EXTRACTION, plan, events=PLAIN)
    assert made.calls[0].outputs == ()
    assert all(call.inputs["events0.evt"].endswith("_cl.evt") for call in made.tool("extractor"))


def test_split_events_are_listed_for_every_call(planned):
    made = planned(Step.EXTRACTION, plan, events=SPLIT)
    for call in made.tool("extractor"):
        given = call.parameters["parameters"]
        assert given["filename"].partition("[")[0] == "@events.lis"
        assert ("[PI=" in given["filename"]) == (given["phafile"] == "NONE")
        assert call.parameters["texts"] == {"events.lis": "events0.evt\nevents1.evt\n"}
        assert {"events0.evt", "events1.evt"} <= call.inputs.keys()


def test_what_is_asked_for_is_what_is_planned(planned):
    made = planned(
        Step.EXTRACTION,
        plan,
        only=lambda item: item.spec.kind == Kind.IMAGE and item.spec.entry["binning"] == 4,
    )
    assert [call.parameters.get("tool") for call in made.calls] == [None, *["extractor"] * 4, None]
    assert {item["kind"] for item in made.finish.values()} == {Kind.IMAGE}
    assert made.calls[0].parameters["regions"] == []


def test_the_finish_hears_selection_and_call(planned):
    made = planned(Step.EXTRACTION, plan)
    curve = made.finish["curve0.fits"]
    assert curve["channels"] == [100, 334]
    assert curve["region"] == "skypix_900001010_N132D_src.reg"
    assert curve["history"][0].startswith("extractor ")
    assert "filename=events0.evt[PI=100:334]" in curve["history"][0]
    assert "lcthresh=0.0" in curve["history"][0]
    image = made.finish["image0.fits"]
    assert (image["region"], image["unit"]) == (None, "count")
    spectrum = made.finish["spectrum0.fits"]
    assert (curve["unit"], spectrum["unit"]) == (None, "count")
    assert [line.split()[0] for line in spectrum["history"]] == ["extractor", "ahbackscal", "expmap.fits"]
    assert "expmap.fits is xrism-xtend-obsid900001010" in spectrum["history"][2]


def test_packed_files_are_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("packed0.gz").write_bytes(gzip.compress(b"content" * 1000))
    prepare({"packed0.gz": "events0.evt"}, [])
    assert Path("events0.evt").read_bytes() == b"content" * 1000


def test_a_broken_package_is_an_error_of_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("packed0.gz").write_bytes(gzip.compress(b"content" * 1000)[:-20])
    with pytest.raises(Permanent, match=r"packed0\.gz is broken"):
        prepare({"packed0.gz": "events0.evt"}, [])


@pytest.mark.parametrize(
    "text",
    ["", "galactic\ncircle(1,2,3)\n", "fk5\ncircle(1,2,3)\n", "fk5;circle(1,2,3');circle(2,2,3')\n", None],
)
def test_regions_that_would_give_the_whole_field_stop_everything(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("source.reg").write_text(text)
    with pytest.raises(BadInput, match=r"source\.reg"):
        prepare({}, ["source.reg"])

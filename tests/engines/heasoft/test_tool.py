"""A tool behind the runner, on the double of heasoftpy: what goes wrong becomes the right error, and no more.

That the double's products are right shows plumbing and nothing else; `test_real_tools.py` asks real ones.
"""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import EnvironmentFault, GaveUp, SoftwareFault, Transient
from tasks.engines import runner
from tasks.engines.heasoft.checks import counts_agree, covers, ebounds, region_applied
from tasks.engines.heasoft.extractor import Events, image_parameters, spectrum_parameters
from tasks.engines.heasoft.grouping import group_parameters
from tasks.engines.heasoft.response_tools import rmf_parameters
from tasks.engines.heasoft.spectra import backscal_parameters
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.runner import CallResult, run_call
from tasks.library.call import Call
from tasks.xtend.channels import Channels
from tasks.xtend.grouping import GroupingRule

EVENTS = Events(("events0.evt",))
Run = Callable[..., CallResult]


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, str]:
    """A few events around the middle of a small sky, and a region there."""
    numbers = np.arange(40)
    given = {"TIME": numbers * 2.0, "X": 40 + numbers % 20, "Y": 30 + numbers % 20, "PI": 100 + numbers}
    given |= {"DETX": given["X"], "DETY": given["Y"]}
    columns = [
        fits.Column(name, "D" if name == "TIME" else "J", array=value) for name, value in given.items()
    ]
    table = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    limits = {"X": (1, 100), "Y": (1, 80), "PI": (0, 4095), "DETX": (1, 100), "DETY": (1, 80)}
    for number, name in enumerate(given, 1):
        if name in limits:
            table.header[f"TLMIN{number}"], table.header[f"TLMAX{number}"] = limits[name]
        if name in ("X", "Y"):
            table.header[f"TCTYP{number}"] = "RA---TAN" if name == "X" else "DEC--TAN"
            table.header[f"TCRPX{number}"], table.header[f"TCRVL{number}"] = 50.5, 30.0
            table.header[f"TCDLT{number}"] = -0.0005 if name == "X" else 0.0005
    keys = {"TELESCOP": "XRISM", "INSTRUME": "XTEND", "OBS_ID": "900000001", "DATACLAS": "30000010",
            "TIMEPIXR": 0.5, "TIMEDEL": 4.0, "PA_NOM": 0.0, "RA_NOM": 30.0, "DEC_NOM": 30.0,
            "TSTART": 0.0, "TSTOP": 100.0, "MJDREFI": 58484, "MJDREFF": 0.0}  # fmt: skip
    table.header.update(keys)
    bounds = [fits.Column("START", "D", array=[0.0]), fits.Column("STOP", "D", array=[100.0])]
    good = fits.BinTableHDU.from_columns(bounds, name="GTI")
    events, region = tmp_path / "list.evt", tmp_path / "a.reg"
    fits.HDUList([fits.PrimaryHDU(), table, good]).writeto(events)
    region.write_text("physical\ncircle(50,40,8)\n")
    return {"events0.evt": str(events), "source.reg": str(region)}


@pytest.fixture
def run(tmp_path: Path, double: Any) -> Run:
    """Does a call in `tmp_path/work` with the log `tmp_path/log`."""

    def do(call: Call, **more: Any) -> CallResult:
        return asyncio.run(run_call(call, tmp_path / "work", tmp_path / "log", cores=2, **more))

    return do


def spectrum_call(inputs: dict[str, str], timeout: float = 60, **changes: Any) -> Call:
    return tool_call(
        "extractor",
        {**spectrum_parameters(EVENTS, "source.reg", "source.pha"), **changes},
        inputs=inputs,
        outputs=["source.pha"],
        checks=[region_applied("source.pha"), counts_agree("source.pha")],
        chatter=1,
        timeout=timeout,
    )


def test_a_tool_makes_what_was_asked_and_the_log_says_how(run, inputs, tmp_path):
    before = dict(os.environ)
    result = run(spectrum_call(inputs))
    with fits.open(tmp_path / "work" / "source.pha") as hdus:
        assert hdus["SPECTRUM"].data["COUNTS"].sum() > 0
    log = (tmp_path / "log").read_text()
    assert "# extractor " in log
    assert " regionfile=source.reg " in log
    assert " wtmapb=yes " in log
    assert "extractor (double) in work\n" in log
    # The tool's process belonged to the child; ours is as it was.
    assert dict(os.environ) == before
    assert result.memory > 10 << 20
    assert result.disk >= (tmp_path / "work" / "source.pha").stat().st_size
    assert result.report.facts == {}


def test_parameters_stay_in_the_working_directory(run, inputs, tmp_path, double_headas):
    kept = {path: path.read_bytes() for path in (double_headas / "syspfiles").iterdir()}
    run(spectrum_call(inputs))
    (own,) = (tmp_path / "work" / "pfiles").iterdir()
    assert own.name == "extractor.par"
    assert "source.reg" in own.read_text()
    assert kept == {path: path.read_bytes() for path in (double_headas / "syspfiles").iterdir()}


def test_two_at_once_share_nothing(double, inputs, tmp_path):
    calls = {
        name: tool_call(
            "extractor",
            image_parameters(EVENTS, Channels(100, high), 1, "image.fits"),
            inputs={"events0.evt": inputs["events0.evt"]},
            outputs=["image.fits"],
            checks=[counts_agree("image.fits")],
            chatter=1,
            timeout=60,
        )
        for name, high in (("one", 109), ("two", 119))
    }

    async def both() -> None:
        running = (run_call(call, tmp_path / name, tmp_path / "log", cores=2) for name, call in calls.items())
        await asyncio.gather(*running)

    asyncio.run(both())
    for name, counts in (("one", 10), ("two", 20)):
        assert fits.getdata(tmp_path / name / "image.fits").sum() == counts
        text = (tmp_path / name / "pfiles" / "extractor.par").read_text()
        assert f"[PI=100:{99 + counts}]" in text


def test_a_list_of_files_is_written_first(run, inputs, tmp_path):
    events = Events(("events0.evt", "events1.evt"))
    parameters = image_parameters(events, Channels(100, 109), 1, "image.fits")
    call = tool_call(
        "extractor",
        parameters,
        inputs=dict.fromkeys(events.files, inputs["events0.evt"]),
        texts=events.texts(),
        outputs=["image.fits"],
        chatter=1,
        timeout=60,
    )
    run(call)
    assert fits.getdata(tmp_path / "work" / "image.fits").sum() == 20


def test_what_a_tool_edits_is_a_copy(run, inputs, tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("COUNTS", "J", array=[1])], name="SPECTRUM")
    table.header["BACKSCAL"] = 1.0
    table.writeto(tmp_path / "counted.pha")
    image = fits.PrimaryHDU(np.ones((80, 100), np.float32))
    image.header.update({"CRVAL1": 30.0, "CRVAL2": 30.0})
    history = fits.BinTableHDU.from_columns([fits.Column("A", "D", array=[1.0])], name="OFFAXISHIST")
    history.header["EXPOSURE"] = 2.0
    fits.HDUList([image, history]).writeto(tmp_path / "map.fits")
    call = tool_call(
        "ahbackscal",
        backscal_parameters("scaled.pha", "source.reg", "EXPOSURE"),
        inputs={
            "counted.pha": str(tmp_path / "counted.pha"),
            "expmap.fits": str(tmp_path / "map.fits"),
            "source.reg": inputs["source.reg"],
        },
        edits={"scaled.pha": "counted.pha"},
        outputs=["scaled.pha"],
        chatter=1,
        timeout=60,
    )
    run(call)
    assert fits.getval(tmp_path / "counted.pha", "BACKSCAL", "SPECTRUM") == 1
    assert 0 < fits.getval(tmp_path / "work" / "scaled.pha", "BACKSCAL", "SPECTRUM") < 0.05


@pytest.mark.parametrize(
    ("way", "kind", "message"),
    [
        ("prompt", SoftwareFault, r"^extractor ended with exit status 1: .*nobody to prompt$"),
        ("half", SoftwareFault, r"^extractor ended with exit status 104: .*terminating with status 104$"),
        ("truncated", SoftwareFault, r"^extractor left no whole FITS file: .*; extractor said: .*double"),
        ("nothing", SoftwareFault, r"^extractor ended well but did not make source.pha; .*all is well$"),
        ("empty", SoftwareFault, r"^extractor left source.pha empty; extractor said: "),
        ("whole-field", SoftwareFault, r"^the region was not applied to source.pha: .*cannot read region"),
        ("crash", SoftwareFault, r"^extractor was ended by SIGSEGV: .*about to fail$"),
        ("killed", Transient, r"^extractor was ended by SIGKILL: "),
        ("flood", SoftwareFault, r"^extractor ended with exit status 3: .*that was much$"),
        ("disk-full", EnvironmentFault, r"^extractor found no room on the disk of .*No space left on device"),
    ],
)
def test_misbehaviour_has_a_name_and_leaves_nothing(run, inputs, double, tmp_path, way, kind, message):
    double(f"extractor={way}")
    with pytest.raises(kind, match=message) as caught:
        run(spectrum_call(inputs))
    assert type(caught.value) is kind
    assert len(str(caught.value)) < 2500
    assert str(caught.value).isprintable()
    assert not working_in(tmp_path)


def working_in(folder: Path) -> list[Path]:
    """Processes whose working directory is below a folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink().is_relative_to(folder):
                found.append(link)
    return found


def test_bytes_that_are_no_text_do_no_harm(run, inputs, double, tmp_path):
    double("extractor=strange")
    run(spectrum_call(inputs))
    assert "caf" in (tmp_path / "log").read_text(encoding="utf-8")


def test_a_flood_does_not_fill_the_log(run, inputs, double, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "_LONGEST_LOG", 100_000)
    double("extractor=flood")
    with pytest.raises(SoftwareFault, match="that was much"):
        run(spectrum_call(inputs))
    log = (tmp_path / "log").read_text()
    assert len(log) < 110_000
    assert re.search(r"# it prints on, which is not kept\n# exit status 1\n# .* MB of disk\n$", log)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_a_tool_that_hangs_is_killed_with_its_helpers_and_nothing_else(
    inputs, double, tmp_path, gone, monkeypatch
):
    double("extractor=hang")
    pids: list[int] = []
    deadlines: dict[float, asyncio.Timeout] = {}
    monkeypatch.setattr(
        runner.asyncio, "timeout", lambda asked: deadlines.setdefault(asked, asyncio.Timeout(None))
    )

    def begun(*told: int) -> None:
        pids.extend(told)
        deadlines[77].reschedule(asyncio.get_running_loop().time())

    image = tool_call(
        "fimgbin",
        {"infile": "a.fits", "outfile": "b.fits", "xbinsize": 2},
        inputs={"a.fits": str(tmp_path / "a.fits")},
        outputs=["b.fits"],
        chatter=1,
        timeout=60,
    )
    header = fits.Header({"CRPIX1": 1.0, "CRPIX2": 1.0, "CDELT1": 1.0, "CDELT2": 1.0})
    fits.PrimaryHDU(np.ones((4, 4), np.float32), header).writeto(tmp_path / "a.fits")

    async def side_by_side() -> list[Any]:
        hanging = run_call(
            spectrum_call(inputs, timeout=77),
            tmp_path / "hangs",
            tmp_path / "log",
            cores=2,
            on_progress=begun,
        )
        works = run_call(image, tmp_path / "works", tmp_path / "log2", cores=2)
        return await asyncio.gather(hanging, works, return_exceptions=True)

    hung, worked = asyncio.run(side_by_side())
    assert isinstance(hung, GaveUp)
    assert re.fullmatch(r"extractor was stopped after 77 s: .* \| extractor \(double\) in hangs", str(hung))
    assert isinstance(worked, CallResult)
    assert len(pids) == 2
    assert all(map(gone, pids))
    assert not working_in(tmp_path)
    log = (tmp_path / "log").read_text()
    assert "extractor (double) in hangs\n" in log
    assert re.search(r"# killed after 77 s\n# .* MB of disk\n$", log)


@pytest.mark.parametrize(
    ("tool", "changes", "message"),
    [
        ("extractor", {"numphotons": 3}, "extractor has no parameter numphotons in this release"),
        ("extractor", {"binf": "many"}, "extractor could not be run by heasoftpy: .*many"),
        ("extractor", {"binf": 1.5}, "'1.5' is no value of parameter binf"),
        ("ftgrouppha", {"grouptype": "sometimes"}, "grouptype=sometimes is none of bmin"),
        ("ftgrouppha", {"infile": "-a.pha"}, "the file name '-a.pha' is taken for something else"),
        ("ftgrouppha", {"outfile": "a+1.pha"}, "the file name 'a\\+1.pha' is taken for something else"),
    ],
)
def test_what_a_tool_would_refuse_is_refused(run, inputs, tool, changes, message):
    given = {
        "extractor": spectrum_parameters(EVENTS, "source.reg", "source.pha"),
        "ftgrouppha": group_parameters("grouped.pha", GroupingRule("min", 1)),
    }[tool]
    call = tool_call(tool, {**given, **changes}, inputs=inputs, outputs=[], chatter=1, timeout=60)
    with pytest.raises(SoftwareFault, match=message):
        run(call)


def test_whole_numbers_stay_whole(run, inputs, tmp_path):
    run(spectrum_call(inputs, binf=1.0, binlc=64))
    line = next(
        text for text in (tmp_path / "log").read_text().splitlines() if text.startswith("# extractor")
    )
    assert " binf=1 " in line
    assert " binlc=64 " in line


def test_a_parameter_that_a_release_lacks_may_be_optional(run, inputs, tmp_path):
    parameters = {**spectrum_parameters(EVENTS, "source.reg", "source.pha"), "newer": 1}
    call = tool_call(
        "extractor",
        parameters,
        inputs=inputs,
        outputs=["source.pha"],
        optional=["newer"],
        chatter=1,
        timeout=60,
    )
    run(call)
    line = next(
        text for text in (tmp_path / "log").read_text().splitlines() if text.startswith("# extractor")
    )
    assert "newer" not in line


def test_what_is_asked_for_has_to_be_given(run, inputs):
    parameters = spectrum_parameters(EVENTS, "source.reg", "source.pha")
    given = {name: value for name, value in parameters.items() if name != "timefile"}
    call = tool_call("extractor", given, inputs=inputs, outputs=["source.pha"], chatter=1, timeout=60)
    with pytest.raises(SoftwareFault, match=r"timefile of extractor \[none\].*nobody to prompt"):
        run(call)


def test_an_unknown_tool_is_named(run):
    call = tool_call("xtdmiracle", {}, outputs=[], chatter=1, timeout=60)
    with pytest.raises(SoftwareFault, match=r"xtdmiracle cannot be used by heasoftpy: .*No \.par file"):
        run(call)


def test_chatter_is_for_the_tools_that_know_it(run, inputs, tmp_path):
    run(spectrum_call(inputs))
    assert "chatter=" not in (tmp_path / "log").read_text().split("# extractor ")[1]
    call = tool_call(
        "xtdrmf",
        rmf_parameters(),
        inputs={"source.pha": str(tmp_path / "work" / "source.pha")},
        outputs=["source.rmf"],
        checks=[ebounds("source.rmf")],
        chatter=5,
        timeout=60,
    )
    asyncio.run(run_call(call, tmp_path / "next", tmp_path / "log", cores=1))
    # It can tell no more than 3.
    assert "chatter=3 " in (tmp_path / "log").read_text().split("# xtdrmf ")[1]
    wrong = call.parameters | {"checks": [covers("source.rmf", 1, 2).model_dump()]}
    again = run_call(
        call.model_copy(update={"parameters": wrong}), tmp_path / "last", tmp_path / "log", cores=1
    )
    with pytest.raises(SoftwareFault, match=r"has no extension SPECRESP; xtdrmf said"):
        asyncio.run(again)


def test_without_caldb_no_tool_is_begun(run, inputs, tmp_path, monkeypatch):
    monkeypatch.delenv("CALDB")
    call = tool_call("xtdrmf", rmf_parameters(), outputs=["source.rmf"], chatter=1, timeout=60)
    with pytest.raises(EnvironmentFault, match=r"^xtdrmf needs calibration files, and CALDB is not set$"):
        run(call)


def test_without_heasoftpy_it_is_the_environments_fault(run, inputs, monkeypatch):
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(EnvironmentFault, match=r"^heasoftpy cannot be used by this Python: "):
        run(spectrum_call(inputs))


def test_without_heasoft_it_says_so(run, inputs, monkeypatch):
    monkeypatch.delenv("HEADAS")
    with pytest.raises(SoftwareFault, match=r"extractor cannot be used by heasoftpy: HEADAS not defined"):
        run(spectrum_call(inputs))


@pytest.mark.parametrize("name", ["a-b.fits", "a+1.fits", "a[1].fits", "a b.fits", "", "../a.fits"])
@pytest.mark.parametrize("where", ["inputs", "outputs", "after", "edits", "texts"])
def test_names_that_a_tool_would_misread_never_reach_it(where, name):
    given = {"outputs": [name]} if where == "outputs" else {where: {name: 0 if where == "after" else "x"}}
    with pytest.raises(SoftwareFault, match=r"extractor would misread the file name"):
        tool_call("extractor", {}, **{"outputs": [], **given}, chatter=1, timeout=60)


def test_the_double_is_for_tests_alone():
    tests = Path(__file__).resolve().parents[2]
    specs = (PathFinder.find_spec("heasoftpy", [folder]) for folder in sys.path)
    origins = [Path(spec.origin).resolve() for spec in specs if spec and spec.origin]
    assert not [origin for origin in origins if origin.is_relative_to(tests)]

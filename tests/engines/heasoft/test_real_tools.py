"""Real tools through our runner, asked as the reference data say they were: do they give what these hold?

Needs HEADAS, heasoftpy and the reference data; each test skips where its tool is absent. None needs CALDB.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tasks.engines.heasoft.checks import region_applied
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.runner import run_call_blocking

REFERENCE = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "heasoft-reference"
ALPHA, EXTRAS = REFERENCE / "alpha", REFERENCE / "alpha-extras"
NO = "NONE"
OUTPUTS = ("imgfile", "phafile", "fitsbinlc", "outfile")
INPUTS = ("filename", "infile", "bgfile", "regionfile", "regfile", "expfile")
DEFAULTS = {"extractor": {"binlc": 64.0, "adjustgti": False}}
"""What extractor asks for besides what the reference gives."""
TIMES = ("EXPOSURE", "ONTIME", "LIVETIME", "TSTART", "TSTOP")

pytestmark = [
    pytest.mark.heasoft,
    pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference data are not here"),
]


@dataclass(frozen=True)
class Asked:
    """A call that a folder of the reference lists; files by their names without folders."""

    folder: Path
    tool: str
    given: dict[str, Any]

    def named(self, parameters: tuple[str, ...]) -> list[str]:
        """The files under some parameters."""
        return [self.given[name] for name in parameters if self.given.get(name, NO) != NO]

    @property
    def expected(self) -> Path:
        """What the reference holds of it."""
        return self.folder / "ref" / f"{self.named(OUTPUTS)[0]}.gz"

    @property
    def read(self) -> set[str]:
        """The files that the tool reads, a list with those that stand in it."""
        names = {name.partition("[")[0] for name in self.named(INPUTS)}
        lists = {name[1:] for name in names if name.startswith("@")}
        listed = (name for lis in lists for name in (self.folder / lis).read_text().split())
        return {name for name in names if not name.startswith("@")} | lists | {*listed}


def plain(value: Any) -> Any:
    """A file's name without its folder and without the mark for clobbering."""
    return value.removeprefix("!").removeprefix("ref/") if isinstance(value, str) else value


def calls(tool: str) -> list[Any]:
    """The calls of a tool that the reference lists."""
    if not REFERENCE.is_dir():
        return []
    figures = json.loads((ALPHA / "reference.json").read_text())
    more = json.loads((EXTRAS / "calls.json").read_text())
    found = []
    for folder, item in (*((ALPHA, each) for each in figures["calls"]), *((EXTRAS, each) for each in more)):
        if item["tool"] == tool:
            given = {name: plain(value) for name, value in item["parameters"].items()}
            asked = Asked(folder, tool, given)
            words = (tool, *asked.named((*OUTPUTS, "regfile", "norm")))
            found.append(pytest.param(asked, id="-".join(words)))
    return found


@pytest.fixture
def made(tmp_path: Path, real_tool: Callable[[str], None]) -> Callable[[Asked], Path]:
    """Runs a call of the reference; gives what it made."""

    def run(asked: Asked) -> Path:
        real_tool(asked.tool)
        names, outputs = asked.read, asked.named(OUTPUTS)
        # ahbackscal edits a spectrum in place.
        edits = {"tmp_b.fits": "spectrum_src.fits"} if "tmp_b.fits" in names else {}
        outputs = [*outputs, *edits]
        names = (names - edits.keys()) | set(edits.values())
        call = tool_call(
            asked.tool,
            DEFAULTS.get(asked.tool, {}) | asked.given,
            inputs={name: str(unpacked(asked.folder, name, tmp_path)) for name in sorted(names)},
            outputs=outputs,
            edits=edits,
            checks=[region_applied(outputs[0])] if asked.named(("regionfile",)) else [],
            chatter=1,
            timeout=600,
        )
        run_call_blocking(call, tmp_path / "work")
        return tmp_path / "work" / outputs[0]

    return run


def unpacked(folder: Path, name: str, target: Path) -> Path:
    """A file of the reference, which is gzipped there."""
    for place in (folder, folder / "ref"):
        if (place / name).is_file():
            return place / name
        if (place / f"{name}.gz").is_file():
            (target / name).write_bytes(gzip.decompress((place / f"{name}.gz").read_bytes()))
            return target / name
    raise FileNotFoundError(name)


def columns(path: Path, hdu: str, *names: str) -> list[Any]:
    with fits.open(path) as hdus:
        return [np.array(hdus[hdu].data[name]) for name in names]


@pytest.mark.parametrize("asked", calls("extractor"))
def test_extractor(made, asked):
    path, expected = made(asked), asked.expected
    with fits.open(path) as ours, fits.open(expected) as theirs:
        names = {hdu.name for hdu in theirs}
        assert {hdu.name for hdu in ours} == names
        if theirs[0].data is not None:
            np.testing.assert_array_equal(ours[0].data, theirs[0].data)
        for key in TIMES:
            assert ours[0].header[key] == pytest.approx(theirs[0].header[key], rel=1e-9), key
        if "SPECTRUM" in names:
            backscal = [hdus["SPECTRUM"].header["BACKSCAL"] for hdus in (ours, theirs)]
            assert backscal[0] == pytest.approx(backscal[1], rel=1e-6)
    if "SPECTRUM" in names:
        for one, two in zip(
            *(columns(item, "SPECTRUM", "CHANNEL", "COUNTS") for item in (path, expected)), strict=True
        ):
            np.testing.assert_array_equal(one, two)
    if "RATE" in names:
        every = ("TIME", "RATE", "ERROR", "FRACEXP")
        for one, two in zip(*(columns(item, "RATE", *every) for item in (path, expected)), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-6)


@pytest.mark.parametrize("asked", calls("lcmath"))
def test_lcmath(made, asked):
    both = (columns(item, "RATE", "RATE", "ERROR") for item in (made(asked), asked.expected))
    for one, two in zip(*both, strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("asked", calls("fimgbin"))
def test_fimgbin(made, asked):
    np.testing.assert_allclose(fits.getdata(made(asked)), fits.getdata(asked.expected), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("asked", calls("ahbackscal"))
def test_ahbackscal(made, asked):
    figures = json.loads((ALPHA / "reference.json").read_text())["backscal"]
    expected = figures[f"{asked.given['regfile'].removesuffix('.reg')}_{asked.given['norm']}"]
    assert fits.getval(made(asked), "BACKSCAL", "SPECTRUM") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("asked", calls("grppha"))
def test_grppha(made, asked):
    both = (columns(item, "SPECTRUM", "GROUPING")[0] for item in (made(asked), asked.expected))
    np.testing.assert_array_equal(*both)

"""Real tools through our runner, asked as the reference data say they were: do they give what these hold?

Needs HEADAS, heasoftpy and the reference data; each test skips where its tool is absent. None needs CALDB.
"""

import gzip
import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tasks.engines.heasoft.checks import region_applied
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.runner import run_call_blocking

ALPHA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "heasoft-reference" / "alpha"
FIGURES: dict[str, Any] = (
    json.loads((ALPHA / "reference.json").read_text()) if ALPHA.is_dir() else {"calls": []}
)
NO = "NONE"
OUTPUTS = ("imgfile", "phafile", "fitsbinlc", "outfile")
INPUTS = ("filename", "infile", "bgfile", "regionfile", "regfile", "expfile")
DEFAULTS = {"extractor": {"binlc": 64.0, "adjustgti": False}}
"""What extractor asks for besides what the reference gives."""

pytestmark = [
    pytest.mark.heasoft,
    pytest.mark.skipif("HEADAS" not in os.environ, reason="HEADAS is not set"),
    pytest.mark.skipif(find_spec("heasoftpy") is None, reason="heasoftpy is not installed for this Python"),
    pytest.mark.skipif(not ALPHA.is_dir(), reason="the reference data are not here"),
]


def plain(value: Any) -> Any:
    """A file's name without its folder and without the mark for clobbering."""
    return value.removeprefix("!").removeprefix("ref/") if isinstance(value, str) else value


def calls(*tools: str) -> list[Any]:
    found = []
    for item in FIGURES["calls"]:
        given = {name: plain(value) for name, value in item["parameters"].items()}
        if item["tool"] in tools:
            named = [str(given[name]) for name in (*OUTPUTS, "regfile", "norm") if given.get(name, NO) != NO]
            found.append(pytest.param(item["tool"], given, id="-".join([item["tool"], *named])))
    return found


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Runs a call of the reference; gives what it made."""

    def run(tool: str, given: dict[str, Any]) -> Path:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
        names = {given[name].partition("[")[0] for name in INPUTS if given.get(name, NO) != NO}
        outputs = [given[name] for name in OUTPUTS if given.get(name, NO) != NO]
        # ahbackscal edits a spectrum in place.
        edits = {"tmp_b.fits": "spectrum_src.fits"} if "tmp_b.fits" in names else {}
        outputs = [*outputs, *edits]
        names = (names - edits.keys()) | set(edits.values())
        region = given.get("regionfile", NO) != NO
        call = tool_call(
            tool,
            DEFAULTS.get(tool, {}) | given,
            inputs={name: str(unpacked(name, tmp_path)) for name in sorted(names)},
            outputs=outputs,
            edits=edits,
            checks=[region_applied(outputs[0])] if region else [],
            chatter=1,
            timeout=600,
        )
        run_call_blocking(call, tmp_path / "work")
        return tmp_path / "work" / outputs[0]

    return run


def unpacked(name: str, folder: Path) -> Path:
    """A file of the reference, which is gzipped there."""
    for place in (ALPHA, ALPHA / "ref"):
        if (place / name).is_file():
            return place / name
        if (place / f"{name}.gz").is_file():
            (folder / name).write_bytes(gzip.decompress((place / f"{name}.gz").read_bytes()))
            return folder / name
    raise FileNotFoundError(name)


def columns(path: Path, hdu: str, *names: str) -> list[Any]:
    with fits.open(path) as hdus:
        return [np.array(hdus[hdu].data[name]) for name in names]


@pytest.mark.parametrize(("tool", "given"), calls("extractor"))
def test_extractor(made, tool, given):
    path = made(tool, given)
    expected = ALPHA / "ref" / f"{path.name}.gz"
    with fits.open(path) as ours, fits.open(expected) as theirs:
        names = {hdu.name for hdu in theirs}
        if theirs[0].data is not None:
            np.testing.assert_array_equal(ours[0].data, theirs[0].data)
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


@pytest.mark.parametrize(("tool", "given"), calls("lcmath"))
def test_lcmath(made, tool, given):
    path = made(tool, given)
    expected = ALPHA / "ref" / f"{path.name}.gz"
    for one, two in zip(*(columns(item, "RATE", "RATE", "ERROR") for item in (path, expected)), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize(("tool", "given"), calls("fimgbin"))
def test_fimgbin(made, tool, given):
    path = made(tool, given)
    np.testing.assert_allclose(
        fits.getdata(path), fits.getdata(ALPHA / "ref" / f"{path.name}.gz"), rtol=1e-5, atol=1e-3
    )


@pytest.mark.parametrize(("tool", "given"), calls("ahbackscal"))
def test_ahbackscal(made, tool, given):
    path = made(tool, given)
    expected = FIGURES["backscal"][f"{given['regfile'].removesuffix('.reg')}_{given['norm']}"]
    assert fits.getval(path, "BACKSCAL", "SPECTRUM") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("tool", "given"), calls("grppha"))
def test_groups(made, tool, given):
    path_of = f"{given['outfile']}.gz"
    if shutil.which("ftgrouppha"):
        minimum = float(given["comm"].split()[2])
        more = {"grouptype": "min", "groupscale": minimum, "clobber": True}
        path = made("ftgrouppha", {key: given[key] for key in ("infile", "outfile")} | more)
    else:
        path = made(tool, given)
    for one, two in zip(
        columns(path, "SPECTRUM", "GROUPING"),
        columns(ALPHA / "ref" / path_of, "SPECTRUM", "GROUPING"),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)

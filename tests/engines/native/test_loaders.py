"""Loader scripts: Sherpa runs its own, Tcl reads the one of XSPEC."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.archive.simulated.response import arf_hdus, rmf_hdus
from tasks.core.errors import SoftwareFault
from tasks.engines.native.loaders import write_loader

SPECTRUM, BACKGROUND, RMF, ARF = "a+b-mingrp1-spectrum.fits", "c-back-spectrum.fits", "d.rmf", "e.arf"
FILES = {"spectrum": SPECTRUM, "background": BACKGROUND, "rmf": RMF, "arf": ARF}
needs_sherpa = pytest.mark.skipif(find_spec("sherpa") is None, reason="Sherpa is not installed")
TCL = shutil.which("tclsh") or ""
needs_tcl = pytest.mark.skipif(not TCL, reason="tclsh is not installed")


def write_spectrum(path: Path, counts, grouping=None) -> None:
    columns = [fits.Column("CHANNEL", "J", array=np.arange(4096)), fits.Column("COUNTS", "J", array=counts)]
    if grouping is not None:
        columns += [
            fits.Column("QUALITY", "I", array=np.zeros(4096)), fits.Column("GROUPING", "I", array=grouping)
        ]  # fmt: skip
    table = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    table.header.update(
        HDUCLASS="OGIP", HDUCLAS1="SPECTRUM", HDUVERS="1.2.0", TELESCOP="XRISM", INSTRUME="XTEND",
        FILTER="NONE", EXPOSURE=1000.0, AREASCAL=1.0, BACKSCAL=0.01, CORRSCAL=1.0, BACKFILE="none",
        RESPFILE="none", ANCRFILE="none", CORRFILE="none", POISSERR=True, CHANTYPE="PI", DETCHANS=4096,
    )  # fmt: skip
    if grouping is None:
        table.header.update(QUALITY=0, GROUPING=0)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)


@pytest.fixture
def dataset(tmp_path):
    """The folder of a dataset: each step's products in its own."""
    for name in ("derived-1a2b", "extraction-3c4d", "responses-5e6f"):
        (tmp_path / name).mkdir()
    groups = np.full(4096, -1)
    groups[::10] = 1
    write_spectrum(tmp_path / "derived-1a2b" / SPECTRUM, np.ones(4096, int), groups)
    write_spectrum(tmp_path / "extraction-3c4d" / BACKGROUND, np.full(4096, 2))
    fits.HDUList(rmf_hdus()).writeto(tmp_path / "responses-5e6f" / RMF)
    fits.HDUList(arf_hdus(1.0)).writeto(tmp_path / "responses-5e6f" / ARF)
    return tmp_path


def script(dataset: Path, name: str, **files) -> Path:
    path = dataset / "responses-5e6f" / name
    write_loader(path, FILES | files, ["other-spectrum.fits"], (0.5, 10.0))
    return path


SHOW = """
import runpy, sys
from sherpa.astro import ui
runpy.run_path(sys.argv[1])
data, background = ui.get_data(1), ui.get_data(1).get_background()
say = lambda *words: print("said:", *words)
say(len(ui.get_dep(1, filter=True)), ui.get_stat_name(), ui.get_rmf(1).name.rpartition("/")[2])
say(None if background is None else (background.grouping == data.grouping).all())
say(None if background is None else len(background.get_dep(True)))
say(data.get_arf() is not None)
"""


def loaded(path: Path, tmp_path: Path) -> list[str]:
    """What Sherpa has after the script was run by a child, somewhere else."""
    child = subprocess.run(
        [sys.executable, "-c", SHOW, str(path)],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=100,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    return [line[6:] for line in child.stdout.splitlines() if line.startswith("said: ")]


@needs_sherpa
def test_sherpa_runs_its_script_and_groups_the_background_as_the_source(dataset, tmp_path):
    # 9.5 keV are 1583.3 channels of 6 eV: 159 groups of ten, of which the outer ones are cut.
    said = loaded(script(dataset, "load_sherpa.py"), tmp_path)
    groups, statistic, rmf = said[0].split()
    assert (statistic, rmf) == ("wstat", RMF)
    assert 157 <= int(groups) <= 160
    assert said[1:] == ["True", groups, "True"]


@needs_sherpa
def test_sherpa_does_without_background_and_area(dataset, tmp_path):
    said = loaded(script(dataset, "load_sherpa.py", background=None, arf=None), tmp_path)
    assert said[0].split()[1] == "cstat"
    assert said[1:] == ["None", "None", "False"]


@needs_sherpa
@pytest.mark.parametrize("count", [0, 2])
def test_sherpa_is_told_of_no_file_or_two(dataset, tmp_path, count):
    path = script(dataset, "load_sherpa.py")
    if count:
        shutil.copy(dataset / "responses-5e6f" / RMF, dataset / "extraction-3c4d")
    else:
        (dataset / "responses-5e6f" / RMF).unlink()
    child = subprocess.run([sys.executable, path], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert f"FileNotFoundError: {count} files {RMF} in the folders of {dataset}" in child.stderr


def test_the_script_for_xspec(dataset):
    lines = script(dataset, "load.xcm").read_text().splitlines()
    assert [line for line in lines if not line.startswith(("#", "proc "))] == [
        f"data 1:1 [product {SPECTRUM}]",
        f"response 1:1 [product {RMF}]",
        f"arf 1:1 [product {ARF}]",
        f"backgrnd 1 [product {BACKGROUND}]",
        "ignore bad",
        "ignore **-0.5 10.0-**",
        "statistic cstat",
    ]
    assert "#   other-spectrum.fits" in lines
    # XSPEC reads a script line by line.
    assert sum(line.startswith("proc ") for line in lines) == 1
    alone = script(dataset, "load.xcm", background=None, arf=None).read_text()
    assert not re.search("^(arf|backgrnd)", alone, re.MULTILINE)


XSPEC = "foreach name {data response arf backgrnd ignore statistic error} "
"""Tcl in which XSPEC's commands say what they were given; one takes the place of Tcl's own `error`."""


def told(path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    stub = XSPEC + '{proc $name args "puts \\"$name \\$args\\""}\nsource ' + str(path)
    return subprocess.run([TCL], input=stub, capture_output=True, text=True, cwd=folder, check=False)


@needs_tcl
@pytest.mark.parametrize("where", [".", "responses-5e6f"])
def test_tcl_reads_the_script_in_the_datasets_folder_and_in_its_own(dataset, where):
    up = "" if where == "." else "../"
    assert told(script(dataset, "load.xcm"), dataset / where).stdout.splitlines() == [
        f"data 1:1 {up}derived-1a2b/{SPECTRUM}",
        f"response 1:1 {up}responses-5e6f/{RMF}",
        f"arf 1:1 {up}responses-5e6f/{ARF}",
        f"backgrnd 1 {up}extraction-3c4d/{BACKGROUND}",
        "ignore bad",
        "ignore **-0.5 10.0-**",
        "statistic cstat",
    ]


@needs_tcl
def test_tcl_is_told_of_another_folder(dataset, tmp_path):
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    said = told(script(dataset, "load.xcm"), elsewhere)
    assert f"0 files {SPECTRUM}: go to the dataset's folder first" in said.stderr
    assert not said.stdout


def test_no_other_form_is_known(tmp_path):
    with pytest.raises(SoftwareFault, match=r"no loader script of the form load\.txt"):
        write_loader(tmp_path / "load.txt", FILES, [], (0.5, 10.0))

"""`make compare` on the reference data, and that it notices what differs."""

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

RUN = Path(__file__).with_name("run.py")
REFERENCE = RUN.parents[2].parent / "shared" / "data" / "heasoft-reference"
KEPT = {
    "image_bin3": "imgfile",
    "lc_src_all_1000s_thresh1": "fitsbinlc",
    "region_ellipse": "phafile",
    "grouped_min25": "outfile",
    "lc_net_en6.0_10.0_errmode1": "outfile",
}
EVENTS = "xa900000010xtd_p030000010_cl.evt.gz"


def compare(*folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RUN, *folders], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture
def alpha() -> Path:
    if not (REFERENCE / "alpha").is_dir():
        pytest.skip("no reference data beside the repository")
    return REFERENCE / "alpha"


@pytest.fixture
def small(alpha: Path, tmp_path: Path) -> Path:
    """A copy under another name with a few of the calls, that can be doctored."""
    folder = tmp_path / "other"
    (folder / "ref").mkdir(parents=True)
    calls = json.loads((alpha / "reference.json").read_text())["calls"]
    kept = [
        call
        for call in calls
        if any(f"{name}.fits" in str(call["parameters"].get(key)) for name, key in KEPT.items())
    ]
    assert len(kept) == len(KEPT)
    inputs = ("spectrum_src", "lc_src_en6.0_10.0_200s", "lc_back_en6.0_10.0_200s")
    for name in (*KEPT, *inputs):
        shutil.copy(alpha / "ref" / f"{name}.fits.gz", folder / "ref")
    for path in (alpha / EVENTS, *alpha.glob("*.reg")):
        (folder / path.name).symlink_to(path)
    write_calls(folder, kept)
    return folder


def write_calls(folder: Path, calls: list[dict[str, Any]]) -> None:
    (folder / "reference.json").write_text(json.dumps({"calls": calls}))


def doctor(path: Path, change: Callable[[Any], None]) -> None:
    """Change the HDUs of a gzipped file."""
    plain = path.with_suffix("")
    with fits.open(path, memmap=False) as hdus:
        change(hdus)
        hdus.writeto(plain)
    path.write_bytes(gzip.compress(plain.read_bytes(), 1))
    plain.unlink()


def test_the_native_engine_equals_the_ftools(alpha: Path) -> None:
    done = compare()
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert "MISSED" not in done.stdout
    assert " 0 limits missed" in done.stdout
    # Every call has its rows, and the one that has no counterpart says so.
    for folder, listing in (("alpha", "reference.json"), ("alpha-extras", "calls.json")):
        for path in (alpha.with_name(folder) / "ref").glob("*.fits.gz"):
            assert path.name.removesuffix(".fits.gz") in done.stdout, (folder, listing)
    assert done.stdout.count("not compared:") == 1


def add_a_count(hdus: Any) -> None:
    hdus[0].data[400, 300] += 1


def move_a_bin(hdus: Any) -> None:
    hdus["RATE"].data["TIME"][2] += 0.5


def scale_a_rate(hdus: Any) -> None:
    hdus["RATE"].data["RATE"][3] *= 1.00001


def lengthen_the_exposure(hdus: Any) -> None:
    hdus["SPECTRUM"].header["EXPOSURE"] += 0.001


def turn_the_ellipse(hdus: Any) -> None:
    hdus["REG00101"].data["ROTANG"][0] += 1


def end_good_time_early(hdus: Any) -> None:
    hdus["GTI"].data["STOP"][-1] -= 0.1


def join_two_groups(hdus: Any) -> None:
    hdus["SPECTRUM"].data["GROUPING"][200] *= -1


def rename_the_object(hdus: Any) -> None:
    hdus[0].header["OBJECT"] = "ANOTHER"


def shift_the_sky(hdus: Any) -> None:
    hdus[0].header["CRPIX1"] += 0.5


CHANGES = {
    "image_bin3": {"pixels": add_a_count, "WCS": shift_the_sky, "keywords of PRIMARY": rename_the_object},
    "lc_src_all_1000s_thresh1": {"TIME": move_a_bin, "RATE": scale_a_rate},
    "lc_net_en6.0_10.0_errmode1": {"RATE": scale_a_rate},
    "region_ellipse": {
        "EXPOSURE, times": lengthen_the_exposure, "REG": turn_the_ellipse, "GTI": end_good_time_early,
    },
    "grouped_min25": {"GROUPING": join_two_groups},
}  # fmt: skip


def test_differences_are_noticed_and_nothing_else(small: Path) -> None:
    for product, changes in CHANGES.items():
        for change in changes.values():
            doctor(small / "ref" / f"{product}.fits.gz", change)
    done = compare(small)
    assert done.returncode == 1
    missed = [line.split("│") for line in done.stdout.splitlines() if "MISSED" in line]
    assert sorted(cells[2].strip() for cells in missed) == sorted(
        quantity for changes in CHANGES.values() for quantity in changes
    )


def test_a_map_that_differs_inside_is_noticed(alpha: Path, small: Path) -> None:
    calls = json.loads((alpha / "reference.json").read_text())["calls"]
    write_calls(small, [call for call in calls if call["tool"] == "ahexpmap"])
    shutil.copy(alpha / "ref" / "expmap.fits.gz", small / "ref")
    for path in (*alpha.glob("*.ehk.gz"), *alpha.glob("*.bimg.gz")):
        (small / path.name).symlink_to(path)
    doctor(small / "ref" / "expmap.fits.gz", scale_the_map)
    done = compare(small)
    assert done.returncode == 1
    (missed,) = [line for line in done.stdout.splitlines() if "MISSED" in line]
    assert "interior" in missed


def scale_the_map(hdus: Any) -> None:
    hdus[0].data *= 1.00001


def test_what_cannot_be_compared_is_said(small: Path) -> None:
    (known,) = [
        call
        for call in json.loads((small / "reference.json").read_text())["calls"]
        if "image_bin3" in str(call["parameters"].get("imgfile"))
    ]
    events = EVENTS.removesuffix(".gz")
    changes = [
        {"filename": f"{events}[GRADE=0:4]"},
        {"timefile": "night.gti"},
        {"imgfile": "ref/gone.fits"},
        {"filename": "lost.evt"},
        {"imgfile": "NONE", "eventsout": "ref/chosen.evt"},
    ]
    calls = [{**known, "parameters": known["parameters"] | change} for change in changes]
    calls.append({"tool": "xselect", "parameters": {}})
    write_calls(small, calls)
    done = compare(small)
    assert done.returncode == 0, done.stdout
    said = " ".join(done.stdout.replace("│", " ").split())
    for reason in (
        "the cut [GRADE=0:4]",
        "timefile=night.gti",
        "gone.fits is not there",
        "lost.evt is not there",
        "no eventsout",
        "xselect",
    ):
        assert reason in said
    assert done.stdout.count("not compared:") == len(calls)


def test_what_is_not_made_is_missed_and_figures_stand_in_for_files(alpha: Path, small: Path) -> None:
    (small / "ellipse.reg").unlink()
    (small / "ellipse.reg").write_text("galactic\ncircle(1,2,3)\n")
    (small / "ref" / "image_bin3.fits.gz").unlink()
    listed = json.loads((small / "reference.json").read_text())
    kept = json.loads((alpha / "reference.json").read_text())["images"]["image_bin3"]
    listed["images"] = {"image_bin3": kept | {"sum": kept["sum"] + 1}}
    (small / "reference.json").write_text(json.dumps(listed))
    done = compare(small)
    assert done.returncode == 1
    missed = [line for line in done.stdout.splitlines() if "MISSED" in line]
    assert len(missed) == 2
    assert "sum" in missed[0]
    assert "not made:" in missed[1]


def test_without_reference_data_there_is_nothing_to_compare(tmp_path: Path) -> None:
    done = compare(tmp_path / "absent")
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert "absent is not there" in done.stdout

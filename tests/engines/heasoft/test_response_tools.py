"""What has to be so before xaarfgen: map and region; and that no script names an ARF that was not made."""

from pathlib import Path

import pytest
from astropy.io import fits

from tasks.core.errors import BadInput, Permanent, SoftwareFault
from tasks.engines.heasoft.response_tools import load, prepare, region_parameters
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.runner import run_call_blocking
from tasks.xtend.nominal import Nominal


@pytest.fixture
def exposure_map(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("source.reg").write_text('fk5\ncircle(81.25,-69.64,120")\n-circle(81.3,-69.4,160")\n')
    histogram = fits.BinTableHDU.from_columns([fits.Column("FRACTION", "D", array=[1.0])], name="OFFAXISHIST")
    histogram.header["OPTAOFFX"] = 3.0
    fits.HDUList([fits.PrimaryHDU(), histogram]).writeto("expmap.fits")
    return Path("expmap.fits")


def test_the_offset_is_taken_out_of_a_copy(exposure_map):
    before = exposure_map.read_bytes()
    prepare("source.reg", axis_offset_zero=True)
    assert exposure_map.read_bytes() == before
    header = fits.getheader("axismap.fits", "OFFAXISHIST")
    assert (header["OPTAOFFX"], header["OPTAOFFY"]) == (0.0, 0.0)


def test_no_copy_where_none_is_needed(exposure_map):
    prepare("source.reg", axis_offset_zero=False)
    assert not Path("axismap.fits").exists()


def test_a_map_without_attitude(exposure_map):
    exposure_map.unlink()
    fits.PrimaryHDU().writeto("expmap.fits")
    with pytest.raises(Permanent, match="no OFFAXISHIST"):
        prepare("source.reg", axis_offset_zero=True)


@pytest.mark.parametrize(
    "text", ["physical\ncircle(3,4,5)\n", "circle(3,4,5)\n", "galactic\ncircle(1,2,3)\n"]
)
def test_a_region_in_other_coordinates_is_refused(exposure_map, text):
    Path("source.reg").write_text(text)
    with pytest.raises(BadInput, match=r"source\.reg"):
        prepare("source.reg", axis_offset_zero=False)


HEXAGON = "polygon(81.2,-69.6,81.3,-69.6,81.35,-69.62,81.3,-69.64,81.2,-69.64,81.15,-69.62)"
PENTAGON = "polygon(81.2,-69.6,81.3,-69.6,81.35,-69.62,81.3,-69.64,81.2,-69.64)"


def converted(tmp_path, text):
    (tmp_path / "source.reg").write_text(f'fk5\n{text}\n-circle(81.3,-69.5,100")\n')
    call = tool_call(
        "coordpnt",
        region_parameters(Nominal(81.25, -69.64, 30.0)),
        inputs={"source.reg": str(tmp_path / "source.reg")},
        outputs=["detector.reg"],
        chatter=1,
        timeout=60,
    )
    run_call_blocking(call, tmp_path / "work")
    return (tmp_path / "work" / "detector.reg").read_text()


@pytest.mark.parametrize("text", ['circle(81.25,-69.64,120")', 'box(81.25,-69.64,60",30",20)', PENTAGON])
def test_the_double_of_coordpnt_converts_regions(double, tmp_path, text):
    shape, excluded = converted(tmp_path, text).splitlines()[2:]
    assert shape.startswith(f"+{text.partition('(')[0]}(")
    assert excluded.startswith("-circle(")
    if shape.startswith("+circle"):
        centre = [float(number) for number in shape.removeprefix("+circle(").split(",")[:2]]
        assert centre == pytest.approx([748.5, 748.5], abs=1e-4)


def test_a_region_that_coordpnt_cannot_convert_is_told_with_its_words(double, tmp_path):
    with pytest.raises(SoftwareFault, match=r"coordpnt ended with .*Too many points in polygon"):
        converted(tmp_path, HEXAGON)


NO_CALL = {"rmf": None, "arf": None, "grouped": [], "identity": {}, "recipe": "none"}
FILES = {"spectrum": "a.pha", "background": None, "rmf": "a.rmf"}


def script(name, arf):
    return {"name": name, "files": {**FILES, "arf": arf}, "others": [], "kev": [0.5, 10.0]}


def test_a_script_without_the_arf_that_it_names_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("here.arf").write_text("x")
    Path("gone.arf").symlink_to(tmp_path / "nowhere.arf")
    asked = [
        script("one.xcm", "gone.arf"),
        script("two.xcm", "here.arf"),
        script("three.xcm", None),
        script("four.py", "never.arf"),
    ]
    told = load(loaders=asked, **NO_CALL)
    assert told.not_made == {"one.xcm": "gone.arf was not made", "four.py": "never.arf was not made"}
    assert sorted(path.name for path in tmp_path.glob("*.xcm")) == ["three.xcm", "two.xcm"]
    assert not Path("four.py").exists()

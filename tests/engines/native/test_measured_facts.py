"""What steps measure on a simulated observation, where the truth is known: nothing in it is a trap."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME
from tasks.engines.native.adoption import adopt
from tasks.engines.native.exposure import make
from tasks.engines.native.extraction import extract
from tasks.xtend.data_class import Mode
from tasks.xtend.measured import Measured
from tasks.xtend.traps import judged

FRAME_BY_FRAME = PROGRAMME[1]
DATACLASS = FRAME_BY_FRAME.classes[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Cleaned events, bad-pixel image and EHK of a 1/8 window, with good time frame by frame."""
    folder = tmp_path_factory.mktemp("observation")
    make_observation(folder, FRAME_BY_FRAME, seed=3, events=3000)

    def only(pattern: str) -> Path:
        [found] = folder.rglob(pattern)
        return found

    return {
        "events": only(f"*p0{DATACLASS}_cl.evt.gz"),
        "bad_pixels": only(f"*{DATACLASS}.bimg.gz"),
        "ehk": only("*.ehk.gz"),
    }


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_good_time_is_that_of_the_mode(files):
    report = adopt(
        str(FRAME_BY_FRAME.obsid), str(DATACLASS), [str(files["events"])], str(files["bad_pixels"]), {}
    )
    mode, good_time = report.facts["mode"], report.facts["good_time"]
    assert good_time["intervals"] > 1000
    assert good_time["live_fraction"] == pytest.approx(mode["live_fraction"], rel=0.02)
    assert 1000 < good_time["longest_gap_s"] < good_time["span_s"] <= FRAME_BY_FRAME.span
    found = Measured(
        mode=Mode(tuple(mode["ccds"]), mode["window"], mode["burst"], mode["frame_s"]),
        live_fraction=good_time["live_fraction"],
        span_s=good_time["span_s"],
        longest_gap_s=good_time["longest_gap_s"],
        events_caldb=report.facts["archive"]["CALDBVER"],
    )
    assert judged(found) == ()


def test_the_pointing_jitters_by_arcsecs(files):
    paths = {name: str(path) for name, path in files.items()}
    report = make(paths["ehk"], [paths["events"]], paths["bad_pixels"], {"4": "map.fits"}, 20.0, 1, True, "a")
    assert 1 < report.facts["wander_arcsec"] < 10


def test_a_pixel_that_flickers_is_found_among_the_events(files):
    image = [{"name": "image.fits", "channels": None, "binning": 8}]
    assert extract([str(files["events"])], image, [], [], "a").facts["flickering"]["pixels"] == 0
    with fits.open(files["events"]) as hdus:
        events = hdus["EVENTS"].data
        hot = np.arange(0, len(events), len(events) // 40)
        events["DETX"][hot], events["DETY"][hot] = 740, 1200
        hdus.writeto("hot.evt")
    Path("image.fits").unlink()
    flickering = extract(["hot.evt"], image, [], [], "a").facts["flickering"]
    assert (flickering["pixels"], flickering["events"]) == (1, hot.size)
    assert flickering["brightest"] == [[740, 1200, hot.size]]

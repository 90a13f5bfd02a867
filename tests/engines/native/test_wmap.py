"""What the header of a weighted map says of its axes: xtdrmf takes a map of the detector alone."""

from pathlib import Path

import pytest
from astropy.io import fits

from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME
from tasks.engines.native.events import read_events
from tasks.engines.native.selection import select
from tasks.engines.native.wmap import MapCounter, wmap_hdu
from tasks.xtend.regions import read_region

MODEL = ("MTYPE1", "MFORM1", "MTYPE2", "MFORM2")


def header_of(path, region=None):
    selection = select(read_events([path], ("TIME", "X", "Y"), ("DETX", "DETY")))
    counter = MapCounter(selection, region)
    for chunk in selection.chunks():
        counter.add(chunk)
    return wmap_hdu(selection, counter.weighted_map(), region, 1, 1).header


def said(header):
    return {key: header[key] for key in MODEL if key in header}


def test_a_map_on_the_detector_says_so(make_events, write_region):
    path = make_events(columns={"TIME": [1], "X": [50], "Y": [40], "PI": [1], "DETX": [30], "DETY": [20]})
    region = read_region(write_region("physical", "circle(50,40,3)"))
    expected = {"MTYPE1": "DET", "MFORM1": "DETX,DETY"}
    assert said(header_of(path)) == said(header_of(path, region)) == expected


@pytest.mark.parametrize("model", [{}, {"MTYPE1": "EQPOS", "MFORM1": "X,Y"}])
def test_a_map_on_the_sky_does_not(make_events, write_region, model):
    path = make_events(columns={"TIME": [1, 1], "X": [50, 60], "Y": [40, 40], "PI": [1, 1]}, **model)
    region = read_region(write_region("box(50,40,3,3,0)"))
    assert said(header_of(path)) == said(header_of(path, region)) == {}


def test_a_map_has_all_that_xtdrmf_asks_of_it(tmp_path: Path):
    """Keywords of the primary HDU that its predecessor reads before it goes to the CALDB."""
    make_observation(tmp_path, PROGRAMME[0], seed=1, events=200)
    [path] = tmp_path.glob("*/*/xtend/event_cl/*_cl.evt.gz")
    header = header_of(path)
    assert said(header) == {"MTYPE1": "DET", "MFORM1": "DETX,DETY"}
    asked = {"TELESCOP", "INSTRUME", "TSTART", "TSTOP", "DATAMODE", "CISTATUS", "X-OFFSET", "Y-OFFSET"}
    assert asked | {"WMREBIN", "NAXIS1", "NAXIS2"} <= set(header)
    assert header["DATE-OBS"][10] == "T"
    assert said(fits.getheader(path, "EVENTS")) == {
        "MTYPE1": "EQPOS", "MFORM1": "X,Y", "MTYPE2": "DET", "MFORM2": "DETX,DETY",
    }  # fmt: skip

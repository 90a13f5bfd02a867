"""What `with_faults` adds is really wrong, and in the way it says."""

import gzip
import zlib

import pytest
from astropy.io import fits

from tasks.archive.simulated.programme import FAULTY, PROGRAMME


def _folder(simulated, fault):
    (observation,) = (each for each in FAULTY if each.fault == fault)
    return simulated / "9" / observation.obsid


@pytest.mark.parametrize(
    ("fault", "error"), [("truncated", EOFError), ("flipped", (gzip.BadGzipFile, zlib.error))]
)
def test_gzip_notices_the_damage_and_only_there(simulated, fault, error):
    folder = _folder(simulated, fault)
    for path in folder.rglob("*.gz"):
        if path.name.endswith("xtd_p030000010_cl.evt.gz"):
            with pytest.raises(error):
                gzip.decompress(path.read_bytes())
        else:
            gzip.decompress(path.read_bytes())


def test_a_flipped_byte_keeps_the_size(simulated):
    (path,) = _folder(simulated, "flipped").glob("xtend/event_cl/*")
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert path.stat().st_size > 10000


def test_no_good_time_means_no_rows_and_no_exposure(simulated):
    (path,) = _folder(simulated, "no-good-time").glob("xtend/event_cl/*")
    with fits.open(path, checksum=True) as hdus:
        assert len(hdus["GTI"].data) == 0
        assert len(hdus["EVENTS"].data) == 0
        assert hdus["EVENTS"].header["EXPOSURE"] == 0
        assert hdus["EVENTS"].header["TSTOP"] > hdus["EVENTS"].header["TSTART"]


def test_the_missing_housekeeping_is_all_that_is_missing(simulated):
    names = {p.name.replace("900014010", "") for p in _folder(simulated, "no-ehk").rglob("*") if p.is_file()}
    whole = {p.name.replace("900001010", "") for p in (simulated / "9/900001010").rglob("*") if p.is_file()}
    assert whole - names == {"xa.ehk.gz"}


def test_the_unknown_class_explains_itself_in_its_header(simulated):
    (path,) = _folder(simulated, "unknown-class").glob("xtend/event_cl/*37000010_cl.evt.gz")
    header = fits.getheader(path, "EVENTS")
    assert (header["DATACLAS"], header["DETNAM"], header["DATAMODE"]) == ("37000010", "CCD", "WINDOW1")
    assert (header["WIN_ST"], header["WIN_SIZE"]) == (1, 640)


def test_faulty_observations_do_not_reuse_numbers():
    obsids = [observation.obsid for observation in PROGRAMME + FAULTY]
    assert len(set(obsids)) == len(obsids)
    assert all(obsid.startswith("9") for obsid in obsids)
    assert all(observation.name.startswith("SIM ") for observation in PROGRAMME + FAULTY)

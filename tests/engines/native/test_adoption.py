import gzip
import json

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.adoption import adopt

OBSID, CLASS = "000128000", "31100010"
ADOPTED = "xa000128000xtd_p031100010_cl.evt"
LIMITS = {"DETX": 1810, "DETY": 1810, "X": 2430, "Y": 2430, "PI": 4095}
FORMATS = {"TIME": "1D", "PI": "1J"}
KEYWORDS = {
    "TELESCOP": "XRISM", "INSTRUME": "XTEND", "OBS_ID": OBSID, "DATACLAS": CLASS, "OBJECT": "N132D",
    "DETNAM": "CCD12", "DATAMODE": "WINDOW2", "TIMEDEL": 0.46, "TIMEPIXR": 0.5,
    "RA_OBJ": 81.25, "DEC_OBJ": -69.64, "RA_PNT": 81.0, "DEC_PNT": -69.0,
    "RA_NOM": 81.3, "DEC_NOM": -69.7, "PA_NOM": 12.0, "TCRVL2": 81.3, "TCRVL3": -69.7,
    "ONTIME": 30.0, "LIVETIME": 30.0, "SIMULATD": True, "ORIGIN": "SIMULATION",
    "PROCVER": "03.00.013.010", "CALDBVER": "gen20240815_xtd20240815", "SOFTVER": "Hea_6.34", "SEQPNUM": 3,
}  # fmt: skip


def write_events(
    path, keywords=None, columns=(), events=5, good_times=((0.0, 10.0), (5.0, 20.0), (30.0, 40.0))
):
    """A cleaned event file whose keywords can be changed or (with None) left out."""
    names = columns or ("TIME", "X", "Y", "DETX", "DETY", "PI")
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, FORMATS.get(name, "1I"), array=np.arange(1, events + 1)) for name in names],
        name="EVENTS",
    )
    for number, name in enumerate(names, 1):
        if name in LIMITS:
            table.header[f"TLMIN{number}"], table.header[f"TLMAX{number}"] = 0, LIMITS[name]
    for key, value in {**KEYWORDS, **(keywords or {})}.items():
        if value is None:
            table.header.remove(key, ignore_missing=True)
        else:
            table.header[key] = value
    start, stop = np.array(good_times, float).reshape(-1, 2).T
    gti = fits.BinTableHDU.from_columns(
        [fits.Column("START", "1D", array=start), fits.Column("STOP", "1D", array=stop)], name="GTI"
    )
    fits.HDUList([fits.PrimaryHDU(), table, gti]).writeto(path)


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def adopt_one(**changes):
    given = {
        "obsid": OBSID, "dataclass": CLASS, "events": ["in.evt"], "bad_pixels": None,
        "adopted_names": {"in.evt": ADOPTED},
    }  # fmt: skip
    return adopt(**{**given, **changes})


def test_facts_of_a_good_list(tmp_path):
    write_events("in.evt")
    report = adopt_one()
    assert (tmp_path / ADOPTED).read_bytes() == (tmp_path / "in.evt").read_bytes()
    facts = report.facts
    assert facts["target"] == {
        "name": "N132D", "ra": 81.25, "dec": -69.64, "origin": "RA_OBJ/DEC_OBJ of the events"
    }  # fmt: skip
    assert facts["nominal"] == {"ra": 81.3, "dec": -69.7, "pa": 12.0}
    # 0–10 and 5–20 overlap: 20 s, and 10 s more.
    assert facts["exposure_s"] == pytest.approx(30.0)
    assert facts["events"] == 5
    assert facts["simulated"] is True
    assert facts["archive"]["PROCVER"] == "03.00.013.010"
    assert facts["archive"]["TIMEDEL"] == 0.46
    assert facts["mode"]["description"] == "CCD1+CCD2, 1/8 window, 0.46 s frames"
    assert facts["mode"]["live_fraction"] == pytest.approx(0.92)
    # In 1/8 windows frames follow each other in half a second: these gaps are real ones.
    assert facts["good_time"] == {
        "intervals": 2, "span_s": 40.0, "live_fraction": 1.0, "longest_gap_s": 10.0
    }  # fmt: skip
    assert json.loads(report.model_dump_json())["facts"]["mode"]["ccds"] == [1, 2]


def test_the_archive_s_versions_are_in_the_notice():
    write_events("in.evt")
    report = adopt_one()
    assert [item.id for item in report.cautions] == ["adopted-events", "no-bad-pixels"]
    assert "PROCVER 03.00.013.010" in report.cautions[0].sentence
    assert "CALDBVER gen20240815_xtd20240815" in report.cautions[0].sentence


def test_linked_inputs_are_handed_on_as_files_of_their_own(tmp_path):
    """Inputs are links into the download folder; what is published must not be one."""
    (tmp_path / "downloads").mkdir()
    write_events("downloads/plain.evt")
    original = tmp_path / "downloads" / "a.evt.gz"
    original.write_bytes(gzip.compress((tmp_path / "downloads" / "plain.evt").read_bytes()))
    (tmp_path / "in.evt.gz").symlink_to(original)
    adopt_one(events=["in.evt.gz"], adopted_names={"in.evt.gz": f"{ADOPTED}.gz"})
    adopted = tmp_path / f"{ADOPTED}.gz"
    assert not adopted.is_symlink()
    original.unlink()
    with fits.open(adopted) as hdus:
        assert len(hdus["EVENTS"].data) == 5


def test_split_lists_are_one_dataset():
    write_events("p0.evt", good_times=((0.0, 10.0),))
    write_events("p1.evt", good_times=((10.0, 25.0),), events=7)
    report = adopt_one(events=["p0.evt", "p1.evt"], adopted_names={"p1.evt": "out.evt"})
    assert report.facts["exposure_s"] == pytest.approx(25.0)
    assert report.facts["events"] == 12


def test_split_lists_that_differ_in_aspect_are_refused():
    write_events("p0.evt")
    write_events("p1.evt", {"PA_NOM": 13.0})
    with pytest.raises(Permanent, match=r"p0\.evt and p1\.evt .* differ in aspect"):
        adopt_one(events=["p0.evt", "p1.evt"])


def test_bad_pixels_are_handed_on(tmp_path):
    write_events("in.evt")
    fits.PrimaryHDU(np.zeros((1810, 1810), np.int16)).writeto("in.bimg")
    report = adopt_one(bad_pixels="in.bimg", adopted_names={"in.evt": ADOPTED, "in.bimg": "out.bimg"})
    assert (tmp_path / "out.bimg").read_bytes() == (tmp_path / "in.bimg").read_bytes()
    assert [item.id for item in report.cautions] == ["adopted-events"]


def test_a_bad_pixel_image_of_another_size_is_refused():
    write_events("in.evt")
    fits.PrimaryHDU(np.zeros((100, 100), np.int16)).writeto("in.bimg")
    with pytest.raises(Permanent, match=r"in\.bimg is no bad-pixel image: .* 1810×1810 are due"):
        adopt_one(bad_pixels="in.bimg")


@pytest.mark.parametrize(
    ("keywords", "why"),
    [
        ({"OBS_ID": "300049010"}, "does not belong to 000128000 31100010: its OBS_ID is 300049010"),
        ({"OBS_ID": None}, "its OBS_ID is not given"),
        ({"INSTRUME": "RESOLVE"}, "its INSTRUME is RESOLVE"),
        ({"DATACLAS": "32000010"}, "its DATACLAS is 32000010"),
        ({"RA_OBJ": None}, "does not give RA_OBJ"),
        ({"DEC_OBJ": "unknown"}, "does not give DEC_OBJ"),
        ({"DEC_OBJ": -999.0}, "names no place on the sky"),
        ({"PA_NOM": None}, "does not give PA_NOM"),
        ({"TCRVL2": None}, "does not give TCRVL2"),
        ({"TCRVL3": -69.6}, "has Y pixels that are not centred on its RA_NOM, DEC_NOM"),
        ({"TLMAX6": None}, "does not give the limits of PI"),
        ({"TLMIN4": 2000}, "does not give the limits of DETX"),
    ],
)
def test_lists_that_cannot_be_used_are_refused(keywords, why, tmp_path):
    write_events("in.evt", keywords)
    with pytest.raises(Permanent, match=why) as caught:
        adopt_one()
    assert "in.evt" in str(caught.value)
    assert not (tmp_path / ADOPTED).exists()


def test_missing_columns_are_named():
    write_events("in.evt", {"TCRVL2": None, "TCRVL3": None}, columns=("TIME", "DETX", "DETY", "PI"))
    with pytest.raises(Permanent, match="lacks the column X, Y"):
        adopt_one()


@pytest.mark.parametrize("good_times", [(), ((10.0, 10.0),), ((20.0, 10.0),)])
def test_no_good_time_is_no_data(good_times):
    write_events("in.evt", good_times=good_times)
    with pytest.raises(NoData, match="no good time"):
        adopt_one()


def test_a_list_without_intervals_is_no_cleaned_one():
    write_events("in.evt", {"TSTART": 0.0, "TSTOP": 40.0})
    with fits.open("in.evt", mode="update") as hdus:
        del hdus["GTI"]
    with pytest.raises(Permanent, match=r"in\.evt is no cleaned event file: it has no good-time intervals"):
        adopt_one()


def test_no_event_is_no_data():
    write_events("in.evt", events=0)
    with pytest.raises(NoData, match="no event"):
        adopt_one()


def test_good_time_that_is_no_number_is_refused():
    write_events("in.evt", good_times=((0.0, np.nan),))
    with pytest.raises(Permanent, match="without a start or an end"):
        adopt_one()


@pytest.mark.parametrize(
    ("keywords", "identifier", "severity"),
    [
        ({"DATACLAS": None}, "class-unstated", "caution"),
        ({"DETNAM": "CCD34"}, "class-disagrees", "caution"),
    ],
)
def test_cautions(keywords, identifier, severity):
    write_events("in.evt", keywords)
    found = {item.id: item.severity for item in adopt_one().cautions}
    assert found[identifier] == severity


def test_an_unknown_class_is_adopted_with_a_caution():
    write_events("in.evt", {"DATACLAS": "3f000010"})
    report = adopt_one(dataclass="3f000010")
    assert "unknown-class" in [item.id for item in report.cautions]
    assert report.facts["mode"]["window"] == "1/8"


def test_keywords_may_stand_in_the_primary_header():
    write_events("in.evt", {"RA_OBJ": None, "DEC_OBJ": None})
    with fits.open("in.evt", mode="update") as hdus:
        hdus[0].header["RA_OBJ"], hdus[0].header["DEC_OBJ"] = 81.25, -69.64
    assert adopt_one().facts["target"]["ra"] == 81.25


def test_files_that_are_no_event_lists_are_refused(tmp_path):
    (tmp_path / "in.evt").write_bytes(b"<html>503</html>" * 500)
    with pytest.raises(Permanent, match=r"in\.evt is no FITS file"):
        adopt_one()
    fits.PrimaryHDU().writeto("in.evt", overwrite=True)
    with pytest.raises(Permanent, match=r"in\.evt has no EVENTS extension"):
        adopt_one()


@pytest.mark.parametrize("compressed", [False, True])
def test_broken_off_files_are_refused(tmp_path, compressed):
    write_events("whole.evt", events=3000)
    content = (tmp_path / "whole.evt").read_bytes()
    if compressed:
        content = gzip.compress(content)
    (tmp_path / "in.evt").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(Permanent, match=r"in\.evt is (broken|truncated)"):
        adopt_one()


FULL = {"DATACLAS": "30000010", "DETNAM": "CCD", "DATAMODE": "WINDOW1", "TIMEDEL": 3.96}
BURST = {"DETNAM": "CCD12", "TIMEDEL": 0.06}
FULL_BURST = BURST | {"DATACLAS": "31200010", "DATAMODE": "WINDOW1BURST"}
EIGHTH_BURST = BURST | {"DATACLAS": "31300010", "DATAMODE": "WINDOW2BURST"}


@pytest.mark.parametrize(
    ("keywords", "period", "frame", "expected"),
    [
        (FULL, 4.0, 3.96, 0.99),
        ({}, 0.5, 0.46, 0.92),
        (FULL_BURST, 4.0, 0.06, 0.015),
        (EIGHTH_BURST, 0.5, 0.06, 0.12),
        (EIGHTH_BURST, 4.0, 0.06, 1.0),
        (FULL_BURST, 4.1, 0.06, 0.06 / 4.1),
        (FULL_BURST, 4.6, 0.06, 1.0),
        (FULL | {"DEADC": 0.5}, 4.0, 3.96, 0.495),
    ],
)
def test_the_live_part_of_good_time_that_resolves_frames(keywords, period, frame, expected):
    """Gaps from frame to frame are part of the time spanned, longer ones are not."""
    starts = np.concatenate((np.arange(500) * period, 9000 + np.arange(500) * period))
    write_events("in.evt", keywords, good_times=np.column_stack((starts, starts + frame)))
    dataclass = keywords.get("DATACLAS", CLASS)
    good_time = adopt_one(dataclass=dataclass).facts["good_time"]
    assert good_time["live_fraction"] == pytest.approx(expected, rel=0.01)
    assert good_time["intervals"] == 1000
    assert good_time["longest_gap_s"] == pytest.approx(9000 - 499 * period - frame)
    assert good_time["span_s"] == pytest.approx(9000 + 499 * period + frame)

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.identifiers import DataClass
from tasks.xtend.cautions import Severity
from tasks.xtend.data_class import class_in, mode_of, why_other_class


@pytest.mark.parametrize(
    ("digits", "ccds", "window", "burst", "frame", "live"),
    [
        ("30000010", (1, 2, 3, 4), "full", False, 3.96, 0.99),
        ("300000a0", (1, 2, 3, 4), "full", False, 3.96, 0.99),
        ("31100010", (1, 2), "1/8", False, 0.46, 0.93),
        ("31200010", (1, 2), "full", True, 0.06, 0.015),
        ("31300010", (1, 2), "1/8", True, 0.06, 0.125),
        ("32000010", (3, 4), "full", False, 3.96, 0.99),
    ],
)
def test_known_classes_need_no_header(digits, ccds, window, burst, frame, live):
    mode, cautions = mode_of(DataClass(digits), {})
    assert (mode.ccds, mode.window, mode.burst) == (ccds, window, burst)
    assert mode.frame_s == pytest.approx(frame)
    assert mode.live_fraction == pytest.approx(live, abs=0.011)
    assert cautions == ()


def test_the_header_s_frame_time_is_used():
    mode, cautions = mode_of(DataClass("31100010"), {"TIMEDEL": 0.4631})
    assert mode.frame_s == 0.4631
    assert mode.live_fraction == pytest.approx(0.9262)
    assert cautions == ()


@pytest.mark.parametrize(
    ("header", "ccds", "window", "burst"),
    [
        ({"DETNAM": "CCD", "DATAMODE": "WINDOW1"}, (1, 2, 3, 4), "full", False),
        ({"DETNAM": "CCD12 ", "DATAMODE": "WINDOW2BURST"}, (1, 2), "1/8", True),
        ({"DETNAM": "CCD12", "DATAMODE": "WINDOW1BURST2"}, (1, 2), "full", True),
        ({"DETNAM": "CCD34", "DATAMODE": "WINDOW3", "WIN_SIZE": 160}, (3, 4), "1/4", False),
        ({"DETNAM": "CCD2", "DATAMODE": "WINDOW12BURST", "WIN_SIZE": 40}, (2,), "1/16", True),
    ],
)
def test_unknown_classes_are_taken_from_the_header_with_a_caution(header, ccds, window, burst):
    mode, cautions = mode_of(DataClass("3f400010"), header)
    assert (mode.ccds, mode.window, mode.burst) == (ccds, window, burst)
    assert [item.id for item in cautions] == ["unknown-class"]
    assert "assumed" not in cautions[0].sentence


def test_a_header_that_tells_nothing_is_no_crash():
    mode, cautions = mode_of(DataClass("deadbeef"), {"DETNAM": "XYZ", "WIN_SIZE": 0, "TIMEDEL": -1.0})
    assert (mode.ccds, mode.window, mode.burst) == ((1, 2, 3, 4), "full", False)
    assert mode.frame_s == pytest.approx(3.96)
    assert "assumed" in cautions[0].sentence


def test_where_digits_and_header_disagree_the_header_wins():
    mode, cautions = mode_of(DataClass("30000010"), {"DETNAM": "CCD34", "DATAMODE": "WINDOW1"})
    assert mode.ccds == (3, 4)
    assert [(item.id, item.severity) for item in cautions] == [("class-disagrees", Severity.CAUTION)]
    assert "CCD3+CCD4" in cautions[0].sentence


def test_a_mode_reads_as_words():
    mode, _ = mode_of(DataClass("31300010"), {})
    assert str(mode) == "CCD1+CCD2, 1/8 window, burst, 0.06 s frames"


values = st.one_of(st.text(max_size=12), st.integers(), st.floats(), st.booleans())
headers = st.dictionaries(
    st.sampled_from(["DETNAM", "DATAMODE", "WIN_ST", "WIN_SIZE", "TIMEDEL"]), values, max_size=5
)


@settings(deadline=None)
@given(st.text("0123456789abcdef", min_size=8, max_size=8), headers)
def test_any_class_and_any_header_give_a_mode(digits, header):
    mode, cautions = mode_of(DataClass(digits), header)
    assert set(mode.ccds) <= {1, 2, 3, 4}
    assert mode.ccds
    assert mode.frame_s > 0
    assert 0 < mode.live_fraction <= 1
    assert len(cautions) <= 1


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("xtend/products/xa300049010xtd_p031100010_src.rmf.gz", "31100010"),
        ("xa300049010xtd_p0300000a0_cl.evt", "300000a0"),
        ("xa300049010xtd_p1232000010.bimg", "32000010"),
        ("xa300049010xtd_src.rmf.gz", None),
        ("xa300049010xtd_p03110001_src.rmf", None),
        ("xa300049010xtd_p031100010abc.rmf", None),
        ("31100010.rmf", None),
    ],
)
def test_the_class_in_a_name(name, found):
    assert class_in(name) == found


@pytest.mark.parametrize(
    ("header", "name", "why"),
    [
        ({}, "a.rmf", None),
        ({"DATACLAS": "31100010 "}, "a.rmf", None),
        ({"DATACLAS": ""}, "a.rmf", None),
        ({"DATACLAS": "30000010"}, "xa300049010xtd_p031100010_src.rmf", "DATACLAS 30000010"),
        ({"DATACLAS": "31100010", "DETNAM": "CCD34"}, "a.rmf", None),
        ({}, "xa300049010xtd_p032000010_src.rmf", "the name xa300049010xtd_p032000010_src.rmf"),
        ({"DETNAM": "CCD34"}, "a.rmf", "DETNAM CCD34"),
        ({"DETNAM": "CCD"}, "a.rmf", "DETNAM CCD"),
        ({"DETNAM": "CCD12"}, "a.rmf", None),
        ({"DETNAM": "something"}, "a.rmf", None),
    ],
)
def test_what_tells_another_class(header, name, why):
    assert why_other_class(DataClass("31100010"), header, name) == why


def test_an_unknown_class_has_no_ccds_to_compare():
    assert why_other_class(DataClass("b1234567"), {"DETNAM": "CCD34"}, "a.rmf") is None

"""Which archive files xtdpipeline reads."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Permanent
from tasks.core.identifiers import ObsID
from tasks.library.pipeline_files import PipelineFiles, Place, place_of

OBSID = ObsID("300049010")
STEM = f"xa{OBSID}"
UF = f"xtend/event_uf/{STEM}xtd_"
WHOLE = {
    f"auxil/{STEM}.att.gz": Place.ATTITUDE,
    f"auxil/{STEM}.orb.gz": Place.ORBIT,
    f"auxil/{STEM}.ehk.gz": Place.EXTENDED_HOUSEKEEPING,
    f"auxil/{STEM}.mkf.gz": Place.MAKEFILTER,
    f"auxil/{STEM}_gen.gti.gz": Place.GENERAL_GTI,
    f"xtend/hk/{STEM}xtd_a0.hk.gz": Place.HOUSEKEEPING,
    f"{UF}a0exp.fits.gz": Place.EXPOSURES,
    f"{UF}tel.gti.gz": Place.TELEMETRY_GTI,
    f"{UF}mode.gti.gz": Place.MODE_GTI,
    f"{UF}seg.gti.gz": Place.SEGMENT_GTI,
    f"{UF}a031100010.hpix.gz": Place.HOT_PIXELS,
    f"{UF}p031100010_uf.evt.gz": Place.UNFILTERED,
    f"{UF}p1231100010_uf.evt.gz": Place.UNFILTERED,
    f"{UF}p0300000a0_uf.evt": Place.UNFILTERED,
}
REQUIRED = [
    name
    for name, place in WHOLE.items()
    if place not in (Place.EXPOSURES, Place.MODE_GTI, Place.SEGMENT_GTI, Place.HOT_PIXELS, Place.UNFILTERED)
]


@pytest.mark.parametrize(("name", "place"), WHOLE.items())
def test_places_of_the_archive_are_known(name, place):
    assert place_of(OBSID, name) == place
    assert place_of(OBSID, name.removesuffix(".gz")) == place
    assert place_of(ObsID("300049011"), name) is None


@pytest.mark.parametrize(
    "name",
    [
        f"xtend/event_cl/{STEM}xtd_p031100010_cl.evt.gz",
        f"{UF}s031100010_uf.evt.gz",
        f"{UF}p031100010_uf.evt.gz.gpg",
        f"{UF}p031100010.bimg.gz",
        f"{UF}a031100010.fpix.gz",
        f"auxil/{STEM}.tim.gz",
        f"resolve/hk/{STEM}xtd_a0.hk.gz",
        f"xtend/event_uf/x/{STEM}xtd_tel.gti.gz",
        "",
    ],
)
def test_what_the_pipeline_does_not_read_has_no_place(name):
    assert place_of(OBSID, name) is None


@given(st.permutations([*WHOLE, "log/index.html"]))
@settings(deadline=None)
def test_files_are_found_whatever_the_order(names):
    found = PipelineFiles.among(OBSID, names)
    assert found.named == tuple(list(WHOLE)[:6])
    assert (found.has_exposures, found.has_mode_gti) == (True, True)
    assert set(found.inside) == set(list(WHOLE)[6:])
    assert found == PipelineFiles.among(OBSID, WHOLE)


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_missing_file_is_named(missing):
    with pytest.raises(Permanent, match=re.escape(f"reprocessed: the archive lacks {WHOLE[missing]}")):
        PipelineFiles.among(OBSID, set(WHOLE) - {missing})


def test_unfiltered_events_are_needed():
    with pytest.raises(Permanent, match=r"lacks unfiltered events$"):
        PipelineFiles.among(OBSID, [name for name in WHOLE if "_uf.evt" not in name])


def test_what_the_pipeline_can_work_out_may_be_missing():
    found = PipelineFiles.among(OBSID, [name for name in WHOLE if "mode" not in name and "exp" not in name])
    assert (found.has_exposures, found.has_mode_gti) == (False, False)

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band, DataClass, ObsID
from tasks.library import names
from tasks.library.manifest import Role

OI = ObsID("000128000")
DC = DataClass("31100010")
RA, DEC = 81.25944312345, -69.6435
N132D = 81.259443, -69.6435
START = "xrism-xtend-obsid000128000-dataclass31100010"


def test_names_by_hand():
    band = Band.parse("0.6-10")
    assert names.image(OI, DC, band, 4) == f"{START}-imbinfactor4-en0.6_10.0keV-image.fits"
    assert names.rate_image(OI, DC, band, 4) == f"{START}-imbinfactor4-en0.6_10.0keV-rateimage.fits"
    assert (
        names.exposure_map(OI, DC, 20, 1, 1)
        == f"{START}-attraddelta20.0arcmin-attphibin1-imbinfactor1-enALL-expmap.fits"
    )
    assert names.cleaned_events(OI, 1, DC) == "xa000128000xtd_p131100010_cl.evt"
    assert names.bad_pixel_image(OI, 0, DC) == "xa000128000xtd_p031100010.bimg"
    assert (
        names.efficiency_map(OI, DC, 20, 1, 6)
        == f"{START}-attraddelta20.0arcmin-attphibin1-imbinfactor1-en6.0keV-effmap.fits"
    )
    assert names.flickering_pixels(OI, DC) == "xa000128000xtd_p031100010.fpix"
    assert names.calibration_region(OI) == "radec_000128000_calsrc.reg"
    assert (
        names.combined(OI, "image", band, 4)
        == "xrism-xtend-obsid000128000-allclasses-imbinfactor4-en0.6_10.0keV-image.fits"
    )
    assert (
        names.combined(OI, "expmap", None, 1)
        == "xrism-xtend-obsid000128000-allclasses-imbinfactor1-enALL-expmap.fits"
    )


def test_extraction_names_by_hand():
    where = f"{START}-ra81.259443-dec-69.6435"
    band = Band.parse("2-6")
    assert (
        names.spectrum(OI, DC, RA, DEC, Role.SOURCE, 2 / 60) == f"{where}-radius0.0333deg-enALL-spectrum.fits"
    )
    assert (
        names.spectrum(OI, DC, RA, DEC, Role.BACKGROUND, "0a1b2c3d")
        == f"{where}-breg0a1b2c3d-enALL-back-spectrum.fits"
    )
    selection = "en2.0_6.0keV-expthresh0.0-tb200.0s"
    curve = [OI, DC, RA, DEC, band, 0, 200]
    assert (
        names.light_curve(*curve, Role.SOURCE, 2 / 60)
        == f"{where}-radius0.0333deg-{selection}-lightcurve.fits"
    )
    assert (
        names.light_curve(*curve, Role.NET, 2 / 60)
        == f"{where}-radius0.0333deg-{selection}-net-lightcurve.fits"
    )
    assert (
        names.light_curve(*curve, Role.BACKGROUND, "0a1b2c3d")
        == f"{where}-breg0a1b2c3d-{selection}-back-lightcurve.fits"
    )
    assert (
        names.light_curve(*curve, Role.SOURCE, "0a1b2c3d")
        == f"{where}-reg0a1b2c3d-{selection}-lightcurve.fits"
    )


def test_response_names_by_hand():
    spectrum = names.spectrum(OI, DC, RA, DEC, Role.SOURCE, 2 / 60)
    assert names.rmf(OI, DC) == f"{START}.rmf"
    assert names.arf(spectrum) == f"{START}-ra81.259443-dec-69.6435-radius0.0333deg-enALL.arf"
    assert (
        names.raytraced_events(OI, DC, RA, DEC, 300000)
        == f"{START}-ra81.259443-dec-69.6435-numphoton300000-enALL-raytracedevents.fits"
    )


def test_grouped_spectra_say_how():
    source = names.spectrum(OI, DC, RA, DEC, Role.SOURCE, 2 / 60)
    back = names.spectrum(OI, DC, RA, DEC, Role.BACKGROUND, "0a1b2c3d")
    assert names.grouped_spectrum(source, "min", 1).endswith("-enALL-mingrp1-spectrum.fits")
    assert names.grouped_spectrum(source, "opt").endswith("-enALL-optgrp-spectrum.fits")
    assert names.grouped_spectrum(source, "optmin", 20).endswith("-enALL-optmingrp20-spectrum.fits")
    assert names.grouped_spectrum(source, "bmin", 3).endswith("-enALL-bmingrp3-spectrum.fits")
    assert names.grouped_spectrum(back, "min", 25).endswith("-enALL-back-mingrp25-spectrum.fits")


def test_a_header_names_what_fits():
    assert names.in_header(names.rmf(OI, DC)) == f"{START}.rmf"
    assert names.in_header("x" * 68) == "x" * 68
    assert names.in_header("x" * 69) == names.in_header(None) == "none"
    assert names.in_header(names.arf(names.spectrum(OI, DC, RA, DEC, Role.SOURCE, 1 / 30))) == "none"


def test_region_names_keep_only_safe_characters():
    assert names.region(OI, "AX J1910.7+0917", "radec", "src") == "radec_000128000_AXJ1910.7+0917_src.reg"
    assert names.region(OI, "../../etc/passwd", "skypix", "back") == "skypix_000128000_....etcpasswd_back.reg"
    assert names.region(OI, "星", "radec", "src") == "radec_000128000_target_src.reg"


def test_tiny_coordinates_round_to_a_plain_zero():
    name = names.spectrum(OI, DC, 0.0000001, -0.0000001, Role.SOURCE, 0.1)
    assert "-ra0.0-dec0.0-" in name


@pytest.mark.parametrize(
    ("role", "aperture", "why"),
    [
        (Role.FIELD, 0.1, "no role field"),
        (Role.BACKGROUND, 0.1, "hash of its region"),
        (Role.SOURCE, "../etc", "no region hash"),
        (Role.SOURCE, float("nan"), "figure nan"),
    ],
)
def test_apertures_that_do_not_fit_are_refused(role, aperture, why):
    with pytest.raises(BadInput, match=why):
        names.spectrum(OI, DC, RA, DEC, role, aperture)


obsids = st.integers(0, 10**9 - 1).map(lambda number: ObsID(f"{number:09d}"))
dataclasses = st.sampled_from(["30000010", "31100010", "300000a0"]).map(DataClass)
bands = st.tuples(st.integers(0, 20_000), st.integers(1, 20_000)).map(
    lambda pair: Band(low=Decimal(pair[0]) / 1000, high=Decimal(pair[0] + pair[1]) / 1000)
)
binnings = st.integers(1, 64)
positions = st.tuples(
    st.integers(0, 359_999_999).map(lambda n: n / 1e6),
    st.integers(-90_000_000, 90_000_000).map(lambda n: n / 1e6),
)
floats = st.floats(0, 1e6, allow_nan=False).map(lambda x: x + 0.0)
radii = st.integers(1, 9999).map(lambda n: n / 1e4)
hashes = st.text("0123456789abcdef", min_size=8, max_size=8)
apertures = st.one_of(
    st.tuples(st.sampled_from([Role.SOURCE, Role.NET]), radii | hashes),
    st.tuples(st.just(Role.BACKGROUND), hashes),
)
targets = st.text(max_size=120)

entries = st.one_of(
    st.tuples(st.just("image"), obsids, dataclasses, bands, binnings),
    st.tuples(st.just("rate_image"), obsids, dataclasses, bands, binnings),
    st.tuples(st.just("exposure_map"), obsids, dataclasses, floats, st.integers(0, 36), binnings),
    st.builds(
        lambda oi, dc, position, band, threshold, time_bin, aperture: (
            "light_curve", oi, dc, *position, band, threshold, time_bin, *aperture
        ),
        obsids, dataclasses, positions, bands, floats, floats, apertures,
    ),
    st.builds(
        lambda oi, dc, position, aperture: ("spectrum", oi, dc, *position, *aperture),
        obsids, dataclasses, positions, apertures,
    ),
    st.tuples(
        st.just("region"), obsids, targets.map(names.target_slug), st.sampled_from(["radec", "skypix"]),
        st.sampled_from(["src", "back"]),
    ),
    st.tuples(st.just("calibration_region"), obsids),
    st.tuples(st.just("cleaned_events"), obsids, st.integers(0, 9), dataclasses),
    st.tuples(st.just("bad_pixel_image"), obsids, st.integers(0, 9), dataclasses),
    st.tuples(st.just("combined"), obsids, st.sampled_from(["image", "rateimage"]), bands, binnings),
    st.tuples(st.just("combined"), obsids, st.just("expmap"), st.none(), binnings),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(entries, unique=True, min_size=2, max_size=6))
def test_different_entries_have_different_safe_names(wanted):
    made = [getattr(names, function)(*arguments) for function, *arguments in wanted]
    assert len(set(made)) == len(made)
    for name in made:
        assert re.fullmatch(r"[A-Za-z0-9_.+-]+", name)
        assert len(name) <= 255


@settings(deadline=None)
@given(positions, apertures, st.lists(st.tuples(st.just("min"), st.integers(1, 99)), unique=True, min_size=2))
def test_groupings_of_one_spectrum_have_different_names(position, aperture, groupings):
    ungrouped = names.spectrum(OI, DC, *position, *aperture)
    made = {ungrouped, names.grouped_spectrum(ungrouped, "opt")}
    made |= {names.grouped_spectrum(ungrouped, *grouping) for grouping in groupings}
    assert len(made) == len(groupings) + 2


@given(targets)
def test_region_names_are_safe_for_any_target(target):
    name = names.region(OI, target, "radec", "src")
    assert re.fullmatch(r"[A-Za-z0-9_.+-]+", name)
    assert len(name) <= 255

"""Self-checks of the simulated event lists: time, geometry, energy, flags."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tasks.archive.simulated import response
from tasks.archive.simulated.events import blocks, draft, target_det
from tasks.archive.simulated.observation import _dataset, _good, make_observation
from tasks.archive.simulated.programme import PROGRAMME
from tasks.archive.simulated.sources import POWER_LAW, source_channels, transmission
from tasks.archive.simulated.timeline import elevation, good_cycles
from tasks.core.identifiers import DataClass
from tasks.xtend.geometry import PIXEL_ARCSEC, DetPixels, det_to_sky

DATASETS = [
    ("900001010", "30000010", 1),
    ("900002010", "31100010", 1),
    ("900002010", "32000010", 1),
    ("900003010", "300000a0", 1),
    ("900004010", "30000010", 1),
    ("900005010", "30000010", 2),
    ("900006010", "30000010", 1),
    ("900014010", "30000010", 1),
    ("900015010", "37000010", 1),
]
each_dataset = pytest.mark.parametrize(("obsid", "dataclass", "parts"), DATASETS)


def _cleaned(folder, dataclass):
    return sorted(folder.glob(f"xtend/event_cl/*{dataclass}_cl.evt.gz"))


def _flags(folder, dataclass):
    return fits.getdata(next(folder.glob(f"xtend/event_uf/*_p0{dataclass}.bimg.gz")))


@each_dataset
def test_good_time_is_the_exposure_and_holds_every_event(simulated, opened, obsid, dataclass, parts):
    paths = _cleaned(simulated / "9" / obsid, dataclass)
    assert len(paths) == parts
    for path in paths:
        _, events, gti = opened(path)
        start, stop = gti.data["START"], gti.data["STOP"]
        assert (stop > start).all()
        assert (start[1:] >= stop[:-1]).all()
        for key in ("EXPOSURE", "ONTIME", "LIVETIME"):
            assert events.header[key] == pytest.approx((stop - start).sum(), abs=1e-6)
        assert (events.header["TSTART"], events.header["TSTOP"]) == (start[0], stop[-1])
        assert "DEADC" not in events.header
        time = events.data["TIME"]
        assert len(time) > 50
        assert (np.diff(time) >= 0).all()
        row = np.searchsorted(start, time, side="right") - 1
        assert (row >= 0).all()
        assert (time <= stop[row]).all()


@each_dataset
def test_events_lie_where_the_detector_is_alive(simulated, opened, obsid, dataclass, parts):
    folder = simulated / "9" / obsid
    flags = _flags(folder, dataclass)
    assert set(np.unique(flags)) <= {-1, 0, 1, 2}
    for path in _cleaned(folder, dataclass):
        events = opened(path)["EVENTS"].data
        flag = flags[events["DETY"] - 1, events["DETX"] - 1]
        assert np.isin(flag, (0, 1)).all()
        status = events["STATUS"]
        assert (status[:, 1] == (flag == 1)).all()
        assert not status[:, 0].any()
        assert np.isin(events["GRADE"], (0, 2, 3, 4, 6)).all()
        assert ((events["PI"] >= 0) & (events["PI"] <= 4095)).all()


@each_dataset
def test_coordinates_agree_with_each_other(simulated, opened, obsid, dataclass, parts):
    for path in _cleaned(simulated / "9" / obsid, dataclass):
        hdu = opened(path)["EVENTS"]
        events = hdu.data
        det_x, det_y = events["DETX"].astype(float), events["DETY"].astype(float)
        assert (events["FOCX"] == det_x + 467).all()
        assert (events["FOCY"] == det_y + 467).all()
        sky = det_to_sky(DetPixels(det_x, det_y), hdu.header["PA_NOM"])
        # Half a pixel of spread on each DET axis, turned, and half a pixel of rounding.
        assert np.abs(events["X"] - sky.x).max() <= 0.5 * np.sqrt(2) + 0.5
        assert np.abs(events["Y"] - sky.y).max() <= 0.5 * np.sqrt(2) + 0.5
        assert abs((events["X"] - sky.x).mean()) < 0.2
        right = events["CCD_ID"] >= 2
        assert (events["ACTY"] == np.where(right, 1554 - det_x, det_x - 256)).all()
        low = np.where(np.isin(events["CCD_ID"], (1, 3)), 256, 913)
        assert (events["ACTX"] == np.where(right, low + 641 - det_y, det_y - low)).all()
        assert (events["RAWY"] == events["ACTY"] - 1).all()
        assert (events["SEGMENT"] == (events["ACTX"] > 320)).all()


def test_headers_hold_what_the_tools_need(simulated, opened):
    hdus = opened(_cleaned(simulated / "9/900002010", "31100010")[0])
    assert [hdu.name for hdu in hdus] == ["PRIMARY", "EVENTS", "GTI"]
    header = hdus["EVENTS"].header
    assert (header["DETNAM"], header["DATAMODE"], header["DATACLAS"]) == ("CCD12", "WINDOW2", "31100010")
    assert (header["WIN_ST"], header["WIN_SIZE"]) == (455, 80)
    assert (header["TIMEDEL"], header["TIMEPIXR"], header["MJDREFI"]) == (0.46, 0.5, 58484)
    assert header["RA_NOM"] != header["RA_OBJ"]
    columns = hdus["EVENTS"].columns
    for name, high in (("DETX", 1810), ("DETY", 1810), ("X", 2430), ("Y", 2430), ("PI", 4095)):
        number = columns.names.index(name) + 1
        assert header[f"TLMAX{number}"] == high
        assert header[f"TLMIN{number}"] == (0 if name == "PI" else 1)
    assert [(header[f"MTYPE{number}"], header[f"MFORM{number}"]) for number in (1, 2)] == [
        ("EQPOS", "X,Y"),
        ("DET", "DETX,DETY"),
    ]
    for name in ("ACTX", "ACTY"):
        number = columns.names.index(name) + 1
        # searchflickpix copies them all and ends where one is missing.
        copied = ("TCRPX", "TCRVL", "TCDLT", "TCTYP", "TCUNI", "TNULL", "TLMIN", "TLMAX")
        assert {f"{key}{number}" for key in copied} <= set(header)
        assert (header[f"TCTYP{number}"], header[f"TCUNI{number}"]) == (name, "pixel")
    assert columns["STATUS"].format == "48X"
    assert columns["PI"].format == "1J" or columns["PI"].format == "J"
    primary = hdus[0].header
    assert {"RA_NOM", "DEC_NOM", "PA_NOM", "EXPOSURE", "OBJECT"} <= set(primary)
    assert any("target" in line for line in primary["HISTORY"])


def test_the_target_is_where_the_header_says(bright, opened):
    hdu = opened(_cleaned(bright, "30000010")[0])["EVENTS"]
    header, x_axis = hdu.header, hdu.columns.names.index("X") + 1
    wcs = WCS(naxis=2)
    for axis, number in enumerate((x_axis, x_axis + 1)):
        wcs.wcs.crpix[axis] = header[f"TCRPX{number}"]
        wcs.wcs.crval[axis] = header[f"TCRVL{number}"]
        wcs.wcs.cdelt[axis] = header[f"TCDLT{number}"]
    wcs.wcs.ctype = [header[f"TCTYP{x_axis}"], header[f"TCTYP{x_axis + 1}"]]
    x, y = hdu.data["X"].astype(float), hdu.data["Y"].astype(float)
    column, row = np.unravel_index(*_brightest(x, y))
    for _ in range(5):
        near = np.hypot(x - column, y - row) < 10
        column, row = x[near].mean(), y[near].mean()
    expected = wcs.wcs_world2pix(header["RA_OBJ"], header["DEC_OBJ"], 1)
    assert np.hypot(column - expected[0], row - expected[1]) < 1


def _brightest(x, y):
    image = np.histogram2d(x, y, bins=np.arange(0.5, 2431))[0]
    smooth = sum(np.roll(image, (i, j), (0, 1)) for i in range(-3, 4) for j in range(-3, 4))
    return smooth.argmax(), smooth.shape


def test_half_of_the_targets_photons_lie_within_the_half_power_radius(bright, opened):
    events = opened(_cleaned(bright, "30000010")[0])["EVENTS"].data
    at = target_det(PROGRAMME[0])
    distance = np.hypot(events["DETX"] - at[0], events["DETY"] - at[1]) * PIXEL_ARCSEC
    inside, wide = (distance < 42).sum(), (distance < 240).sum()
    assert 0.45 < inside / wide < 0.62


def test_events_follow_the_responses_that_ship_with_them(bright, opened, tmp_path):
    """The spectrum folded through the RMF and ARF files gives the counts near the target."""
    _, matrix, _ = opened(bright / "xtend/products/xa900001010xtd_src.rmf.gz")
    arf = opened(bright.parents[1] / "responses/xa900001010xtd_30000010_src.arf.gz")["SPECRESP"]
    assert (arf.data["ENERG_LO"] == matrix.data["ENERG_LO"]).all()
    rows = matrix.data
    energy = (rows["ENERG_LO"] + rows["ENERG_HI"]) / 2.0
    assert np.allclose(energy, response.redistribution().centres, rtol=1e-6)
    photons = energy**-1.7 * transmission(energy, 0.03) * arf.data["SPECRESP"]
    photons = photons * (rows["ENERG_HI"] - rows["ENERG_LO"])
    expected = np.zeros(4096)
    for first, row, weight in zip(rows["F_CHAN"], rows["MATRIX"], photons, strict=True):
        expected[first : first + len(row)] += weight * row
    assert np.allclose(expected / expected.sum(), source_channels(POWER_LAW), atol=1e-6)

    events = opened(_cleaned(bright, "30000010")[0])["EVENTS"].data
    at = target_det(PROGRAMME[0])
    near = np.hypot(events["DETX"] - at[0], events["DETY"] - at[1]) < 25
    total = near.sum()
    assert total > 3000
    for low, high in ((66, 167), (167, 334), (334, 1001), (1001, 1667)):
        share = expected[low:high].sum() / expected.sum()
        seen = ((events["PI"] >= low) & (events["PI"] < high))[near].sum()
        assert abs(seen - share * total) < 4 * np.sqrt(share * total) + 0.002 * total


def test_the_calibration_sources_shine_in_their_circles(bright, opened):
    events = opened(_cleaned(bright, "30000010")[0])["EVENTS"].data
    lit = events["STATUS"][:, 1]
    upper = np.hypot(events["DETX"] - 920.0, events["DETY"] - 1530.0) <= 92
    lower = np.hypot(events["DETX"] - 919.0, events["DETY"] - 271.0) <= 91
    assert (lit == (upper | lower)).all()
    energy = events["PI"][lit] * 6.0
    line = ((energy > 5700) & (energy < 6100)).sum()
    assert line > 0.6 * lit.sum()
    assert np.median(energy[(energy > 5600) & (energy < 6200)]) == pytest.approx(5895, abs=20)
    assert min(upper.sum(), lower.sum()) > 300


def test_the_eighth_window_is_a_strip_with_good_time_frame_by_frame(simulated, opened):
    flags = _flags(simulated / "9/900002010", "31100010")
    columns = np.flatnonzero((flags >= 0).any(axis=0)) + 1
    assert (columns[0], columns[-1], len(columns)) == (711, 790, 80)
    gti = opened(_cleaned(simulated / "9/900002010", "31100010")[0])["GTI"].data
    assert len(gti) > 10000
    assert np.unique(np.round(gti["STOP"] - gti["START"], 4)).tolist() == [0.46, 0.5]
    merged = opened(_cleaned(simulated / "9/900002010", "32000010")[0])["GTI"].data
    assert (gti["STOP"] - gti["START"]).sum() == pytest.approx(
        0.93 / 0.99 * (merged["STOP"] - merged["START"]).sum(), rel=1e-6
    )


def test_the_two_classes_of_an_observation_share_no_detector_pixel(simulated):
    first, second = (_flags(simulated / "9/900002010", name) for name in ("31100010", "32000010"))
    assert not ((first >= 0) & (second >= 0)).any()


def test_split_files_share_a_class_and_no_good_time(simulated, opened):
    first, second = (opened(path) for path in _cleaned(simulated / "9/900005010", "30000010"))
    assert first["EVENTS"].header["DATACLAS"] == second["EVENTS"].header["DATACLAS"] == "30000010"
    assert first["EVENTS"].header["TSTOP"] < second["EVENTS"].header["TSTART"]
    assert first["GTI"].data["STOP"][-1] < second["GTI"].data["START"][0]


def test_the_variable_target_varies_and_a_steady_one_does_not(simulated, opened):
    def scatter(obsid):
        hdus = opened(_cleaned(simulated / "9" / obsid, "30000010")[0])
        gti = hdus["GTI"].data
        edges = np.column_stack([gti["START"], gti["STOP"]]).ravel()
        counts = np.histogram(hdus["EVENTS"].data["TIME"], edges)[0][::2]
        expected = counts.sum() * (edges[1::2] - edges[::2]) / (edges[1::2] - edges[::2]).sum()
        return ((counts - expected) ** 2 / expected).sum() / (len(counts) - 1)

    assert scatter("900006010") > 8
    assert scatter("900001010") < 4


def test_the_faint_target_is_lost_in_the_whole_field(simulated, opened):
    events = opened(_cleaned(simulated / "9/900004010", "30000010")[0])["EVENTS"].data
    at = target_det(PROGRAMME[3])
    near = np.hypot(events["DETX"] - at[0], events["DETY"] - at[1]) < 68
    assert near.mean() < 0.05


def test_unfiltered_lists_hold_cleaned_events_and_bad_ones(simulated, opened):
    folder = simulated / "9/900001010"
    unfiltered = opened(folder / "xtend/event_uf/xa900001010xtd_p030000010_uf.evt.gz")["EVENTS"].data
    cleaned = opened(_cleaned(folder, "30000010")[0])["EVENTS"].data
    flag = _flags(folder, "30000010")[unfiltered["DETY"] - 1, unfiltered["DETX"] - 1]
    bad = unfiltered["STATUS"][:, 0]
    assert (bad == (flag == 2)).all()
    assert bad.sum() > 100
    reasons = unfiltered["STATUS"][bad][:, [5, 6, 7, 10, 15, 16, 18]]
    assert reasons.any(axis=1).all()
    good = ~bad & np.isin(unfiltered["GRADE"], (0, 2, 3, 4, 6))
    keys = {tuple(row) for row in np.column_stack([cleaned[n] for n in ("TIME", "DETX", "DETY", "PI")])}
    assert {
        tuple(r) for r in np.column_stack([unfiltered[n][good] for n in ("TIME", "DETX", "DETY", "PI")])
    } <= keys
    assert (~np.isin(unfiltered["GRADE"], (0, 2, 3, 4, 6))).any()


def test_attitude_stays_within_arcseconds_of_the_nominal_aspect(simulated, opened):
    hdu = opened(simulated / "9/900001010/auxil/xa900001010.ehk.gz")["EHK"]
    header, rows = hdu.header, hdu.data
    assert np.allclose(np.diff(rows["TIME"]), 1.0)
    assert rows["RA"].mean() == pytest.approx(header["RA_NOM"], abs=1e-6)
    assert rows["DEC"].mean() == pytest.approx(header["DEC_NOM"], abs=1e-6)
    assert 0.5 < rows["DEC"].std() * 3600 < 2
    assert rows["XTD_RA_PNT"].mean() == pytest.approx(header["RA_PNT"], abs=1e-6)
    assert rows["XTD_DEC_PNT"].mean() == pytest.approx(header["DEC_PNT"], abs=1e-6)
    assert {"RA_OBJ", "DEC_OBJ", "RA_NOM", "DEC_NOM", "PA_NOM"} <= set(header)
    gti = opened(_cleaned(simulated / "9/900001010", "30000010")[0])["GTI"].data
    good = np.zeros(len(rows), bool)
    for start, stop in zip(gti["START"], gti["STOP"], strict=True):
        good |= (rows["TIME"] > start) & (rows["TIME"] < stop)
    assert (rows["ELV"][good] > 4).all()
    assert rows["SAA"][good].mean() < 0.01
    assert str(rows["YYYYMMDD"][0]) == header["DATE-OBS"][:10].replace("-", "")


def test_right_ascension_wraps_at_zero(simulated, opened):
    ra = opened(simulated / "9/900003010/auxil/xa900003010.ehk.gz")["EHK"].data["RA"]
    assert ((ra >= 0) & (ra < 360)).all()


def test_general_good_time_agrees_with_the_orbit(simulated, opened):
    observation = PROGRAMME[0]
    gtis = opened(simulated / "9/900001010/auxil/xa900001010_gen.gti.gz")
    assert [hdu.name for hdu in gtis[1:]] == ["GTIPOINT", "GTISLEW", "GTIATT", "GTIOBS", "GTIEHK"]
    time = (gtis["GTIEHK"].data["START"] + gtis["GTIEHK"].data["STOP"]) / 2
    assert (elevation(time, observation.start) > 5).all()
    length = (gtis["GTIEHK"].data["STOP"] - gtis["GTIEHK"].data["START"]).sum()
    assert length == 4 * good_cycles(observation.start, observation.span).sum()


@pytest.mark.parametrize("block_events", [50, 700, 10**6])
def test_totals_do_not_depend_on_the_size_of_the_blocks(block_events):
    observation, name = PROGRAMME[0], DataClass("30000010")
    data = _dataset(observation, name, _good(observation))
    plan = draft(observation, name, data.frames, data.good_time.total, 0.02, 5)
    drawn = list(blocks(plan, slice(None), block_events))
    time = np.concatenate([block["TIME"] for block in drawn])
    assert len(time) == plan.counts.sum()
    assert (
        np.unique(time, return_counts=True)[1] == plan.counts.sum(axis=0)[plan.counts.sum(axis=0) > 0]
    ).all()
    assert max(len(block) for block in drawn) <= block_events + 50


def test_an_observation_in_small_blocks_is_whole(tmp_path, opened):
    for name, size in (("one", 10**6), ("many", 64)):
        make_observation(tmp_path / name, PROGRAMME[6], seed=1, events=8000, block_events=size)
    one, many = (
        opened(_cleaned(tmp_path / name / "9/900007010", "30000010")[0])["EVENTS"] for name in ("one", "many")
    )
    assert (one.data["TIME"] == many.data["TIME"]).all()
    assert one.header["EXPOSURE"] == many.header["EXPOSURE"]

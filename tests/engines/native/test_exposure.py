"""Exposure maps: small cases that can be told by hand, faults, and the maps of the real tools."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tasks.core.errors import NoData, Permanent
from tasks.engines.native.attitude import read_ehk
from tasks.engines.native.detector import live_mask, read_bad_pixels
from tasks.engines.native.events import read_events
from tasks.engines.native.exposure import exposure_map, make
from tasks.engines.native.exposure_hdus import block_mean
from tasks.xtend.geometry import DET_SIZE, DetPixels, det_to_sky
from tasks.xtend.nominal import Nominal

NOMINAL = Nominal(50.0, -30.0, 20.0)


class Inputs:
    """Names of small inputs in a directory: 100 s in three pieces, a live block of 60×40 pixels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ehk = self.write("a.ehk", self._ehk(-5.0, 305.0))
        self.events = [
            self.write("p0.evt", self._events([0.0, 100.0], [50.0, 130.0])),
            self.write("p1.evt", self._events([120.0, 200.0], [130.0, 220.0])),
        ]
        flags = np.full((DET_SIZE, DET_SIZE), -1, np.int16)
        flags[800:840, 800:860] = 0
        flags[800:840, 860:870], flags[840:850, 800:860] = 1, 2
        self.bad_pixels = self.write("a.bimg", fits.PrimaryHDU(flags))

    def write(self, name: str, hdu: fits.PrimaryHDU | fits.HDUList) -> str:
        hdu.writeto(self.folder / name, overwrite=True)
        return str(self.folder / name)

    def made(self, **changed):
        keywords = {
            "ehk": self.ehk,
            "events": self.events,
            "bad_pixels": self.bad_pixels,
            "maps": {"1": str(self.folder / "m1.fits"), "4": str(self.folder / "m4.fits")},
            "delta_arcmin": 20.0,
            "numphi": 1,
            "mask_calibration": True,
            "recipe": "0123456789abcdef0123",
        }
        return make(**(keywords | changed))

    def _header(self) -> dict:
        return {
            "TELESCOP": "XRISM", "INSTRUME": "XTEND", "OBS_ID": "900000001", "DATACLAS": "30000010",
            "RA_NOM": NOMINAL.ra, "DEC_NOM": NOMINAL.dec, "PA_NOM": NOMINAL.pa,
            "RA_OBJ": NOMINAL.ra, "DEC_OBJ": NOMINAL.dec, "DATE-OBS": "2024-05-21T13:46:40",
        }  # fmt: skip

    def _events(self, start, stop) -> fits.HDUList:
        events = fits.BinTableHDU.from_columns([fits.Column("TIME", "D", array=start)], name="EVENTS")
        good = fits.BinTableHDU.from_columns(
            [fits.Column("START", "D", array=start), fits.Column("STOP", "D", array=stop)], name="GTI"
        )
        for hdu in (events, good):
            hdu.header.update(self._header())
        return fits.HDUList([fits.PrimaryHDU(), events, good])

    def _ehk(self, first: float, last: float, ra: float = NOMINAL.ra) -> fits.HDUList:
        time = np.arange(first, last)
        columns = {
            "TIME": time,
            "RA": time * 0 + ra,
            "DEC": time * 0 + NOMINAL.dec,
            "ROLL": time * 0 + NOMINAL.pa,
        }
        table = fits.BinTableHDU.from_columns(
            [fits.Column(name, "D", array=values) for name, values in columns.items()], name="EHK"
        )
        return fits.HDUList([fits.PrimaryHDU(), table])


@pytest.fixture
def inputs(tmp_path) -> Inputs:
    return Inputs(tmp_path)


def test_split_lists_are_united_and_the_map_sums_to_time_times_area(inputs):
    report = inputs.made()
    assert report.facts == {
        "exposure": 100.0,
        "maximum": pytest.approx(100.0),
        "live_area_pixels": 2400,
        "wedges": 1,
        "wander_arcsec": pytest.approx(0, abs=1e-6),
    }
    assert [item.id for item in report.cautions] == ["axis-from-spacecraft"]
    with fits.open(inputs.folder / "m1.fits", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "OFFAXISHIST", "GTIEXP001", "PARTIALEXP001"]
        image, header = hdus[0].data, hdus[0].header
        assert (image.dtype.kind, image.dtype.itemsize, image.shape) == ("f", 4, (2430, 2430))
        assert image.sum(dtype=float) == pytest.approx(100.0 * 2400, rel=1e-5)
        assert (header["BUNIT"], header["OBS_ID"], header["ENGINE"]) == ("s", "900000001", "native")
        assert (header["RECIPE"], header["NUMEXMAP"]) == ("0123456789abcdef", 1)
        assert "EXPOSURE" not in header
        assert "DATE-OBS" not in header
        assert hdus["OFFAXISHIST"].header["EXPOSURE"] == 100.0
        assert len(hdus["OFFAXISHIST"].columns) == 13
        assert hdus["GTIEXP001"].data["START"].tolist() == [0, 100, 200]
        dead = hdus["PARTIALEXP001"].data
        assert len(dead) == DET_SIZE**2 - 2400
        assert (dead["DETX"][0], dead["DETY"][0], dead["DETY"][1]) == (1, 1, 2)


def test_a_binned_map_is_the_mean_on_the_same_sky(inputs):
    inputs.made()
    with fits.open(inputs.folder / "m1.fits") as fine, fits.open(inputs.folder / "m4.fits") as coarse:
        assert [hdu.name for hdu in coarse] == ["PRIMARY", "OFFAXISHIST", "GTIEXP001"]
        assert coarse[0].data.shape == (607, 607)
        blocks = fine[0].data[:2428, :2428].astype(float).reshape(607, 4, 607, 4).mean(axis=(1, 3))
        assert coarse[0].data == pytest.approx(blocks, abs=1e-4)
        assert coarse[0].header["CRPIX1"] == 304.25
        celestial = [WCS(hdus[0].header, naxis=2).celestial for hdus in (fine, coarse)]
    # Pixel 10 of the binned image holds the unbinned pixels 37 to 40.
    places = [
        np.array(wcs.pixel_to_world_values(at, at)) for wcs, at in zip(celestial, (37.5, 9), strict=True)
    ]
    assert places[1] == pytest.approx(places[0], abs=1e-9)
    centre = np.array(celestial[0].world_to_pixel_values(NOMINAL.ra, NOMINAL.dec))
    assert centre == pytest.approx(1214.5, abs=1e-6)


def test_the_unbinned_map_need_not_be_asked_for(inputs):
    report = inputs.made(maps={"8": str(inputs.folder / "m8.fits")}, events=inputs.events[:1])
    assert report.facts["exposure"] == 80.0
    assert fits.getdata(inputs.folder / "m8.fits").shape == (303, 303)
    assert fits.getheader(inputs.folder / "m8.fits")["DATE-OBS"] == "2024-05-21T13:46:40"
    assert not (inputs.folder / "m1.fits").exists()


@pytest.mark.parametrize(("masked", "area", "said"), [(True, 2400, "masked"), (False, 2800, "kept")])
def test_calibration_sources_count_if_asked_for(inputs, masked, area, said):
    report = inputs.made(mask_calibration=masked, maps={"1": str(inputs.folder / "m1.fits")})
    assert report.facts["live_area_pixels"] == area
    with fits.open(inputs.folder / "m1.fits") as hdus:
        assert hdus[0].data.sum(dtype=float) == pytest.approx(100.0 * area, rel=1e-5)
        assert len(hdus["PARTIALEXP001"].data) == DET_SIZE**2 - area
        assert f"calibration sources {said}" in "".join(hdus[0].header["HISTORY"])


def test_pixels_are_not_exposed_while_they_flicker(inputs):
    """100 s of good time: 0–50, 100–130 and 200–220."""
    rows = [
        (801, 801, 40.0, 110.0),
        # 10 + 15 s, told in pieces that overlap.
        (860, 840, 0.0, 10.0),
        (860, 840, 5.0, 10.0),
        (860, 840, 115.0, 140.0),
        (830, 820, -50.0, 500.0),
        # What is dead anyway is not less exposed than that.
        (865, 810, 0.0, 50.0),
        (3, 3, 0.0, 50.0),
    ]
    columns = dict(zip(("DETX", "DETY", "START", "STOP"), zip(*rows, strict=True), strict=True))
    columns |= dict.fromkeys(("CCD_ID", "ACTX", "ACTY"), (1,) * len(rows))
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(key, "D" if key[0] == "S" else "I", array=np.array(value))
            for key, value in columns.items()
        ],
        name="PIXELS",
    )
    pixels = inputs.write("a.fpix", fits.HDUList([fits.PrimaryHDU(), table]))
    names = {key: str(inputs.folder / f"{key}.fits") for key in ("whole", "less")}
    whole = inputs.made(maps={"1": names["whole"]})
    less = inputs.made(maps={"1": names["less"], "4": str(inputs.folder / "m4.fits")}, flickering=pixels)
    assert less.facts == whole.facts
    with fits.open(names["whole"]) as before, fits.open(names["less"]) as after:
        lost = before[0].data.astype(float) - after[0].data
        assert lost.sum() == pytest.approx(20 + 25 + 100, rel=1e-4)
        assert lost.min() > -1e-3
        sky = det_to_sky(
            DetPixels(np.array([801.0, 860.0, 830.0]), np.array([801.0, 840.0, 820.0])), NOMINAL.pa
        )
        for x, y, seconds in zip(np.rint(sky.x), np.rint(sky.y), (20, 25, 100), strict=True):
            around = lost[int(y) - 3 : int(y) + 2, int(x) - 3 : int(x) + 2]
            assert around.sum() == pytest.approx(seconds, rel=1e-3)
        told = {(x, y): share for x, y, share in after["PARTIALEXP001"].data.tolist()}
        assert len(told) == DET_SIZE**2 - 2400 + 3
        expected = {(801, 801): 0.8, (860, 840): 0.75, (830, 820): 0.0, (865, 810): 0.0, (3, 3): 0.0}
        assert {place: told[place] for place in expected} == pytest.approx(expected)
        assert "pixels of " in "".join(after[0].header["HISTORY"])
        assert "flicker" not in "".join(before[0].header["HISTORY"])
    assert fits.getdata(inputs.folder / "m4.fits").sum(dtype=float) * 16 == pytest.approx(
        100 * 2400 - 145, rel=1e-5
    )


def test_faults_are_told_and_nothing_is_written(inputs):
    dead = inputs.write("dead.bimg", fits.PrimaryHDU(np.full((DET_SIZE, DET_SIZE), -1, np.int16)))
    idle = inputs.write("idle.evt", inputs._events([10.0], [10.0]))
    short = inputs.write("short.ehk", inputs._ehk(-5.0, 150.0))
    astray = inputs.write("astray.ehk", inputs._ehk(-5.0, 305.0, ra=150.0))
    broken = inputs.folder / "broken.ehk"
    broken.write_bytes(Path(inputs.ehk).read_bytes()[:4000])
    for changed, error, reason in (
        ({"bad_pixels": dead}, Permanent, "no live pixel"),
        ({"events": [idle]}, NoData, "no good time"),
        ({"ehk": short}, Permanent, "does not cover the good time"),
        ({"ehk": astray}, Permanent, "points away"),
        ({"ehk": str(broken)}, Permanent, r"broken\.ehk"),
        ({"ehk": inputs.bad_pixels}, Permanent, "EHK"),
        ({"bad_pixels": inputs.ehk}, Permanent, "no image"),
        ({"flickering": inputs.ehk}, Permanent, "no extension PIXELS"),
    ):
        with pytest.raises(error, match=reason):
            inputs.made(**changed)
        assert not (inputs.folder / "m1.fits").exists()


@settings(deadline=None, max_examples=50)
@given(
    image=npst.arrays(
        float, npst.array_shapes(min_dims=2, max_dims=2, min_side=4, max_side=40), elements=st.floats(0, 1e6)
    ),
    binning=st.integers(1, 4),
)
def test_the_mean_conserves_the_sum(image, binning):
    mean = block_mean(image, binning)
    used = image[: mean.shape[0] * binning, : mean.shape[1] * binning]
    assert mean.sum() * binning**2 == pytest.approx(used.sum(), rel=1e-9, abs=1e-6)


def test_one_wedge_agrees_with_the_tools(tmp_path, alpha):
    maps = {"1": str(tmp_path / "m1.fits"), "4": str(tmp_path / "m4.fits")}
    report = make(
        str(alpha / "xa900000010.ehk.gz"),
        [str(alpha / "xa900000010xtd_p030000010_cl.evt.gz")],
        str(alpha / "xa900000010xtd_p030000010.bimg.gz"),
        maps,
        20.0,
        1,
        True,
        "none",
    )
    assert report.facts["exposure"] == 20345.5
    assert report.facts["maximum"] == pytest.approx(20345.5)
    with fits.open(maps["1"]) as ours, fits.open(alpha / "ref" / "expmap.fits.gz") as theirs:
        difference = np.abs(ours[0].data.astype(float) - theirs[0].data)
        assert difference.max() < 0.02
        assert ours[0].data.sum(dtype=float) == pytest.approx(theirs[0].data.sum(dtype=float), rel=1e-8)
        for key in ("CTYPE1", "CRVAL1", "CRPIX1", "CRVAL2", "CRPIX2", "RA_NOM", "DEC_NOM", "PA_NOM"):
            assert ours[0].header[key] == theirs[0].header[key]
        for key in ("CDELT1", "CDELT2", "RA_PNT", "DEC_PNT"):
            assert ours[0].header[key] == pytest.approx(theirs[0].header[key], rel=1e-10)
        for name in ("DETX", "DETY", "FRACTION"):
            assert (ours["PARTIALEXP001"].data[name] == theirs["PARTIALEXP001"].data[name]).all()
    binned = fits.getdata(alpha / "ref" / "expmap_bin4_mean.fits.gz")
    assert np.abs(fits.getdata(maps["4"]) - binned).max() < 0.02
    for axis in (1, 2):
        for key in ("CRPIX", "CDELT"):
            reference = fits.getheader(alpha / "ref" / "expmap_bin4_mean.fits.gz")[f"{key}{axis}"]
            assert fits.getheader(maps["4"])[f"{key}{axis}"] == pytest.approx(reference, rel=1e-10)


@pytest.mark.parametrize(
    ("reference", "delta", "numphi", "masked"),
    [("expmap_wedges", 0.4, 4, True), ("expmap_onewedge_nomask", 20.0, 1, False)],
)
def test_a_drifting_attitude_agrees_with_the_tool(alpha, extras, reference, delta, numphi, masked):
    flags = read_bad_pixels(alpha / "xa900000010xtd_p030000010.bimg.gz")
    split = read_events([extras / f"split_p{n}_cl.evt.gz" for n in (1, 0)], ())
    live = live_mask(flags, mask_calibration=masked)
    made = exposure_map(read_ehk(extras / "drifting.ehk.gz"), split, live, delta, numphi)
    theirs = fits.getdata(extras / "ref" / f"{reference}.fits.gz").astype(float)
    assert made.exposure == 20345.5
    assert made.seconds.sum() == pytest.approx(theirs.sum(), rel=1e-6)
    assert np.abs(made.seconds - theirs).max() < 0.002 * made.exposure

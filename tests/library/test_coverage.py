"""What exposure maps cover, against positions and times from astropy."""

import hashlib

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time

from tasks.core.errors import Permanent
from tasks.core.identifiers import DataClass, ObsID
from tasks.library.coverage import coverage, map_of, read_coverage
from tasks.library.manifest import Kind, Manifest, Product, Role, Step

CENTRE = (187.70593, 60.0)
PIXEL = 7.07193621 / 3600


def write_map(path, exposed, **keywords):
    """An exposure map whose middle lies at the centre."""
    header = fits.Header(
        {
            "MJDREFI": 58484, "MJDREFF": 8.007407407407410e-04, "TIMESYS": "TT",
            "TSTART": 151070228.29, "TSTOP": 151102264.25, "DATE-OBS": "2023-10-15T11:57:08.290",
            "CTYPE1": "RA---TAN", "CRPIX1": 50.5, "CRVAL1": CENTRE[0], "CDELT1": -PIXEL,
            "CTYPE2": "DEC--TAN", "CRPIX2": 50.5, "CRVAL2": CENTRE[1], "CDELT2": PIXEL,
            **keywords,
        }
    )  # fmt: skip
    fits.PrimaryHDU(exposed.astype("f4") * 1000, header).writeto(path)
    return path


@pytest.fixture
def box():
    """60 × 40 pixels in the middle of 100 × 100."""
    pixels = np.zeros((100, 100), bool)
    pixels[30:70, 20:80] = True
    return pixels


def test_where_and_when(tmp_path, box):
    found = read_coverage(write_map(tmp_path / "map.fits", box))
    centre = SkyCoord(*CENTRE, unit="deg")
    assert centre.separation(SkyCoord(*found.centre, unit="deg")).arcsec < 0.01
    (polygon,) = found.polygons
    corners = SkyCoord(polygon, unit="deg")
    assert centre.separation(corners).arcsec == pytest.approx(np.hypot(30, 20) * PIXEL * 3600, rel=1e-3)
    assert found.radius == pytest.approx(centre.separation(corners).deg.max(), rel=1e-9)
    begin, end = (Time(mjd, format="mjd", scale="tt").utc for mjd in (found.start, found.stop))
    assert abs((begin - Time("2023-10-15T11:57:08.290", scale="utc")).sec) < 1e-3
    assert (end - begin).sec == pytest.approx(32035.96, abs=1e-3)


def test_maps_that_tell_their_time_by_intervals_alone(tmp_path, box):
    """As xaexpmap's do: a wedge may have any part of the time."""
    path = write_map(tmp_path / "map.fits", box)
    known = read_coverage(path)
    begin, end = (fits.getval(path, name) for name in ("TSTART", "TSTOP"))
    intervals = [((begin + 500, begin + 900), (begin + 600, end)), ((begin,), (begin + 100,))]
    tables = [
        fits.BinTableHDU.from_columns(
            [fits.Column("START", "D", array=starts), fits.Column("STOP", "D", array=stops)],
            name=f"GTIEXP{number:03d}",
        )
        for number, (starts, stops) in enumerate(intervals, 1)
    ]
    with fits.open(path) as hdus:
        for name in ("TSTART", "TSTOP"):
            del hdus[0].header[name]
        fits.HDUList([hdus[0], *tables]).writeto(tmp_path / "heasoft.fits")
        hdus[0].writeto(tmp_path / "neither.fits")
    assert read_coverage(tmp_path / "heasoft.fits") == known
    with pytest.raises(Permanent, match="TSTART"):
        read_coverage(tmp_path / "neither.fits")


def test_corners_run_counter_clockwise_as_one_sees_the_sky(tmp_path, box):
    """North up and east to the left: from the north-west corner on to the north-east one."""
    (polygon,) = read_coverage(write_map(tmp_path / "map.fits", box)).polygons
    offsets = np.array(polygon) - CENTRE
    names = ["NS"[int(dec < 0)] + "WE"[int(ra > 0)] for ra, dec in offsets]
    start = names.index("NW")
    assert names[start:] + names[:start] == ["NW", "NE", "SE", "SW"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.write_bytes(b"no FITS" * 1000), "is no exposure map"),
        (lambda path: fits.PrimaryHDU().writeto(path), "is no exposure map"),
        (lambda path: write_map(path, np.zeros((10, 10), bool)), "nothing is exposed"),
    ],
)
def test_a_file_that_is_no_map(tmp_path, spoil, says):
    spoil(tmp_path / "map.fits")
    with pytest.raises(Permanent, match=f"map.fits.*{says}"):
        read_coverage(tmp_path / "map.fits")


@pytest.fixture
def published(tmp_path, store, box):
    """A manifest with maps at two binnings, of which the coarser one is there."""
    path = write_map(tmp_path / "coarse.fits", box)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    maps = [
        Product(
            step=Step.EXPOSURE, kind=Kind.EXPOSURE_MAP, role=Role.FIELD, name=f"{binning}.fits",
            entry={"binning": binning}, path=f"exposure-0/{binning}.fits", size=1, sha256=digest,
            fingerprint="0" * 64,
        )
        for binning in (4, 1)
    ]  # fmt: skip
    made = Manifest(obsid=ObsID("000128000"), dataclass=DataClass("30000010"), recipe="x", products=maps)
    store.put(f"000128000/30000010/{map_of(made).path}", path)
    return made


def test_a_map_is_read_once(published, store, tmp_path):
    found = coverage(store, published, tmp_path / "cache")
    assert found.radius > 0.05
    store.delete([f"000128000/30000010/{map_of(published).path}"])
    assert coverage(store, published, tmp_path / "cache") == found


def test_what_was_kept_badly_is_read_again(published, store, tmp_path):
    found = coverage(store, published, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(kept.read_text()[:40])
    assert coverage(store, published, tmp_path / "cache") == found


def test_a_dataset_without_a_map(published, store, tmp_path):
    without = published.model_copy(update={"products": ()})
    assert coverage(store, without, tmp_path / "cache") is None
    assert not (tmp_path / "cache").exists()

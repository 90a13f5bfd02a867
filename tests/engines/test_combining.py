"""The combined image is made when its summands change, by real calls, and not otherwise."""

import asyncio
import hashlib

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import LeaseLost
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.engines import combining
from tasks.engines.combining import combine
from tasks.library.combination import PICTURE, combined_key, read_combined
from tasks.library.manifest import Kind, Manifest, Product, Role, Step
from tasks.library.publication import manifest_bytes
from tasks.library.site import open_site

OBSID = ObsID("900002010")
FIRST, SECOND = DataClass("31100010"), DataClass("32000010")
STEP = 0.00196442672616
WCS = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 20.5,
    "CRPIX2": 20.5, "CDELT1": -STEP, "CDELT2": STEP, "OBS_ID": OBSID, "SIMULATD": True,
}  # fmt: skip
NAMES = [
    f"xrism-xtend-obsid{OBSID}-allclasses-imbinfactor4-{end}.fits"
    for end in ("en0.6_10.0keV-image", "en0.6_10.0keV-rateimage", "enALL-expmap")
]


class Place:
    def __init__(self, folder):
        self.site = open_site(Settings(data=folder, archive=str(folder), cores=2))
        self.folder = folder / "store"
        self.calls = 0

    def publish(self, dataclass, counts, seconds, **keywords):
        products = []
        for kind, value, own in (
            (Kind.IMAGE, np.full((40, 40), counts, np.int32), {"CHANMIN": 100, "CHANMAX": 1667}),
            (Kind.EXPOSURE_MAP, np.full((40, 40), seconds, np.float32), {}),
        ):
            path = self.folder / OBSID / dataclass / "made-0" / f"{dataclass}-{kind}.fits"
            path.parent.mkdir(parents=True, exist_ok=True)
            header = fits.Header(WCS | own | {"DATACLAS": dataclass} | keywords)
            fits.PrimaryHDU(value, header).writeto(path, overwrite=True)
            content = path.read_bytes()
            products.append(
                Product(
                    step=Step.EXTRACTION, kind=kind, role=Role.FIELD, name=path.name,
                    path=f"made-0/{path.name}",
                    size=len(content), sha256=hashlib.sha256(content).hexdigest(), fingerprint="f" * 64,
                    entry={"band": "0.6-10.0", "binning": 4} if kind == Kind.IMAGE else {"binning": 4},
                )
            )  # fmt: skip
        manifest = Manifest(obsid=OBSID, dataclass=dataclass, recipe="standard", products=tuple(products))
        self.site.store.replace(f"{OBSID}/{dataclass}/manifest.json", manifest_bytes(manifest))

    def combine(self, confirm=lambda: None, dataclasses=(FIRST, SECOND)):
        return asyncio.run(combine(self.site, OBSID, dataclasses, confirm))

    def files(self):
        return sorted(path.name for path in (self.folder / "report" / OBSID).glob("*"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    made = Place(tmp_path / "data")
    made.publish(FIRST, 1, 100.0)
    made.publish(SECOND, 2, 50.0)
    run = combining.run_call

    async def counted(*args, **kwargs):
        made.calls += 1
        return await run(*args, **kwargs)

    monkeypatch.setattr(combining, "run_call", counted)
    return made


def test_counts_and_exposures_add_up_and_are_made_once(place):
    assert place.combine()
    assert place.files() == sorted(["combined.json", PICTURE, *NAMES])
    record = read_combined(place.site.store, OBSID)
    assert record.dataclasses == (FIRST, SECOND)
    assert record.caption.startswith("Sum of the data classes 31100010 and 32000010.")
    assert record.alt
    assert record.size[0] == 900
    for file in record.files:
        content = place.site.store.read(combined_key(OBSID, file.name))
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)
    folder = place.folder / "report" / OBSID
    image, rate, exposure = (fits.getdata(folder / name) for name in NAMES)
    assert (image.max(), exposure.max()) == (3, 150.0)
    assert np.nanmax(rate) == pytest.approx(0.02)
    assert place.calls == 2
    assert not place.combine()
    assert place.calls == 2
    # A file that is lost is made again, as is everything when a summand changes.
    (folder / NAMES[0]).unlink()
    assert place.combine()
    place.publish(SECOND, 4, 50.0)
    assert place.combine()
    assert fits.getdata(folder / NAMES[0]).max() == 5
    assert place.calls == 6
    # With one data class alone there is nothing to combine.
    assert place.combine(dataclasses=(FIRST,))
    assert place.files() == []
    assert not place.combine(dataclasses=(FIRST,))


def test_grids_that_differ_are_told_and_not_tried_again(place):
    place.publish(SECOND, 2, 50.0, CRVAL1=11.0)
    assert place.combine()
    assert place.files() == ["combined.json"]
    record = read_combined(place.site.store, OBSID)
    assert "do not lie pixel upon pixel: CRVAL1" in record.why
    assert not place.combine()


def test_who_lost_the_observation_publishes_nothing(place):
    def lost():
        raise LeaseLost("another process is working on it")

    with pytest.raises(LeaseLost):
        place.combine(lost)
    assert place.files() == []

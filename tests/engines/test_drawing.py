"""A dataset's pictures are drawn by a real call and put beside its page."""

import asyncio

import numpy as np
import pytest
from astropy.io import fits

from tasks.core.errors import LeaseLost
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.engines.drawing import draw
from tasks.library.fingerprint import file_sha256
from tasks.library.manifest import Kind, Manifest, Product, Role, Step
from tasks.library.site import open_site
from tasks.report.choice import IMAGE, PICTURES
from tasks.report.pictures import Pictures

OBSID, DATACLASS = ObsID("900002010"), DataClass("31100010")
NAME = "rate-image-0.6-10.0-bin4.fits"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def write_image(path, brightest=1.0):
    """A simulated image of a point at the middle of the field, where the sky is 187.7, +12.4."""
    pixels = np.random.default_rng(1).poisson(0.3, (607, 607)).astype("f4")
    pixels[300, 300] = 100 * brightest
    header = fits.Header(
        {
            "CTYPE1": "RA---TAN", "CRPIX1": 304.0, "CRVAL1": 187.7, "CDELT1": -0.00196,
            "CTYPE2": "DEC--TAN", "CRPIX2": 304.0, "CRVAL2": 12.4, "CDELT2": 0.00196,
            "BUNIT": "count/s", "SIMULATD": True,
        }
    )  # fmt: skip
    fits.PrimaryHDU(pixels, header).writeto(path, overwrite=True)


class Place:
    """A store with a dataset of one image."""

    def __init__(self, folder):
        self.site = open_site(Settings(data=folder, archive=str(folder), cores=2))
        self.folder = folder / "store/report" / OBSID / DATACLASS
        self.image = folder / "store" / OBSID / DATACLASS / "derived-0" / NAME
        self.image.parent.mkdir(parents=True)

    def draw(self, confirm=lambda: None):
        product = Product(
            step=Step.DERIVED, kind=Kind.RATE_IMAGE, role=Role.FIELD, name=NAME, path=f"derived-0/{NAME}",
            size=self.image.stat().st_size, sha256=file_sha256(self.image), fingerprint="f" * 64,
            entry={"band": "0.6-10.0", "channels": [100, 1667], "binning": 4},
        )  # fmt: skip
        manifest = Manifest(obsid=OBSID, dataclass=DATACLASS, recipe="standard", products=(product,))
        told = draw(self.site, OBSID, DATACLASS, manifest, manifest.products, PICTURES, confirm)
        return Pictures.model_validate(asyncio.run(told))

    def drawn(self):
        return {path.name: path.read_bytes() for path in self.folder.glob("*")}


def test_what_can_be_drawn_is_put_and_told(place):
    write_image(place.image)
    told = place.draw()
    assert set(place.drawn()) == {IMAGE}
    image, *others = told.previews
    assert (image.file, image.size[0], image.why) == (IMAGE, 900, "")
    assert "Rate image" in image.alt
    assert all(other.why and not other.alt for other in others)
    assert (told.plot, told.simulated) == (None, True)


def test_a_picture_that_cannot_be_drawn_any_more_goes(place):
    write_image(place.image)
    place.draw()
    place.image.write_bytes(b"no FITS")
    told = place.draw()
    assert place.drawn() == {}
    assert f"{NAME} cannot be drawn" in told.previews[0].why


def test_pictures_of_somebody_else_stay(place):
    def taken_over():
        raise LeaseLost("somebody else holds it")

    write_image(place.image)
    place.draw()
    before = place.drawn()
    write_image(place.image, 9.0)
    with pytest.raises(LeaseLost):
        place.draw(taken_over)
    assert place.drawn() == before

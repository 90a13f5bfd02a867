import pytest

from tasks.library.manifest import Kind, Role
from tasks.report.choice import exposure_product, image_product, preview_products


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ([("rate-image", "0.6-10.0", 4), ("rate-image", "2.0-10.0", 4), ("image", "0.6-10.0", 4)], 0),
        ([("rate-image", "0.6-10.0", 1), ("rate-image", "0.6-10.0", 4)], 1),
        ([("rate-image", "0.6-10.0", 1), ("image", "0.6-10.0", 4)], 1),
        ([("rate-image", "0.4-2.0", 4), ("image", "2.0-10.0", 4)], 1),
        ([("image", "0.6-2.0", 4), ("image", "2.0-10.0", 4)], 1),
        ([("image", "0.6-2.0", 8)], 0),
    ],
)
def test_the_main_image(dataset, there, chosen):
    for kind, band, binning in there:
        dataset.image(Kind(kind), band=band, binning=binning)
    assert image_product(dataset.manifest()) == dataset.products[chosen]


def test_low_energies_are_never_the_main_image(dataset):
    dataset.image(band="0.4-2.0")
    assert image_product(dataset.manifest()) is None


def test_what_the_pictures_need(dataset):
    dataset.everything()
    dataset.image(band="0.4-2.0")
    dataset.spectrum()
    dataset.region(Role.SOURCE, "fk5\n", frame="radec")
    needed = {product.name for product in preview_products(dataset.manifest())}
    assert needed == {product.name for product in dataset.products} - {
        "rate-image-0.4-2.0-bin4.fits",
        "image-0.6-10.0-bin4.fits",
        "load.xcm",
        "load_sherpa.py",
        "source-spectrum.fits",
        "radec_900000010_source.reg",
    }


def test_the_exposure_map_is_the_binned_one(dataset):
    assert exposure_product(dataset.manifest()) is None
    dataset.exposure_map(binning=1)
    assert exposure_product(dataset.manifest()) == dataset.products[0]
    dataset.exposure_map()
    assert exposure_product(dataset.manifest()) == dataset.products[1]


def test_nothing_needs_nothing(dataset):
    assert preview_products(dataset.manifest()) == ()

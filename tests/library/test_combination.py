import pytest

from tasks.core.identifiers import ObsID
from tasks.library.combination import RECORD, Combined, combined_key, read_combined, sum_of
from tasks.library.manifest import Kind, Manifest, Product, Role, Step

OBSID = ObsID("900002010")
FIRST, SECOND, THIRD = "31100010", "32000010", "33000010"
MAIN = ("0.6-10.0", 4)


def product(kind, name, role=Role.FIELD, **entry):
    step = Step.REGIONS if kind == Kind.REGION else Step.EXTRACTION
    return Product(
        step=step, kind=kind, role=role, name=name, entry=entry, path=f"{step}-0/{name}", size=1,
        sha256="a" * 64, fingerprint="b" * 64,
    )  # fmt: skip


def manifest(dataclass, images=(MAIN,), maps=(1, 4), regions=()):
    products = [
        *(product(Kind.IMAGE, f"{dataclass}-{band}-{b}.fits", band=band, binning=b) for band, b in images),
        *(product(Kind.EXPOSURE_MAP, f"{dataclass}-{b}.exp", binning=b) for b in maps),
        *(product(Kind.REGION, f"{dataclass}-{role}.reg", role, frame="skypix") for role in regions),
    ]
    return Manifest(obsid=OBSID, dataclass=dataclass, recipe="standard", products=tuple(products))


def test_the_main_image_of_every_class_is_summed():
    images = (("0.4-2.0", 4), ("0.6-2.0", 4), ("0.6-10.0", 1), MAIN)
    found = sum_of([manifest(SECOND, images), manifest(FIRST, images[::-1])])
    assert found.dataclasses == (FIRST, SECOND)
    assert (str(found.band), found.binning) == MAIN
    assert [item.image.name for item in found.summands] == [
        f"{name}-0.6-10.0-4.fits" for name in (FIRST, SECOND)
    ]
    assert [item.exposure_map.name for item in found.summands] == [f"{FIRST}-4.exp", f"{SECOND}-4.exp"]


def test_what_more_classes_share_goes_before_what_is_usual():
    other = ("2.0-10.0", 1)
    found = sum_of(
        [manifest(FIRST, (MAIN, other)), manifest(SECOND, (MAIN, other)), manifest(THIRD, (other,))]
    )
    assert (str(found.band), found.binning) == other
    assert found.dataclasses == (FIRST, SECOND, THIRD)


@pytest.mark.parametrize(
    "manifests",
    [
        [],
        [manifest(FIRST)],
        [manifest(FIRST), manifest(SECOND, maps=())],
        [manifest(FIRST), manifest(SECOND, maps=(1,))],
        [manifest(FIRST), manifest(SECOND, images=())],
        [manifest(FIRST, (("0.6-2.0", 4),)), manifest(SECOND, (("2.0-10.0", 4),))],
        [manifest(FIRST, (("0.4-2.0", 4),)), manifest(SECOND, (("0.4-2.0", 4),))],
    ],
    ids=["none", "one", "no map", "other map", "no image", "other bands", "low energies"],
)
def test_what_cannot_be_summed(manifests):
    assert sum_of(manifests) is None


def test_it_is_drawn_with_the_regions_of_the_class_that_has_a_source():
    second = manifest(SECOND, regions=(Role.SOURCE, Role.BACKGROUND, Role.CALIBRATION))
    found = sum_of([manifest(FIRST, regions=(Role.CALIBRATION,)), second])
    drawn = found.pictured(OBSID)
    assert [item.name for item in drawn.products] == [
        "xrism-xtend-obsid900002010-allclasses-imbinfactor4-en0.6_10.0keV-rateimage.fits",
        f"{SECOND}-source.reg",
        f"{SECOND}-calibration.reg",
    ]
    assert drawn.products[0].kind == Kind.RATE_IMAGE
    assert sum_of([manifest(FIRST), manifest(SECOND)]).regions == ()


@pytest.mark.parametrize("store", ["directory"], indirect=True)
def test_a_record_that_cannot_be_read_is_none(store):
    assert read_combined(store, OBSID) is None
    record = Combined(of="a" * 64, dataclasses=(FIRST, SECOND), band="0.6-10.0", binning=4)
    store.replace(combined_key(OBSID, RECORD), record.model_dump_json().encode())
    assert read_combined(store, OBSID) == record
    store.replace(combined_key(OBSID, RECORD), b'{"of": 1}')
    assert read_combined(store, OBSID) is None

import pytest
from pydantic import ValidationError

from tasks.library.manifest import InputFile, Kind, Manifest, Product, ProductSpec, Role, Step, Target

HASH = "0" * 64


def product(name="a.fits", step=Step.EXTRACTION, kind=Kind.IMAGE, role=Role.FIELD, **entry):
    return Product(
        step=step, kind=kind, role=role, name=name, entry=entry,
        path=f"{step}-000000000000/{name}", size=1, sha256=HASH, fingerprint=HASH,
    )  # fmt: skip


@pytest.fixture
def manifest():
    return Manifest(
        obsid="000128000",
        dataclass="31100010",
        recipe="standard",
        target=Target(name="N132D", ra=81.25, dec=-69.64, origin="asked for"),
        inputs=(InputFile(name="xtend/event_cl/x.evt.gz", size=7, sha256=HASH),),
        products=(
            product("e.fits", Step.EXPOSURE, Kind.EXPOSURE_MAP, binning=4),
            product("i1.fits", binning=1, channels=[100, 334]),
            product("i4.fits", binning=4, channels=[100, 334]),
            product("s.fits", kind=Kind.SPECTRUM, role=Role.SOURCE),
            product("b.fits", kind=Kind.SPECTRUM, role=Role.BACKGROUND),
        ),
    )


def test_it_survives_json_under_its_public_names(manifest):
    text = manifest.model_dump_json(by_alias=True)
    assert text.startswith('{"schema":1,"obsid":"000128000"')
    assert Manifest.model_validate_json(text) == manifest


def test_products_by_step(manifest):
    assert [item.name for item in manifest.of(Step.EXPOSURE)] == ["e.fits"]
    assert manifest.of(Step.REGIONS) == ()


def test_products_by_kind_role_and_entry(manifest):
    def names(*arguments, **entry):
        return [item.name for item in manifest.find(*arguments, **entry)]

    assert names(Kind.IMAGE) == ["i1.fits", "i4.fits"]
    assert names(Kind.IMAGE, binning=4) == ["i4.fits"]
    assert names(Kind.IMAGE, binning=4, channels=[1, 2]) == []
    assert names(Kind.SPECTRUM) == ["s.fits", "b.fits"]
    assert names(Kind.SPECTRUM, Role.BACKGROUND) == ["b.fits"]
    assert names(Kind.SPECTRUM, binning=4) == []


def test_it_cannot_be_changed(manifest):
    with pytest.raises(ValidationError, match="frozen"):
        manifest.recipe = "other"


@pytest.mark.parametrize("name", ["", "a/b", "../a", "..", ".", ".hidden", "-rf", "a b", "a\n", "ä"])
def test_a_product_s_name_is_a_plain_file_name(name):
    with pytest.raises(ValidationError):
        ProductSpec(step=Step.EXTRACTION, kind=Kind.IMAGE, role=Role.FIELD, name=name)


@pytest.mark.parametrize(
    "change",
    [
        {"obsid": "128000"}, {"dataclass": "3110001G"}, {"colour": "red"}, {"schema": "one"},
        {"steps": {"dance": {}}}, {"target": {"name": "x", "ra": 1, "dec": 2, "origin": "guessed"}},
        {"inputs": [{"name": "x", "size": 1, "sha256": "short"}]},
    ],
)  # fmt: skip
def test_what_is_no_manifest(manifest, change):
    with pytest.raises(ValidationError):
        Manifest.model_validate(manifest.model_dump(mode="json", by_alias=True) | change)


@pytest.mark.parametrize(
    "change", [{"size": 0}, {"sha256": "x"}, {"fingerprint": "0" * 63}, {"kind": "song"}]
)
def test_what_is_no_product(change):
    with pytest.raises(ValidationError):
        Product.model_validate(product().model_dump(mode="json") | change)

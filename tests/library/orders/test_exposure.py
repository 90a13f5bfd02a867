"""What exposure maps depend on where events were cut by a list of flickering pixels."""

import pytest

from tasks.library.fingerprint import fingerprint
from tasks.library.manifest import Kind, Step
from tasks.library.orders import order

NATIVE = {"name": "native", "versions": {"native": "1"}}
HEASOFT = {"name": "heasoft", "versions": {"heasoft": "6.36", "caldb": "20260115-a", "heasoft-engine": "1"}}


def with_other_pixels(manifest):
    """The same products, but another list."""
    changed = tuple(
        item.model_copy(update={"fingerprint": fingerprint("other pixels")})
        if item.kind == Kind.FLICKERING
        else item
        for item in manifest.products
    )
    return manifest.model_copy(update={"products": changed})


@pytest.mark.parametrize("exposure", [NATIVE, HEASOFT], ids=lambda use: use["name"])
@pytest.mark.parametrize("tool", ["none", "searchflickpix", "xtdpixclip"])
def test_maps_of_either_engine_follow_the_list(dataset, done, exposure, tool):
    engines = {**dict.fromkeys(Step, NATIVE), Step.PROCESSING: HEASOFT, Step.EXPOSURE: exposure}
    asked = dataset(engines=engines, recipe={"heasoft": {"flickering": tool}})
    manifest = done(asked)
    before, after = (order(Step.EXPOSURE, asked, given) for given in (manifest, with_other_pixels(manifest)))
    maps = [item for item in before.wanted if item.spec.kind == Kind.EXPOSURE_MAP]
    assert len(maps) > 1
    assert (before.fingerprint != after.fingerprint) == (tool != "none")
    for old, new in zip(before.wanted, after.wanted, strict=True):
        assert old.spec == new.spec
        assert (old.fingerprint != new.fingerprint) == (tool != "none")

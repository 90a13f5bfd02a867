"""Region files given in the recipe's folder, and how what is taken in regions is named."""

from pathlib import Path

import pytest

from tasks.core.errors import EnvironmentFault
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.orders import order
from tasks.library.orders.regions import given_regions

OBSID, DATACLASS = "900001010", "30000010"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "regions"
    made.mkdir()
    (made / "900002010_src.reg").write_text("physical\ncircle(1,2,3)\n")
    return made


@pytest.fixture
def with_folder(dataset, folder):
    """The dataset with that folder in its recipe, and files of it."""

    def make(**files: str):
        for name, text in files.items():
            (folder / f"{name}.reg").write_text(text)
        return dataset(recipe={"source": {"region_folder": str(folder)}})

    return make


def fingerprints(asked, manifest: Manifest) -> dict[Role, set[str]]:
    wanted = order(Step.REGIONS, asked, manifest).wanted
    return {role: {item.fingerprint for item in wanted if item.spec.role == role} for role in Role}


def with_facts(manifest: Manifest, **facts: object) -> Manifest:
    record = manifest.steps[Step.REGIONS].model_copy(update={"facts": facts})
    return manifest.model_copy(update={"steps": {**manifest.steps, Step.REGIONS: record}})


def test_files_of_other_observations_are_not_given(with_folder):
    assert given_regions(with_folder()) == {}


def test_a_file_of_the_data_class_comes_before_one_of_the_observation(with_folder, folder):
    asked = with_folder(**{f"{OBSID}_src": "a", f"{OBSID}_back": "b"})
    assert given_regions(asked) == {
        Role.SOURCE: folder / f"{OBSID}_src.reg",
        Role.BACKGROUND: folder / f"{OBSID}_back.reg",
    }
    asked = with_folder(**{f"{OBSID}_{DATACLASS}_src": "c", f"{OBSID}_32000010_back": "d"})
    assert given_regions(asked) == {
        Role.SOURCE: folder / f"{OBSID}_{DATACLASS}_src.reg",
        Role.BACKGROUND: folder / f"{OBSID}_back.reg",
    }


def test_without_a_folder_nothing_is_given(dataset):
    assert given_regions(dataset()) == {}


def test_a_folder_that_is_not_there_is_told(dataset, tmp_path):
    asked = dataset(recipe={"source": {"region_folder": str(tmp_path / "none")}})
    with pytest.raises(EnvironmentFault, match="none is not on this host"):
        given_regions(asked)


def test_the_content_of_a_given_file_decides_and_not_where_it_lies(dataset, done, with_folder, tmp_path):
    manifest = done(dataset())
    plain = fingerprints(with_folder(), manifest)
    assert plain == fingerprints(dataset(), manifest)
    source = fingerprints(with_folder(**{f"{OBSID}_src": "physical\ncircle(1,2,3)\n"}), manifest)
    other = fingerprints(with_folder(**{f"{OBSID}_src": "physical\ncircle(1,2,4)\n"}), manifest)
    # A background by rule keeps clear of the source, so it is chosen anew as well.
    for role in (Role.SOURCE, Role.BACKGROUND):
        assert len(plain[role] | source[role] | other[role]) == 3 * len(plain[role])
    assert plain[Role.CALIBRATION] == source[Role.CALIBRATION]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / f"{OBSID}_{DATACLASS}_src.reg").write_text("physical\ncircle(1,2,4)\n")
    moved = dataset(recipe={"source": {"region_folder": str(tmp_path / "elsewhere")}})
    assert fingerprints(moved, manifest) == other


def test_a_given_background_leaves_the_source_alone(dataset, done, with_folder):
    manifest = done(dataset())
    plain = fingerprints(dataset(), manifest)
    given = fingerprints(with_folder(**{f"{OBSID}_back": "b"}), manifest)
    assert given[Role.SOURCE] == plain[Role.SOURCE]
    assert not given[Role.BACKGROUND] & plain[Role.BACKGROUND]


def source_names(asked, manifest: Manifest) -> list[str]:
    wanted = order(Step.EXTRACTION, asked, manifest).wanted
    return [
        item.spec.name
        for item in wanted
        if item.spec.role == Role.SOURCE and item.spec.kind in (Kind.SPECTRUM, Kind.LIGHT_CURVE)
    ]


def test_a_source_circle_is_named_by_its_own_radius(dataset, done):
    asked = dataset()
    manifest = with_facts(done(asked), source={"radius_arcmin": 1.5})
    assert all("-radius0.025deg-" in name for name in source_names(asked, manifest))
    assert all("-radius0.0333deg-" in name for name in source_names(asked, done(asked)))


def test_a_source_region_that_is_no_circle_is_named_by_its_hash(dataset, done):
    asked = dataset()
    manifest = with_facts(done(asked), source={"radius_arcmin": None})
    digest = manifest.find(Kind.REGION, Role.SOURCE, frame="skypix")[0].sha256[:8]
    found = source_names(asked, manifest)
    assert found
    assert all(f"-reg{digest}-" in name for name in found)
    net = [
        item.spec.name for item in order(Step.DERIVED, asked, manifest).wanted if item.spec.role == Role.NET
    ]
    assert net
    assert all(f"-reg{digest}-" in name for name in net)

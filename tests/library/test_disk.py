"""Where files lie, how much they take, and what is left."""

import shutil

import pytest

from tasks.core.settings import Settings
from tasks.library.disk import places


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", downloads_gb=3, scratch_gb=0.5)


def test_before_anything_is_there(settings, tmp_path):
    store, downloads, scratch = places(settings, 0)
    assert [place.name for place in (store, downloads, scratch)] == ["store", "downloads", "scratch"]
    assert (store.bytes, downloads.bytes, scratch.bytes) == (0, 0, 0)
    assert (store.limit, downloads.limit, scratch.limit) == (None, 3 * 10**9, 5 * 10**8)
    assert store.where == str(tmp_path / "data" / "store")
    free = shutil.disk_usage(tmp_path).free
    assert all(place.free == pytest.approx(free, rel=0.05) for place in (store, downloads, scratch))
    assert not (tmp_path / "data").exists()


def test_files_are_counted_wherever_they_lie(settings):
    for name, size in (("000000001/a", 10), ("000000001/b/c", 200), ("stray", 3000)):
        file = settings.downloads / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
    (settings.downloads / "link").symlink_to(settings.root)
    store, downloads, _ = places(settings, 77)
    assert (store.bytes, downloads.bytes) == (77, 3210)


def test_a_bucket_is_no_disk(tmp_path):
    store = places(Settings(data=tmp_path, store="s3://bucket/prefix"), 5)[0]
    assert (store.where, store.bytes, store.free) == ("s3://bucket/prefix", 5, None)

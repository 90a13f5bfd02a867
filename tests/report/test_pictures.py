import pytest

from tasks.core.identifiers import DataClass, ObsID
from tasks.library.store import open_store
from tasks.report.choice import IMAGE, PICTURES
from tasks.report.pictures import Pictures, Preview, forget_pictures, keep_pictures, read_pictures

OBSID, DATACLASS = ObsID("900000010"), DataClass("30000010")
KEY = f"report/{OBSID}/{DATACLASS}"


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "store"))


def test_what_is_kept_is_read(store):
    drawn = Preview(title="Image", file=IMAGE, alt="A field.", caption="In counts.", size=(900, 800))
    pictures = Pictures(of="1" * 64, previews=(drawn,), plot=Preview(title="Fit", file="fit.png", why="odd"))
    keep_pictures(store, OBSID, DATACLASS, pictures)
    assert read_pictures(store, OBSID, DATACLASS) == pictures


@pytest.mark.parametrize("content", [b"", b"{", b'{"previews": 3}', b'{"another": "version"}'])
def test_what_cannot_be_read_is_as_nothing(store, content):
    assert read_pictures(store, OBSID, DATACLASS) is None
    store.replace(f"{KEY}/pictures.json", content)
    assert read_pictures(store, OBSID, DATACLASS) is None


def test_what_is_forgotten_is_gone_and_the_page_stays(store):
    keep_pictures(store, OBSID, DATACLASS, Pictures())
    for name in (*PICTURES[:2], "index.html"):
        store.replace(f"{KEY}/{name}", b"x")
    forget_pictures(store, OBSID, DATACLASS)
    assert set(store.sizes(KEY)) == {f"{KEY}/index.html"}

"""A listing's hash changes when a needed file does, and with nothing else."""

import os
from pathlib import Path

import pytest

from tasks.archive.download import fetch_observation
from tasks.archive.layout import ArchiveFile
from tasks.archive.listings import listing_hash, look
from tasks.core.errors import EnvironmentFault, NoData, Transient
from tasks.core.identifiers import ObsID
from tasks.library.dataset import LISTING

OBSID = ObsID("300049010")
EVENTS = f"xtend/event_cl/xa{OBSID}xtd_p031100010_cl.evt.gz"
EHK = f"auxil/xa{OBSID}.ehk.gz"
ORBIT = f"auxil/xa{OBSID}.orb.gz"


def listing(**changes: dict[str, object]) -> list[ArchiveFile]:
    plain = {EVENTS: 1, EHK: 2, ORBIT: 3, "log/index.html": 4}
    return [
        ArchiveFile.model_validate({"name": name, "size": size, "etag": f"e{size}"} | changes.get(name, {}))
        for name, size in plain.items()
    ]


def hashed(files: list[ArchiveFile], pipeline: bool = False) -> str:
    return listing_hash(OBSID, files, pipeline=pipeline)


@pytest.mark.parametrize("change", [{"size": 9}, {"etag": "other"}])
@pytest.mark.parametrize(
    ("name", "native", "pipeline"),
    [(EVENTS, True, True), (EHK, True, True), (ORBIT, False, True), ("log/index.html", False, False)],
)
def test_what_the_engines_read_counts(name, change, native, pipeline):
    other = listing(**{name: change})
    assert (hashed(other) != hashed(listing())) is native
    assert (hashed(other, pipeline=True) != hashed(listing(), pipeline=True)) is pipeline


def test_the_archives_response_counts_where_it_is_taken():
    rmf = ArchiveFile(name=f"xtend/products/xa{OBSID}xtd_src.rmf.gz", size=5)
    with_rmf, bare = (
        [listing_hash(OBSID, files, pipeline=False, rmf=rmf) for rmf in (True, False)]
        for files in ([*listing(), rmf], listing())
    )
    assert with_rmf[0] != bare[0]
    assert with_rmf[1] == bare[1] == bare[0]


def test_the_order_does_not_count_and_a_new_data_class_does():
    assert hashed(listing()[::-1]) == hashed(listing())
    more = [*listing(), ArchiveFile(name=EVENTS.replace("31100010", "32000010"), size=1, etag="e")]
    assert hashed(more) != hashed(listing())


def test_without_usable_files_it_says_why():
    locked = [ArchiveFile(name=f"{EVENTS}.gpg", size=1)]
    kinds = {hashed([]), hashed(locked), hashed(listing())}
    assert len(kinds) == 3
    assert hashed([ArchiveFile(name="log/other.html", size=7)]) == hashed([])


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "archive" / OBSID[0] / OBSID / EVENTS
    file.parent.mkdir(parents=True)
    file.write_bytes(b"events")
    return tmp_path / "archive"


def test_a_replaced_file_is_seen_by_its_time_where_there_is_no_etag(archive):
    unknown = ObsID("300049999")
    before = look(str(archive), [OBSID, unknown], pipeline=False)
    assert before.keys() == {OBSID, unknown}
    assert look(str(archive), [OBSID, unknown], pipeline=False) == before
    os.utime(archive / OBSID[0] / OBSID / EVENTS, (1, 1))
    after = look(str(archive), [OBSID, unknown], pipeline=False)
    assert [after[obsid] == before[obsid] for obsid in (OBSID, unknown)] == [False, True]


def test_an_archive_that_does_not_answer_for_one_answers_for_the_others(archive, monkeypatch, caplog):
    class Flaky:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def list(self, obsid):
            if obsid == OBSID:
                raise Transient("503")
            return ()

    monkeypatch.setattr("tasks.archive.listings.open_archive", lambda address: Flaky())
    assert look("anywhere", [OBSID, ObsID("300049999")], pipeline=False).keys() == {"300049999"}
    assert "300049010: the archive could not be looked at: 503" in caplog.text


def test_an_archive_that_is_not_there(tmp_path):
    with pytest.raises(EnvironmentFault, match="nowhere"):
        look(str(tmp_path / "nowhere"), [OBSID], pipeline=False)


def test_a_download_leaves_what_it_saw_even_when_it_fails(archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = look(str(archive), [OBSID, ObsID("300049999")], pipeline=False)
    with pytest.raises(NoData):
        fetch_observation(str(archive), "300049999", str(tmp_path / "downloads"))
    assert (tmp_path / LISTING).read_text() == seen[ObsID("300049999")]

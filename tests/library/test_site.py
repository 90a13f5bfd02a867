import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core.errors import BadInput, EnvironmentFault
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.library import leases
from tasks.library import site as sites
from tasks.library.site import Site, open_site, this_site

HOST = socket.gethostname()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return open_site(Settings(data=tmp_path / "data", cores=3))


def test_everything_lies_below_the_data_directory(site, tmp_path):
    root = tmp_path / "data"
    assert site.cores == 3
    assert site.downloads == root / "downloads"
    assert site.scratch == root / "scratch" / f"{HOST}-{os.getpid()}"
    assert site.holder == f"{HOST}:{os.getpid()}"
    assert site.results == root / "store" / ".results"
    assert site.log(ObsID("000128000")) == root / "logs" / "000128000" / "observation.log"
    assert site.log(ObsID("000128000"), DataClass("30000010")) == root / "logs/000128000/30000010.log"
    assert (root / "ledger.sqlite").exists()


@pytest.mark.usefixtures("bucket")
def test_results_of_a_far_store_lie_with_the_data(tmp_path, bucket):
    site = open_site(Settings(data=tmp_path / "data", store=f"s3://{bucket}/products"))
    assert site.results == tmp_path / "data" / ".results"
    site.store.close()


def test_results_lie_with_a_store_that_lies_elsewhere(tmp_path):
    site = open_site(Settings(data=tmp_path / "data", store=str(tmp_path / "elsewhere")))
    assert site.results == tmp_path / "elsewhere" / ".results"
    # A hidden folder is no product.
    site.results.mkdir(parents=True)
    (site.results / "cached").write_text("1")
    assert site.store.sizes() == {}


def test_a_site_is_opened_once(tmp_path):
    assert open_site(Settings(data=tmp_path)) is open_site(Settings(data=tmp_path))
    assert open_site(Settings(data=tmp_path)) is not open_site(Settings(data=tmp_path, cores=7))


def test_this_site_is_that_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("XTENDFLOW_DATA", str(tmp_path / "there"))
    assert this_site().settings.root == tmp_path / "there"


def test_a_place_that_cannot_be_used_is_told(tmp_path):
    with pytest.raises(BadInput, match="a store is a directory or"):
        open_site(Settings(data=tmp_path / "a", store="gopher://nowhere"))
    with pytest.raises(BadInput, match="ledger"):
        open_site(Settings(data=tmp_path / "b", ledger="mysql://nowhere/x"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match=r"file/ledger\.sqlite"):
        open_site(Settings(data=tmp_path / "c", ledger=f"sqlite:///{tmp_path}/file/ledger.sqlite"))
    with pytest.raises(EnvironmentFault, match="file"):
        open_site(Settings(data=tmp_path / "file" / "data"))
    with pytest.raises(EnvironmentFault, match=r"the data directory .*file/data cannot be made"):
        open_site(Settings(data=tmp_path / "file" / "data", ledger=f"sqlite:///{tmp_path}/ledger.sqlite"))


def test_scratch_of_processes_that_are_gone_is_cleared(site):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    scratch = site.settings.scratch
    left = {
        f"{HOST}-{ended.pid}": False,
        f"{HOST}-{os.getpid()}": True,
        f"{HOST}-{os.getppid()}": True,
        # Others who work in the same place: hosts with names that begin alike, and who knows what.
        f"{HOST}-2-{ended.pid}": True,
        f"other-{ended.pid}": True,
        f"{HOST}-notes": True,
        f"{ended.pid}": True,
    }
    for name in left:
        (scratch / name / "deep").mkdir(parents=True)
        (scratch / name / "deep" / "file").write_text("1")
    site.clear_scratch()
    assert {path.name for path in scratch.iterdir()} == {name for name, kept in left.items() if kept}


def test_there_may_be_no_scratch_yet(site):
    site.clear_scratch()


def test_a_process_of_somebody_else_is_alive(site, monkeypatch):
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    folder = site.settings.scratch / f"{HOST}-4711"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sites.os, "kill", refuse)
    site.clear_scratch()
    assert folder.exists()


def test_leases_of_processes_that_are_gone_end(site):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    holders = {
        f"{HOST}:{ended.pid}": True,
        f"{HOST}:{os.getpid()}": False,
        f"{HOST}-2:{ended.pid}": False,
        f"other:{ended.pid}": False,
        "somebody": False,
    }
    for number, holder in enumerate(holders):
        assert leases.acquire(site.ledger, f"00012800{number}", holder, 600)
    site.end_leases()
    assert leases.holders(site.ledger) == {holder for holder, gone in holders.items() if not gone}
    after = [leases.acquire(site.ledger, f"00012800{number}", "next", 600) for number in range(len(holders))]
    assert [lease is not None for lease in after] == list(holders.values())
    assert after[0].fence == 2

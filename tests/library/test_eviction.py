"""The law of eviction: within the limit or all in use, nothing in use removed, the oldest first."""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.core.errors import EnvironmentFault
from tasks.core.settings import Settings
from tasks.library import eviction, leases
from tasks.library.eviction import Evicted, evict
from tasks.library.site import Site, open_site

HOST = socket.gethostname()
OTHER = """
import json, sys
from tasks.library import leases
from tasks.library.ledger import Ledger
for line in sys.stdin:
    url, name, holder = json.loads(line)
    with_ledger = Ledger.open(url)
    print(leases.acquire(with_ledger, name, holder, 600) is not None, flush=True)
    with_ledger.close()
"""


@pytest.fixture(scope="module")
def hold() -> Iterator[Callable[..., None]]:
    """Has another process take leases that this one sees only through the ledger."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:

        def take(site: Site, names: Iterable[str], holder: str = "elsewhere:1") -> None:
            for name in names:
                other.stdin.write(json.dumps([site.settings.ledger_url, name, holder]) + "\n")
                other.stdin.flush()
                assert other.stdout.readline() == "True\n"

        yield take
        other.stdin.close()


@pytest.fixture
def site_with(tmp_path: Path) -> Callable[..., Site]:
    """Makes a site of its own; limits in bytes."""

    def make(downloads: int = 1000, scratch: int = 1000) -> Site:
        limits = {"downloads_gb": downloads / 1e9, "scratch_gb": scratch / 1e9}
        return open_site(Settings(data=tmp_path / uuid4().hex, **limits))

    return make


def fill(folder: Path, size: int, age: int, depth: int = 2) -> None:
    """A folder with files of a size in all, last written `age` seconds after the epoch."""
    deep = folder.joinpath(*["xtend"] * depth)
    deep.mkdir(parents=True)
    (deep / "a").write_bytes(b"x" * (size // 2))
    (folder / "datasets.json").write_bytes(b"x" * (size - size // 2))
    (folder / "link").symlink_to(__file__)
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (age, age), follow_symlinks=False)


def obsid(number: int) -> str:
    return f"{900000000 + number}"


folders = st.lists(
    st.tuples(st.integers(1, 3000), st.integers(1, 10**9), st.booleans()), min_size=0, max_size=7
)


@given(folders=folders, limit=st.integers(1, 6000))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_law_of_downloads(site_with, hold, folders, limit):
    site = site_with(downloads=limit)
    sizes, ages, held = {}, {}, set()
    for number, (size, age, used) in enumerate(folders):
        name = obsid(number)
        fill(site.downloads / name, size, age)
        sizes[name], ages[name] = size, age
        held |= {name} if used else set()
    hold(site, held)

    gone = evict(site)

    removed = [folder.name for folder in gone.folders]
    left = {path.name for path in site.downloads.glob("*")}
    assert left == sizes.keys() - set(removed)
    total = sum(sizes[name] for name in left)
    assert (gone.left, gone.bytes) == (total, sum(sizes[name] for name in removed))
    assert total <= limit or left <= held
    assert not held & set(removed)
    assert [ages[name] for name in removed] == sorted(ages[name] for name in removed)
    assert all(ages[name] <= ages[other] for name in removed for other in left - held)
    # Not one more than is needed.
    assert not removed or total + sizes[removed[-1]] > limit
    # No lease of its own is left, and none of others ended; nothing looks like an attempt.
    assert leases.holders(site.ledger) == ({"elsewhere:1"} if held else set())
    assert site.ledger.observations() == {}
    assert evict(site) == Evicted((), 0, total)
    shutil.rmtree(site.settings.root)


@given(
    folders=st.lists(
        st.tuples(
            st.integers(1, 3000), st.integers(1, 10**9), st.sampled_from(["gone", "idle", "holder", "alive"])
        ),
        max_size=6,
    ),
    limit=st.integers(1, 6000),
)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_law_of_scratch(site_with, hold, dead, folders, limit):
    """Processes gone from here and idle ones elsewhere lose theirs; holders and the living do not."""
    site = site_with(scratch=limit)
    sizes, ages, used = {}, {}, set()
    for number, (size, age, kind) in enumerate(folders):
        pid = {"gone": dead, "alive": os.getpid()}.get(kind, 4000 + number)
        host = HOST if kind in ("gone", "alive") else "other-host"
        name = f"{host}-{pid}"
        if name in sizes:
            continue
        fill(site.settings.scratch / name, size, age)
        sizes[name], ages[name] = size, age
        if kind == "holder":
            hold(site, [obsid(number)], f"{host}:{pid}")
        used |= {name} if kind in ("holder", "alive") else set()

    gone = evict(site)

    removed = [folder.name for folder in gone.folders]
    left = {path.name for path in site.settings.scratch.glob("*")}
    assert left == sizes.keys() - set(removed)
    total = sum(sizes[name] for name in left)
    assert gone.left == total
    assert total <= limit or left <= used
    assert not used & set(removed)
    assert all(ages[name] <= ages[other] for name in removed for other in left - used)
    assert not removed or total + sizes[removed[-1]] > limit
    shutil.rmtree(site.settings.root)


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    return ended.pid


def test_a_new_installation_has_nothing_to_remove(site_with, caplog):
    site = site_with()
    assert evict(site) == Evicted((), 0, 0)
    assert caplog.records == []
    assert not site.downloads.exists()


def test_what_other_people_put_there_is_not_ours(site_with, dead):
    site = site_with(1, 1)
    names = ("notes", "12345678", "1234567890", "900001010.tar", f"{HOST}-notes", f"{dead}", "-1")
    for name in names:
        for place in (site.downloads, site.settings.scratch):
            fill(place / name, 5000, 1)
    (site.downloads / "900001010").write_bytes(b"x" * 5000)
    elsewhere = site.settings.root / "elsewhere"
    fill(elsewhere, 5000, 1)
    (site.downloads / "900002010").symlink_to(elsewhere)
    assert evict(site) == Evicted((), 0, 0)
    assert {path.name for path in site.downloads.iterdir()} == {*names, "900001010", "900002010"}
    assert (elsewhere / "datasets.json").exists()


def test_using_a_download_again_makes_it_the_latest(site_with):
    """The download step writes its record anew whenever a run begins, whether or not anything is fetched."""
    site = site_with(1500)
    for number in range(3):
        fill(site.downloads / obsid(number), 700, 1000 + number)
    record = site.downloads / obsid(0) / "datasets.json"
    aside = record.with_suffix(".part")
    aside.write_bytes(record.read_bytes())
    aside.replace(record)
    assert [folder.name for folder in evict(site).folders] == [obsid(1)]


def test_this_process_is_protected_from_itself(site_with):
    site = site_with(1)
    fill(site.downloads / obsid(1), 700, 1)
    lease = leases.acquire(site.ledger, obsid(1), site.holder, 600)
    assert evict(site).folders == ()
    leases.confirm(site.ledger, lease)
    leases.release(site.ledger, lease)
    assert [folder.name for folder in evict(site).folders] == [obsid(1)]
    assert leases.acquire(site.ledger, obsid(1), site.holder, 600), "its lease was given back"


def test_a_run_that_begins_meanwhile_finds_all_or_nothing(site_with, monkeypatch):
    """When files are deleted the lease is free already, and the folder's name too."""
    site = site_with(1)
    fill(site.downloads / obsid(1), 700, 1)
    seen = []
    rmtree = shutil.rmtree

    def watch(folder: Path, **options: object) -> None:
        lease = leases.acquire(site.ledger, obsid(1), "a run", 600)
        seen.append((lease is not None, (site.downloads / obsid(1)).exists()))
        rmtree(folder, **options)

    monkeypatch.setattr(eviction.shutil, "rmtree", watch)
    evict(site)
    assert seen == [(True, False)]
    assert list(site.downloads.iterdir()) == []


def test_what_a_killed_eviction_put_aside_goes_too(site_with, monkeypatch):
    site = site_with(1)
    fill(site.downloads / obsid(1), 700, 1)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(eviction.shutil, "rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            evict(site)
    (aside,) = site.downloads.iterdir()
    assert aside.name.startswith(".")
    assert leases.holders(site.ledger) == set()
    assert evict(site) == Evicted((), 0, 0)
    assert list(site.downloads.iterdir()) == []


def test_what_is_told(site_with, hold, caplog):
    caplog.set_level(logging.INFO, "xtendflow.eviction")
    site = site_with(1, 1)
    for number in range(3):
        fill(site.downloads / obsid(number), 10_000_000, number)
    hold(site, [obsid(1)])
    evict(site)
    evict(site)
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in told] == ["WARNING", "INFO"], (
        "the warning once, and nothing the second time"
    )
    assert "downloads" in told[0][1]
    assert "XTENDFLOW_DOWNLOADS_GB" in told[0][1]
    assert "2 folders" in told[1][1]
    assert "0.02 GB; 0.01 GB stay" in told[1][1]


def test_files_that_vanish_and_folders_that_stay_harm_nobody(site_with, monkeypatch, caplog):
    site = site_with(1)
    for number in range(3):
        fill(site.downloads / obsid(number), 700, number)
    rename, acquire = Path.rename, leases.acquire

    def move(path: Path, target: Path) -> Path:
        if path.name == obsid(0):
            shutil.rmtree(path)
        if path.name == obsid(1):
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", move)
    gone = evict(site)
    assert {path.name for path in site.downloads.iterdir()} == {obsid(1)}
    assert gone.left == 700
    assert "Permission denied" in caplog.text

    def refuse(*_: object) -> None:
        raise EnvironmentFault("the ledger is full")

    monkeypatch.setattr(eviction.leases, "acquire", refuse)
    assert evict(site).folders == ()
    assert "the ledger is full" in caplog.text
    monkeypatch.setattr(eviction.leases, "acquire", acquire)
    assert leases.holders(site.ledger) == set()


def test_a_scan_while_somebody_writes_and_deletes(site_with):
    site = site_with(downloads=2000)
    busy = site.downloads / obsid(1) / "xtend"
    busy.mkdir(parents=True)
    fill(site.downloads / obsid(2), 3000, 1)
    stop = threading.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            folder = busy / f"{number}"
            folder.mkdir()
            (folder / "a").write_bytes(b"x")
            shutil.rmtree(folder)

    with_lease = leases.acquire(site.ledger, obsid(1), "a run", 600)
    worker = threading.Thread(target=churn)
    worker.start()
    try:
        for _ in range(30):
            evict(site)
    finally:
        stop.set()
        worker.join()
    leases.confirm(site.ledger, with_lease)
    assert [path.name for path in site.downloads.iterdir()] == [obsid(1)]

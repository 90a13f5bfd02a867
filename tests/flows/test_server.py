"""The standing local server: shared, adopted, and stopped by the last one that leaves."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from flows import server as module
from flows.server import Server, is_healthy, prefect_server, revive, running
from tasks.core.errors import EnvironmentFault
from tasks.core.settings import Settings

pytestmark = pytest.mark.system


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Those of a new data directory, where no server may be left."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = Settings(data=tmp_path / "data")
    yield settings
    home = f"PREFECT_HOME={settings.prefect_home}\0".encode()
    left = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and alive(int(entry.name)):
            try:
                if home in (entry / "environ").read_bytes():
                    left.append(int(entry.name))
            except OSError:
                continue
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def test_it_is_shared_kept_and_stopped_by_the_last(settings, monkeypatch):
    home = settings.prefect_home
    assert running(home) is None
    with prefect_server(settings, keep=True) as first:
        assert is_healthy(first)
        assert first.ui == first.api.removesuffix("/api")
        with prefect_server(settings) as second:
            assert second == first
        assert is_healthy(first), "a user that leaves must not take it from the others"
        assert running(home) == first
        # One of somebody's own goes first, however it is written.
        monkeypatch.setenv("PREFECT_API_URL", f"{first.api}/")
        with prefect_server(settings) as given:
            assert given == Server(first.api)
        monkeypatch.delenv("PREFECT_API_URL")
    assert running(home) == first, "it was asked to be kept"
    with prefect_server(settings) as third:
        assert third == first
    assert not alive(first.pid)
    assert running(home) is None


START = """
import sys, time
from pathlib import Path
from flows.server import prefect_server
from tasks.core.settings import Settings
with prefect_server(Settings(data=Path(sys.argv[1]))):
    time.sleep(600)
"""


def test_one_whose_starter_was_killed_is_adopted(settings, wait):
    """Even when it was killed while the server was still starting."""
    record = settings.prefect_home / "server.json"
    starter = subprocess.Popen([sys.executable, "-c", START, str(settings.data)])
    pid = wait(
        lambda: record.exists() and record.read_text() and json.loads(record.read_text())["pid"], "it starts"
    )
    starter.kill()
    starter.wait()
    assert alive(pid)
    assert running(settings.prefect_home) is None, "it still starts"
    with prefect_server(settings) as adopted:
        assert adopted.pid == pid
        assert is_healthy(adopted)
    assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_during_the_start_leaves_none(place, settings, wait, number):
    """`place` only lends the command; the data directory and the server are new."""
    variables = {"PREFECT_API_URL": "", "XTENDFLOW_DATA": str(settings.data)}
    command = place.with_variables(**variables).start("sweep", "--obsid", "900001010")
    wait((settings.prefect_home / "server.json").exists, "the server starts")
    command.send_signal(number)
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_a_stale_record_harms_nobody(settings):
    """Its process is gone, the number is somebody else's now, and nothing answers at the address."""
    bystander = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    home = settings.prefect_home
    home.mkdir(parents=True)
    (home / "server.json").write_text(json.dumps({"api": "http://127.0.0.1:9/api", "pid": bystander.pid}))
    assert running(home) is None
    with prefect_server(settings) as server:
        assert server.pid != bystander.pid
        assert is_healthy(server)
    assert bystander.poll() is None
    bystander.communicate(b"\n")


def test_one_that_dies_is_started_again_at_its_address_by_one_of_its_users(settings):
    home = settings.prefect_home
    with prefect_server(settings) as server:
        revive(server, home)
        assert running(home) == server, "it lives"
        os.killpg(server.pid, signal.SIGKILL)
        os.waitpid(server.pid, 0)
        assert running(home) is None
        with ThreadPoolExecutor() as users:
            for ended in [users.submit(revive, server, home) for _ in range(3)]:
                ended.result()
        second = running(home)
        assert second.api == server.api
        assert (alive(server.pid), alive(second.pid)) == (False, True)
        assert (home / "server.log").read_bytes().count(b"Check out the dashboard") == 2
        # Whoever comes before anybody has noticed does the same.
        os.killpg(second.pid, signal.SIGKILL)
        os.waitpid(second.pid, 0)
        with prefect_server(settings) as third:
            assert third.api == server.api
            assert third.pid not in (server.pid, second.pid)
        assert running(home) == third
    assert not alive(third.pid), "the last user stops it, whoever has started it"
    assert running(home) is None


def test_one_that_does_not_come_back(settings):
    with prefect_server(settings) as server:
        os.killpg(server.pid, signal.SIGKILL)
        os.waitpid(server.pid, 0)
        taken = "127.0.0.1", urlsplit(server.api).port
        with socket.create_server(taken), pytest.raises(EnvironmentFault, match=r"server\.log"):
            revive(server, settings.prefect_home)
        assert running(settings.prefect_home) is None
    revive(Server(server.api), settings.prefect_home)
    assert running(settings.prefect_home) is None, "one that was given is not ours"


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"api": 1, "pid": "x", "more": 2}'])
def test_a_damaged_record_is_none(settings, content):
    settings.prefect_home.mkdir(parents=True)
    (settings.prefect_home / "server.json").write_bytes(content)
    assert running(settings.prefect_home) is None


def test_a_port_that_is_taken(settings, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(module, "_free_port", lambda: taken.getsockname()[1])
        with pytest.raises(EnvironmentFault, match=r"server\.log"), prefect_server(settings):
            pass
    assert running(settings.prefect_home) is None
    assert (settings.prefect_home / "server.log").stat().st_size


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/api", "http://[", "nonsense", "ftp://127.0.0.1/api"])
def test_one_that_is_given_and_does_not_answer(settings, monkeypatch, address):
    monkeypatch.setenv("PREFECT_API_URL", address)
    with pytest.raises(EnvironmentFault, match="does not answer"), prefect_server(settings):
        pass
    assert not settings.data.exists()


def test_a_home_that_cannot_be_made(settings):
    settings.data.write_text("no folder")
    with pytest.raises(EnvironmentFault, match="cannot be made"), prefect_server(settings):
        pass


def test_what_is_scheduled_gets_runs(api):
    with httpx.Client(base_url=f"{api}/", trust_env=False, timeout=60) as client:
        flow = client.post("flows/", json={"name": "scheduled"}).raise_for_status().json()["id"]
        every_night = {"schedule": {"cron": "0 3 * * *"}, "active": True}
        wanted = {"name": "nightly", "flow_id": flow, "schedules": [every_night]}
        made = client.post("deployments/", json=wanted).raise_for_status().json()["id"]
        give_up = time.monotonic() + 40
        of_it = {"deployments": {"id": {"any_": [made]}}}
        while not (runs := client.post("flow_runs/filter", json=of_it).raise_for_status().json()):
            if time.monotonic() > give_up:
                break
            time.sleep(0.5)
        client.delete(f"deployments/{made}").raise_for_status()
    assert runs
    assert {run["state_type"] for run in runs} == {"SCHEDULED"}


def test_its_pages_ask_the_server_that_they_come_from(api):
    """Wherever it listens, and nobody else: the newer pages would."""
    told = httpx.get(f"{api.removesuffix('/api')}/ui-settings", trust_env=False).json()
    assert (told["api_url"], told["default_ui"]) == ("/api", "v1")

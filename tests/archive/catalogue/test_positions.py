import gc
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from astropy.coordinates.name_resolve import sesame_url
from astropy.utils.data import conf

from tasks.archive.catalogue.positions import resolve
from tasks.core.errors import BadInput, EnvironmentFault


class Sesame(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = unquote(self.path.partition("?")[2])
        if name == "slow":
            self.server.closing.wait(10)  # type: ignore[attr-defined]
            return
        self.send_response(500 if name == "broken" else 200)
        self.end_headers()
        known = b"%J 123.5 -45.25 = 08 14 00 -45 15 00\n" if name == "My Star" else b"#! nothing found\n"
        self.wfile.write(known)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def sesame(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sesame)
    server.daemon_threads, server.block_on_close = True, False
    server.closing = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    with (
        sesame_url.set([f"http://127.0.0.1:{server.server_port}/nph-sesame/"]),
        conf.set_temp("remote_timeout", 0.5),
    ):
        yield
    server.closing.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()
    gc.collect()


@pytest.mark.parametrize("name", ["N132D", "n132d", "N 132D", "N_132d"])
def test_known_targets_need_no_network(name: str) -> None:
    assert resolve(name, online=False) == (81.259, -69.644)


def test_every_bundled_name_is_a_name_with_one_position() -> None:
    from importlib.resources import files

    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    lines = (files("tasks.archive") / "data" / "targets.ecsv").read_text(encoding="utf-8")
    table = Table.read(lines, format="ascii.ecsv")
    for row in table:
        for name in row["names"].split("|"):
            assert resolve(name, online=False) == (row["ra"], row["dec"])
    sky = SkyCoord(table["ra"], table["dec"], unit="deg")
    assert len(sky) >= 40
    apart = sky[:, None].separation(sky).deg
    assert apart[~np.eye(len(sky), dtype=bool)].min() > 0.05


def test_unknown_targets_offline_tell_the_way_out() -> None:
    with pytest.raises(BadInput, match="'My Star' is not known offline: give its position with --position"):
        resolve("My Star", online=False)


@pytest.mark.parametrize("name", ["", "   ", "--", "a\nb", "x; DROP TABLE", "η Car", "a" * 81, "$(reboot)"])
def test_what_is_no_name_goes_nowhere(name: str) -> None:
    with pytest.raises(BadInput, match="is not a target's name"):
        resolve(name, online=True)


@pytest.mark.usefixtures("sesame")
def test_sesame_is_asked_for_the_rest() -> None:
    assert resolve("My Star", online=True) == (123.5, -45.25)


@pytest.mark.usefixtures("sesame")
def test_a_name_nobody_knows_is_bad_input() -> None:
    with pytest.raises(BadInput, match=r"no target is called 'My Planet'.*--position"):
        resolve("My Planet", online=True)


# astropy leaves the sockets of failed requests to the garbage collector, which the fixture calls.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("sesame")
@pytest.mark.parametrize("name", ["slow", "broken"])
def test_a_service_that_fails_is_an_environment_fault(name: str) -> None:
    with pytest.raises(EnvironmentFault, match=r"Sesame.*--position"):
        resolve(name, online=True)

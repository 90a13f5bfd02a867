"""The version of a CALDB changes when its indices do, and only then."""

import http.server
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.core.errors import EnvironmentFault
from tasks.engines.heasoft.caldb import INDICES, caldb_version

GENERAL, XTEND = INDICES


@pytest.fixture
def caldb(tmp_path: Path) -> Callable[..., Path]:
    """Makes a CALDB whose Xtend index is a copy of, or a link to, that of a day."""

    def make(name: str = "caldb", *, day: str | None = "20260115", linked: bool = False, content: str = "a"):
        root = tmp_path / name
        for index in INDICES:
            folder = (root / index).parent
            folder.mkdir(parents=True)
            (folder / "index").mkdir()
            (folder / "index" / "caldb.indx20200101").write_text("old")
            dated = folder / "index" / f"caldb.indx{day}"
            if day:
                dated.write_text(content)
            if linked:
                (root / index).symlink_to(dated)
            else:
                (root / index).write_text(content)
        return root

    return make


@pytest.mark.parametrize("linked", [True, False])
def test_the_day_is_that_of_the_index_in_force(caldb, linked):
    version = caldb_version(str(caldb(linked=linked)))
    day, _, short = version.partition("-")
    assert day == "20260115"
    assert len(short) == 12


def test_an_index_that_no_dated_one_equals_goes_by_its_hash(caldb):
    assert len(caldb_version(str(caldb(day=None)))) == 12


def test_it_does_not_matter_where_it_lies(caldb):
    assert caldb_version(str(caldb("one"))) == caldb_version(f"{caldb('other', linked=True)}/")


@pytest.mark.parametrize("index", INDICES)
def test_a_changed_index_is_another_version(caldb, index):
    root = caldb()
    before = caldb_version(str(root))
    (root / index).write_text("new files")
    assert caldb_version(str(root)) != before


def test_without_the_general_index_there_is_another_version(caldb):
    root = caldb()
    before = caldb_version(str(root))
    (root / GENERAL).unlink()
    assert caldb_version(str(root)) != before


def test_a_place_without_xtend_is_no_caldb_for_us(caldb, tmp_path):
    root = caldb()
    (root / XTEND).unlink()
    for place in (root, tmp_path / "nowhere"):
        with pytest.raises(EnvironmentFault, match=f"CALDB is {place}, where there is no {XTEND}"):
            caldb_version(str(place))


def test_an_index_that_cannot_be_read(caldb, monkeypatch):
    root = caldb()

    def deny(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises(EnvironmentFault, match=r"cannot be read.*Permission denied"):
        caldb_version(str(root))


@pytest.fixture
def served(caldb) -> Iterator[tuple[Path, str]]:
    """A CALDB behind a web server that gives entity tags; its folder and address."""
    root = caldb()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(root.parent), **kwargs)

        def end_headers(self):
            path = Path(self.translate_path(self.path))
            if path.is_file():
                self.send_header("ETag", f'"{path.read_text()}"')
            super().end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield root, f"http://127.0.0.1:{server.server_port}/{root.name}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_remote_one_is_its_address_and_what_the_server_tells(served):
    root, address = served
    for index in INDICES:
        os.utime(root / index, (1768435200, 1768435200))  # 2026-01-15
    version = caldb_version(f"{address}/")
    assert version.startswith(f"{address} 20260115-")
    assert caldb_version(address) == version
    (root / XTEND).write_text("b")
    assert caldb_version(address) != version


def test_a_remote_one_without_a_general_index_is_another(served):
    root, address = served
    before = caldb_version(address)
    (root / GENERAL).unlink()
    assert caldb_version(address) != before


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/caldb", "http://[broken", "ftp://host/caldb"])
def test_a_remote_one_that_does_not_answer(address):
    with pytest.raises(EnvironmentFault, match=r"the CALDB at .* cannot be read"):
        caldb_version(address)


def test_a_remote_one_without_xtend(served):
    root, address = served
    (root / XTEND).unlink()
    with pytest.raises(EnvironmentFault, match=r"cannot be read.*404"):
        caldb_version(address)

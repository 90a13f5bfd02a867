"""A TAP server on loopback that evaluates ADQL with SQLite and misbehaves on demand."""

import io
import re
import sqlite3
import threading
import urllib.parse
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import angular_separation
from astropy.io.votable import from_table, writeto
from astropy.io.votable.tree import Info
from astropy.table import MaskedColumn, Table

TYPES = {
    "__row": int,
    "obsid": str,
    "name": str,
    "ra": float,
    "dec": float,
    "time": float,
    "xtd_expo": float,
    "subject_category": str,
    "status": str,
    "public_date": int,
    "xtd_dataclas1": str,
    "xtd_dataclas2": str,
}
HTML = b"<html><head><title>Maintenance</title></head><body><p>We are <b>down<br></p></body></html>"
XHTML = b"<html><head><title>Maintenance</title></head><body><p>We are down</p></body></html>"


def _row(number: int = 1, **changes: Any) -> dict[str, Any]:
    plain = {
        "__row": number,
        "obsid": f"{300000000 + number}",
        "name": f"TARGET {number}",
        "ra": 81.26,
        "dec": -69.64,
        "time": 60300.5,
        "xtd_expo": 12000.0,
        "subject_category": "STARS ",
        "status": "archived",
        "public_date": 60700,
        "xtd_dataclas1": "30000010  ",
        "xtd_dataclas2": "        ",
    }
    return plain | changes


def _contains(point: str, circle: str) -> int:
    ra, dec = map(float, point.split())
    centre_ra, centre_dec, radius = map(float, circle.split())
    distance = angular_separation(*np.radians([centre_ra, centre_dec, ra, dec]))
    return int(np.degrees(distance) <= radius)


def _votable(names: list[str], rows: list[tuple[Any, ...]], status: str, types: dict[str, type]) -> bytes:
    table = Table()
    for index, name in enumerate(names):
        cells = [row[index] for row in rows]
        kind = types.get(name, int)
        table[name] = MaskedColumn(
            [kind() if cell is None else kind(cell) for cell in cells],
            mask=[cell is None for cell in cells],
            dtype="U40" if kind is str else kind,
        )
    votable = from_table(table)
    votable.resources[0].infos.append(Info(name="QUERY_STATUS", value=status))
    out = io.BytesIO()
    writeto(votable, out)
    return out.getvalue()


def _error_votable(text: str) -> bytes:
    return (
        '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">{text}</INFO></RESOURCE></VOTABLE>'
    ).encode()


class TapServer(ThreadingHTTPServer):
    """What tests set: `catalogues`, `faults` (one for each request), `row_limit` (`silent` or not), `types`
    (columns), `bare` (columns are told table by table), `unordered` (newest first whatever is asked)."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/xamin/vo"
        self.catalogues = {"xrismmastr": "XRISM Master Catalog", "numaster": "NuSTAR Master Catalog"}
        self.faults: deque[str] = deque()
        self.row_limit, self.silent, self.bare = 100_000, False, False
        self.unordered = False
        self.types: dict[str, type] = dict(TYPES)
        self.queries: list[str] = []
        self.asked = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        self.database.create_function("POINT", 3, lambda _, ra, dec: None if ra is None else f"{ra} {dec}")
        self.database.create_function("CIRCLE", 4, lambda _, ra, dec, radius: f"{ra} {dec} {radius}")
        self.database.create_function("CONTAINS", 2, lambda point, circle: point and _contains(point, circle))

    def hold(self, rows: list[dict[str, Any]]) -> None:
        """Make these the rows of xrismmastr."""
        columns = list(self.types)
        self.database.execute("DROP TABLE IF EXISTS xrismmastr")
        self.database.execute(f"CREATE TABLE xrismmastr ({', '.join(columns)})")
        marks = ", ".join("?" * len(columns))
        self.database.executemany(
            f"INSERT INTO xrismmastr VALUES ({marks})",  # noqa: S608
            [[row[column] for column in columns] for row in rows],
        )

    def answer(self, adql: str, maxrec: int | None) -> bytes:
        self.queries.append(adql)
        top = re.search(r"SELECT TOP (\d+)", adql)
        sql = re.sub(r"TOP \d+ ", "", adql) + (f" LIMIT {top[1]}" if top else "")
        with self.lock:
            try:
                cursor = self.database.execute(sql)
            except sqlite3.Error as exc:
                return _error_votable(str(exc))
            rows = cursor.fetchall()
        if self.unordered:
            rows.reverse()
        limit = min(self.row_limit, maxrec or self.row_limit)
        status = "OVERFLOW" if len(rows) > limit and not self.silent else "OK"
        return _votable([column[0] for column in cursor.description], rows[:limit], status, self.types)

    def tables(self, path: str) -> bytes:
        """The list of tables, or one table with its columns for `/tap/tables/{name}`."""
        asked = path.partition("?")[0].rpartition("/tables")[2].strip("/")
        column = "" if self.bare and not asked else "<column><name>obsid</name></column>"
        names = "".join(
            f"<table><name>{name}</name><description>{text}</description>{column}</table>"
            for name, text in self.catalogues.items()
            if asked in ("", name)
        )
        return (
            '<?xml version="1.0"?><vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0">'
            f"<schema><name>public</name>{names}</schema></vosi:tableset>"
        ).encode()


class Handler(BaseHTTPRequestHandler):
    server: TapServer

    def do_GET(self) -> None:
        self._serve(self.server.tables(self.path))

    def do_POST(self) -> None:
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        maxrec = int(form["MAXREC"][0]) if "MAXREC" in form else None
        self._serve(self.server.answer(form["QUERY"][0], maxrec))

    def _serve(self, body: bytes) -> None:
        self.server.asked += 1
        fault = self.server.faults.popleft() if self.server.faults else "none"
        status = int(fault) if fault.isdigit() else 200
        if fault == "hang":
            self.server.closing.wait(20)
            return
        if fault in ("html", "xhtml") or status != 200:
            body = XHTML if fault == "xhtml" else HTML
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if body in (HTML, XHTML) else "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else b"" if fault == "stall" else body)
        if fault == "stall":
            self.wfile.flush()
            self.server.closing.wait(20)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def tap(monkeypatch: pytest.MonkeyPatch) -> Iterator[TapServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = TapServer()
    server.hold([])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    server.database.close()
    thread.join()


@pytest.fixture
def row() -> Any:
    """A row of the catalogue as the server holds it, with changes."""
    return _row

"""A small observation, three places it can lie in, and a web server that can fail on purpose."""

import gzip
import io
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import numpy as np
import pytest
from astropy.io import fits

OBSID = "300049010"
Content = dict[str, bytes]


def _fits(seed: int, rows: int) -> bytes:
    random = np.random.default_rng(seed)
    columns = [
        fits.Column("TIME", "D", array=np.sort(random.uniform(0, 1000, rows))),
        fits.Column("PI", "J", array=random.integers(0, 4096, rows)),
    ]
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="EVENTS")])
    stream = io.BytesIO()
    hdus.writeto(stream, checksum=True)
    return stream.getvalue()


@pytest.fixture(scope="session")
def make_fits() -> Callable[..., bytes]:
    """FITS with a table and right checksums, uncompressed: `make_fits(seed, rows)`."""
    return lambda seed=0, rows=500: _fits(seed, rows)


@pytest.fixture(scope="session")
def content() -> Content:
    """Names → bytes of an observation: two data classes, one of them split, and files nobody needs."""
    names = [
        f"auxil/xa{OBSID}.ehk.gz",
        f"xtend/event_uf/xa{OBSID}xtd_p031100010.bimg.gz",
        f"xtend/event_uf/xa{OBSID}xtd_p032000010.bimg.gz",
        f"xtend/event_uf/xa{OBSID}xtd_p031100010_uf.evt.gz",
        f"xtend/event_cl/xa{OBSID}xtd_p031100010_cl.evt.gz",
        f"xtend/event_cl/xa{OBSID}xtd_p131100010_cl.evt.gz",
        f"xtend/event_cl/xa{OBSID}xtd_p032000010_cl.evt.gz",
    ]
    files = {name: gzip.compress(_fits(seed, 400), mtime=0) for seed, name in enumerate(names)}
    return files | {"log/index.html": b"<html><body>pipeline</body></html>"}


# ---------------------------------------------------------------------------------------------------------
# A web server with faults


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class FaultyServer:
    """Serves what `respond` gives; the n-th GET of a path that ends in a key of `faults` meets its n-th one.

    Faults: a status (`503`), `drop` (close without an answer), `cut` (half of the body, then close), `short`
    (half of the body as if it were all), `hang` (half of the body, then silence), `slow` (small pieces),
    `flip` (one bit in the middle), `flip elsewhere` (of the first byte), `page` (an HTML page with status
    200), `sum` (a wrong S3 checksum); None for none.
    """

    respond: Callable[[str, str, dict[str, str]], Response]
    faults: dict[str, list[Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def next_fault(self, path: str) -> Any:
        for suffix, waiting in self.faults.items():
            if path.endswith(suffix) and waiting:
                return waiting.pop(0)
        return None

    def gets(self, suffix: str = "") -> int:
        return sum(method == "GET" and path.endswith(suffix) for method, path in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    faulty: FaultyServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self._serve("HEAD", None)

    def do_GET(self) -> None:
        self._serve("GET", self.faulty.next_fault(self.path.partition("?")[0]))

    def _serve(self, method: str, fault: Any) -> None:
        self.faulty.requests.append((method, self.path))
        self.close_connection = fault is not None
        if fault == "drop":
            return
        answer = self.faulty.respond(method, self.path, dict(self.headers))
        if isinstance(fault, int):
            answer = Response(fault, {"Content-Type": "application/xml"}, b"")
        if fault == "page":
            answer = Response(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html>Sorry</html>")
        if fault == "sum":
            answer.headers["x-amz-checksum-crc32"] = "AAAAAA=="
        body = answer.body
        if fault == "short":
            body = body[: len(body) // 2]
        if fault in ("flip", "flip elsewhere"):
            spot = len(body) // 2 if fault == "flip" else 0
            body = body[:spot] + bytes([body[spot] ^ 1]) + body[spot + 1 :]
        self.send_response(answer.status)
        length = {} if "Content-Length" in answer.headers else {"Content-Length": str(len(body))}
        for key, value in (answer.headers | length).items():
            self.send_header(key, value)
        self.end_headers()
        if method == "GET":
            self._send(body, fault)

    def _send(self, body: bytes, fault: Any) -> None:
        if fault in ("cut", "hang"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if fault == "hang":
                self.faulty.release.wait(30)
        elif fault == "slow":
            for start in range(0, len(body), 1000):
                self.wfile.write(body[start : start + 1000])
                self.wfile.flush()
        else:
            self.wfile.write(body)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[..., Response]], FaultyServer]]:
    """Starts a `FaultyServer` on loopback for a function (method, path, headers) → `Response`."""
    running = []

    def start(respond: Callable[..., Response]) -> FaultyServer:
        faulty = FaultyServer(respond)
        handler = type("Handler", (_Handler,), {"faulty": faulty})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.handle_error = lambda request, address: None
        faulty.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread, faulty))
        return faulty

    yield start
    for server, thread, faulty in running:
        faulty.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


# ---------------------------------------------------------------------------------------------------------
# Three places


@dataclass
class Place:
    """An archive under test: its address, and ways to change it and to make it fail."""

    url: str
    put: Callable[[str, bytes], None]
    remove: Callable[[str], None]
    server: FaultyServer | None = None
    bucket: str = ""

    def put_many(self, keys: Iterable[str]) -> None:
        """Empty objects, straight into the S3 server's memory: a thousand requests would take long."""
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.s3.models import s3_backends

        for key in keys:
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(self.bucket, f"xrism/data/obs/{key}", b"")

    def fill(self, content: Content, obsid: str = OBSID) -> None:
        for name, data in content.items():
            self.put(f"{obsid[0]}/{obsid}/{name}", data)


@pytest.fixture
def directory_place(tmp_path: Path) -> Place:
    """A directory in the archive's layout."""
    root = tmp_path / "archive"
    root.mkdir()

    def put(key: str, data: bytes) -> None:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)

    return Place(str(root), put, lambda key: (root / key).unlink())


@pytest.fixture
def web_place(serve: Callable[..., FaultyServer]) -> Place:
    """A web server with index pages such as Apache makes, `.gz` sent with a content encoding."""
    files: dict[str, tuple[bytes, datetime]] = {}

    def respond(method: str, path: str, headers: dict[str, str]) -> Response:
        key = unquote(path.partition("?")[0]).removeprefix("/FTP/")
        if key in files:
            data, changed = files[key]
            described = {
                "ETag": f'"{len(data):x}-{hash(data) & 0xFFFF:x}"',
                "Last-Modified": changed.strftime("%a, %d %b %Y %H:%M:%S GMT"),
                "Content-Length": str(len(data)),
            }
            packed = {"Content-Encoding": "gzip"} if key.endswith(".gz") else {}
            return Response(200, described | packed, data)
        children = sorted({_child(name, key) for name in files if name.startswith(key) and key.endswith("/")})
        if not children:
            return Response(404, {"Content-Type": "text/html"}, b"<html>Not Found</html>")
        return Response(200, {"Content-Type": "text/html;charset=ISO-8859-1"}, _index(path, children))

    server = serve(respond)
    now = datetime.now(UTC)
    return Place(
        f"http://127.0.0.1:{server.port}/FTP",
        lambda key, data: files.__setitem__(key, (data, now)),
        lambda key: files.__delitem__(key),
        server,
    )


def _child(name: str, folder: str) -> str:
    head, slash, _ = name.removeprefix(folder).partition("/")
    return head + slash


def _index(path: str, children: list[str]) -> bytes:
    parent = path.rstrip("/").rpartition("/")[0] + "/"
    rows = [f'<tr><td><a href="{child}">{child}</a></td><td>1.0M</td></tr>' for child in children]
    head = f'<html><head><title>Index of {path}</title></head><body><a href="?C=N;O=D">Name</a>'
    text = f'{head}<table><a href="{parent}">Parent Directory</a>{"".join(rows)}</table></body></html>'
    return text.encode()


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    """Port of an S3 server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def s3_place(
    moto_port: int, serve: Callable[..., FaultyServer], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A bucket of its own behind a server that can fail."""
    import boto3

    def respond(method: str, path: str, headers: dict[str, str]) -> Response:
        connection = HTTPConnection("127.0.0.1", moto_port)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        kept = {
            key: value
            for key, value in answer.getheaders()
            # An archive need not keep checksums of its own; then only ours notice a flipped bit.
            if not re.match("transfer-enc|connection|server|date|x-amz-(checksum|sdk)", key, re.IGNORECASE)
        }
        return Response(answer.status, {key.title(): value for key, value in kept.items()}, body)

    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    server = serve(respond)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.port}")
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{moto_port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    bucket = f"archive-{uuid4().hex[:12]}"
    client.create_bucket(Bucket=bucket, ACL="public-read")
    yield Place(
        f"s3://{bucket}/xrism/data/obs",
        lambda key, data: client.put_object(
            Bucket=bucket, Key=f"xrism/data/obs/{key}", Body=data, ACL="public-read"
        ),
        lambda key: client.delete_object(Bucket=bucket, Key=f"xrism/data/obs/{key}"),
        server,
        bucket,
    )
    client.close()


@pytest.fixture(params=["directory", "web", "s3"])
def place(request: pytest.FixtureRequest, content: Content) -> Place:
    """Each of the three, filled with the observation and one whose number begins alike."""
    filled: Place = request.getfixturevalue(f"{request.param}_place")
    filled.fill(content)
    filled.put(f"3/{OBSID}0/xtend/event_cl/xa{OBSID}xtd_p030000010_cl.evt.gz", b"a sibling")
    return filled

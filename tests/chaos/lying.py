"""An archive that lies: a web server or a bucket with faults between it and whoever reads."""

import gzip
import hashlib
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any, Protocol
from urllib.parse import unquote

FILE_FAULTS = ("503", "dropped", "slow", "cut", "short", "flipped", "replaced", "vanished")
PAGE_FAULTS = ("503", "dropped", "slow", "no listing")
_SHARE_OF_FILES, _SHARE_OF_PAGES = 0.35, 0.04
_SLOW_SECONDS = 3.0


@dataclass
class Answer:
    """What a server says."""

    status: int
    headers: dict[str, str]
    body: bytes


class Origin(Protocol):
    """Where the files really are."""

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer: ...

    def replace(self, path: str) -> None:
        """Put another version of a file in place of the one that is listed."""
        ...


def repacked(content: bytes) -> bytes:
    """The same file, packed otherwise: other bytes, size and hash."""
    return gzip.compress(gzip.decompress(content), 1, mtime=1) if content[:2] == b"\x1f\x8b" else content


@dataclass
class WebPages:
    """A directory as a web server shows it."""

    root: Path
    _replaced: set[str] = field(default_factory=set)

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        file = self.root / unquote(path.partition("?")[0]).lstrip("/")
        if file.is_dir():
            names = sorted(item.name + "/" * item.is_dir() for item in file.iterdir())
            links = "".join(f'<a href="{name}">{name}</a>' for name in names)
            page = f"<html><head><title>Index of {path}</title></head><body>{links}</body></html>"
            return Answer(200, {"Content-Type": "text/html"}, page.encode())
        if not file.is_file():
            return Answer(404, {"Content-Type": "text/html"}, b"<html>Not Found</html>")
        content = file.read_bytes()
        if path in self._replaced:
            content = repacked(content)
        described = {
            "ETag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"',
            "Last-Modified": format_datetime(datetime.fromtimestamp(file.stat().st_mtime, UTC), usegmt=True),
        }
        return Answer(200, described, content)

    def replace(self, path: str) -> None:
        self._replaced.add(path)


@dataclass
class Bucket:
    """A bucket of a real S3 server."""

    port: int
    bucket: str
    client: Any

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        kept = {
            key.title(): value
            for key, value in answer.getheaders()
            # An archive need not keep checksums of its own; then only ours notice a flipped bit.
            if not re.match(
                "transfer-enc|connection|server|date|content-length|x-amz-(checksum|sdk)", key, re.I
            )
        }
        if method == "HEAD":
            kept["Content-Length"] = answer.getheader("Content-Length", "0")
        return Answer(answer.status, kept, body)

    def replace(self, path: str) -> None:
        key = unquote(path.partition("?")[0]).removeprefix(f"/{self.bucket}/")
        content = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        self.client.put_object(Bucket=self.bucket, Key=key, Body=repacked(content), ACL="public-read")


@dataclass
class Liar:
    """Serves an origin, with faults as chance has them until it is told to be honest."""

    origin: Origin
    random: Random
    counts: Counter[str]
    honest: bool = False
    port: int = 0

    def fault(self, method: str, path: str) -> str:
        """What goes wrong with a request; empty when nothing does."""
        if self.honest:
            return ""
        is_file = method == "GET" and ".gz" in path and "list-type" not in path
        share, kinds = (_SHARE_OF_FILES, FILE_FAULTS) if is_file else (_SHARE_OF_PAGES, PAGE_FAULTS)
        if self.random.random() > share:
            return ""
        # None of them is left out by chance.
        fewest = min(self.counts[kind] for kind in kinds)
        kind = self.random.choice([kind for kind in kinds if self.counts[kind] == fewest])
        self.counts[kind] += 1
        return kind


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    liar: Liar

    def log_message(self, *said: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_GET(self) -> None:
        self._serve("GET")

    def _serve(self, method: str) -> None:
        fault = self.liar.fault(method, self.path)
        self.close_connection = bool(fault)
        if fault == "dropped":
            return
        if fault == "replaced":
            self.liar.origin.replace(self.path)
        answer = self.liar.origin.answer(method, self.path, dict(self.headers))
        if fault == "503":
            answer = Answer(503, {}, b"")
        elif fault == "vanished":
            answer = Answer(
                404, {"Content-Type": "application/xml"}, b"<Error><Code>NoSuchKey</Code></Error>"
            )
        elif fault == "no listing":
            answer = Answer(200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html>Sorry</html>")
        elif fault == "slow":
            time.sleep(_SLOW_SECONDS)
        elif fault == "flipped" and answer.body:
            spot = self.liar.random.randrange(len(answer.body))
            changed = bytearray(answer.body)
            changed[spot] ^= 1 << self.liar.random.randrange(8)
            answer.body = bytes(changed)
        elif fault == "short":
            answer.body = answer.body[: len(answer.body) // 2]
        self._send(method, answer, cut=fault == "cut")

    def _send(self, method: str, answer: Answer, *, cut: bool) -> None:
        self.send_response(answer.status)
        for key, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
            self.send_header(key, value)
        self.end_headers()
        if method == "GET":
            self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)


@contextmanager
def lying(origin: Origin, random: Random, counts: Counter[str]) -> Iterator[Liar]:
    """A server on loopback that lies about an origin."""
    liar = Liar(origin, random, counts)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"liar": liar}))
    server.daemon_threads = True
    server.handle_error = lambda request, address: None  # readers that were killed hang up
    liar.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield liar
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

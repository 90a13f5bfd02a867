"""An archive on a web server that lists its directories, as HEASARC and DARTS do."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from tasks.archive.layout import ArchiveFile, listed, observation_path
from tasks.archive.objects.interface import Archive, local_faults
from tasks.core.errors import BadInput, EnvironmentFault, Permanent, Transient
from tasks.core.identifiers import ObsID

CONNECTIONS: Final = 16
MAX_FOLDERS: Final = 200
_INDEX_TITLES: Final = ("index of", "directory listing")


class WebArchive(Archive):
    """Reads the directory indexes and files below a web address.

    Parameters
    ----------
    url : str
        Address below which `0/`, `2/`, `3/`, … lie.
    timeout : float
        Seconds that a connection may be silent.

    Raises
    ------
    BadInput
        When it is no plain web address.
    """

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.query or parts.fragment or parts.username:
            # The rest of it is not repeated: it may hold a key.
            raise BadInput(
                f"{parts.scheme}://{parts.hostname or ''}… is no plain web address: give https://host/path"
            )
        self.root = url.rstrip("/") + "/"
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, pool=None),
            limits=httpx.Limits(max_connections=CONNECTIONS),
            # Files are wanted as they lie there, not packed for the way.
            headers={"Accept-Encoding": "identity"},
        )

    def list(self, obsid: ObsID) -> tuple[ArchiveFile, ...]:
        """All files of an observation: indexes read folder by folder, sizes asked for file by file."""
        folder = self.root + observation_path(obsid)
        names = self._names(folder)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            files = pool.map(lambda name: self._head(folder, name), names)
            return tuple(sorted(filter(None, files), key=lambda file: file.name))

    def _names(self, folder: str) -> Iterator[str]:
        """Paths of all files below a folder, relative to it."""
        waiting, visited = [""], 0
        while waiting:
            below = waiting.pop()
            visited += 1
            if visited > MAX_FOLDERS:
                raise Transient(f"{folder} has more than {MAX_FOLDERS} folders: not an observation's index")
            entries = [below + entry for entry in self._index(folder + below, missing_is_empty=not below)]
            waiting += [entry for entry in entries if entry.endswith("/")]
            yield from (entry for entry in entries if not entry.endswith("/"))

    def _index(self, url: str, *, missing_is_empty: bool) -> tuple[str, ...]:
        with _translated(url):
            response = self._client.get(url)
        if response.status_code == 404 and missing_is_empty:
            return ()
        _check_status(response, url, refused=EnvironmentFault)
        page = _IndexPage(url)
        page.feed(response.text)
        if not page.title.strip().lower().startswith(_INDEX_TITLES):
            raise Transient(f"{url} answered with a page that is no directory index")
        return tuple(page.entries)

    def _head(self, folder: str, name: str) -> ArchiveFile | None:
        url = folder + name
        with _translated(url):
            response = self._client.head(url)
        _check_status(response, url, refused=EnvironmentFault)
        length = response.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise EnvironmentFault(f"the server does not tell the size of {url}")
        changed = response.headers.get("Last-Modified")
        modified = parsedate_to_datetime(changed).astimezone(UTC) if changed else None
        return listed(name, int(length), response.headers.get("ETag"), modified)

    def fetch(self, obsid: ObsID, file: ArchiveFile, to: Path, on_bytes: Callable[[int], None]) -> None:
        """Download a file (see `Archive.fetch`)."""
        url = self.root + observation_path(obsid) + file.name
        with _translated(url), local_faults(to), self._client.stream("GET", url) as response:
            _check_status(response, url, refused=Permanent)
            with to.open("wb") as sink:
                # Raw: some servers call a .gz file's own compression a content encoding.
                for piece in response.iter_raw():
                    sink.write(piece)
                    on_bytes(len(piece))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _IndexPage(HTMLParser):
    """Collects the title and the links that lead one step down from `url`, to the same place."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._in_title = False
        self.title = ""
        self.entries: dict[str, None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title"
        if tag == "a" and (link := dict(attrs).get("href")):
            self._add(link)

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data

    def _add(self, link: str) -> None:
        try:
            target = urljoin(self._url, link)
        except ValueError:
            return
        name = unquote(target.removeprefix(self._url))
        is_below = target.startswith(self._url) and name.strip("/") and "/" not in name[:-1]
        if is_below and not set("?#\\") & set(target) and name.rstrip("/") not in {".", ".."}:
            self.entries[name] = None


def _check_status(response: httpx.Response, url: str, *, refused: type[EnvironmentFault | Permanent]) -> None:
    status = response.status_code
    if status == 200:
        return
    if status == 404:
        raise Transient(f"{url} was replaced or withdrawn between listing and download")
    if status == 429 or status >= 500:
        raise Transient(f"the server answered {status} for {url}")
    if response.is_redirect:
        raise EnvironmentFault(f"{url} has moved to {response.headers.get('Location')}: give that address")
    raise refused(f"the server refuses {url}: {status} {response.reason_phrase}")


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.InvalidURL as exc:
        raise BadInput(f"{url} is no web address: {exc}") from exc
    except (httpx.TransportError, httpx.DecodingError) as exc:
        raise Transient(f"{url} could not be read: {exc or type(exc).__name__}") from exc

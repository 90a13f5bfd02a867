"""The store: where products live, a directory or a bucket behind one small interface."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tasks.core.errors import BadInput
from tasks.library.directory_store import DirectoryStore
from tasks.library.s3_store import S3Store


class Store(Protocol):
    """What the project asks of a store.

    Keys are relative POSIX paths (`000128000/30000010/manifest.json`); anything else is a `SoftwareFault`.
    A store that cannot be read or written raises `EnvironmentFault`; one that only stumbles (throttling, a
    lost connection) raises `Transient`.
    """

    def read(self, key: str) -> bytes | None:
        """What stands under a key, or None."""
        ...

    def replace(self, key: str, content: bytes) -> None:
        """Put this in place of whatever stands under the key: whole or not at all."""
        ...

    def swap(self, key: str, old: bytes | None, new: bytes) -> bool:
        """As `replace`, but only while `old` (None: nothing) stands there; False when something else does."""
        ...

    def put(self, key: str, local: Path) -> None:
        """Add a local file; one that is there already is never overwritten (`SoftwareFault`)."""
        ...

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Size in bytes of every key below a folder (the whole store when empty), hidden ones left out."""
        ...

    def sizes_of(self, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of many keys, those that are not there left out: the cheapest way to look."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Take keys away; those that are not there do no harm."""
        ...

    def local(self, key: str, directory: Path, sha256: str) -> Path:
        """A local path to read a published file, downloaded into `directory` and verified where needed."""
        ...

    def url(self, key: str) -> str:
        """Where people and browsers find it."""
        ...

    def check(self) -> None:
        """Make sure that the store can be written; leaves nothing."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def open_store(url: str) -> Store:
    """The store at a directory or an `s3://bucket/prefix` URL; nothing is read or written yet.

    Raises
    ------
    BadInput
        When the URL is neither.
    """
    if "://" not in url:
        if not url.strip() or "\0" in url:
            raise BadInput(f"{url!r} is no store: give a directory or s3://BUCKET/PREFIX")
        return DirectoryStore(Path(url).expanduser())
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    safe = parts.scheme == "s3" and re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", parts.netloc)
    part = r"[A-Za-z0-9_][A-Za-z0-9_.+=-]*"
    if not safe or not re.fullmatch(f"({part}(/{part})*)?", prefix) or parts.query or parts.fragment:
        # The URL is not repeated: someone may have written a password into it.
        raise BadInput(f"a store is a directory or s3://BUCKET/PREFIX, not {parts.scheme}://…")
    return S3Store(parts.netloc, prefix)

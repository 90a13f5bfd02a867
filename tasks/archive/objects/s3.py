"""An archive in a public S3 bucket, read without credentials through s3fs."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError as ConnectionTrouble
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError
from botocore.parsers import ResponseParserError
from fsspec.asyn import sync
from fsspec.callbacks import Callback
from s3fs import S3FileSystem

from tasks.archive.layout import ArchiveFile, listed, observation_path
from tasks.archive.objects.interface import Archive, local_faults
from tasks.core.errors import BadInput, EnvironmentFault, Permanent, Transient
from tasks.core.identifiers import ObsID
from tasks.core.words import without_password

CONNECTIONS: Final = 16
PART_SIZE: Final = 8 << 20
PARTS_AT_ONCE: Final = 4
"""Parts of one file held in memory at once; s3fs would take 500 MB a file by itself."""

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(?:/[A-Za-z0-9_.+-]+)*)/?")


class S3Archive(Archive):
    """Reads `s3://bucket/prefix`. `AWS_ENDPOINT_URL_S3` leads it elsewhere.

    Parameters
    ----------
    url : str
        Bucket and prefix, below which `0/`, `2/`, `3/`, … lie.
    timeout : float
        Seconds that a connection may be silent.

    Raises
    ------
    BadInput
        When the URL names no bucket.
    EnvironmentFault
        When the client refuses its configuration.
    """

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        match = _URL.fullmatch(url)
        if match is None:
            raise BadInput(f"{url!r} is no S3 address: give s3://bucket/prefix")
        self.root = match["bucket"] + match["prefix"]
        self._fs = S3FileSystem(
            anon=True,
            # Tries are counted in one place, the download; the client itself does not repeat requests.
            config_kwargs={
                "connect_timeout": timeout,
                "read_timeout": timeout,
                "max_pool_connections": CONNECTIONS,
                "retries": {"total_max_attempts": 1},
            },
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self._fs.retries = 2  # so that a body which breaks off is resumed once where it broke
        try:
            self._client = self._fs.connect()
        except (BotoCoreError, ValueError) as exc:
            raise EnvironmentFault(
                without_password(f"the S3 client cannot be set up for {url}: {exc}")
            ) from exc

    def list(self, obsid: ObsID) -> tuple[ArchiveFile, ...]:
        """All files of an observation, over all pages (see `Archive.list`)."""
        bucket, _, folder = f"{self.root}/{observation_path(obsid)}".partition("/")
        with _translated(f"s3://{bucket}/{folder}", missing=EnvironmentFault, refused=EnvironmentFault):
            found = tuple(self._objects(bucket, folder))
        # S3 knows no folders; a key that ends in `/` only marks one.
        entries = (
            _entry(entry["Key"].removeprefix(folder), entry)
            for entry in found
            if not entry["Key"].endswith("/")
        )
        return tuple(sorted(filter(None, entries), key=lambda file: file.name))

    def _objects(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Entries of all pages; s3fs's own `find` takes any XML without entries for an empty folder."""
        follow: dict[str, str] = {}
        while True:
            page = self._fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **follow)
            if "IsTruncated" not in page:
                raise Transient(f"s3://{bucket}/{prefix} was answered with something that is no listing")
            yield from page.get("Contents", ())
            if not page["IsTruncated"]:
                return
            follow = {"ContinuationToken": page["NextContinuationToken"]}

    def fetch(self, obsid: ObsID, file: ArchiveFile, to: Path, on_bytes: Callable[[int], None]) -> None:
        """Download an object (see `Archive.fetch`)."""
        key = f"{self.root}/{observation_path(obsid)}{file.name}"
        with _translated(f"s3://{key}", missing=Transient, refused=Permanent), local_faults(to):
            self._fs.get_file(
                key, str(to), callback=_Told(on_bytes), chunksize=PART_SIZE, max_concurrency=PARTS_AT_ONCE
            )

    def close(self) -> None:
        """Close the connections."""
        sync(self._fs.loop, self._client.close)


class _Told(Callback):  # type: ignore[misc]  # fsspec ships no types
    """Hands byte counts on."""

    def __init__(self, on_bytes: Callable[[int], None]) -> None:
        super().__init__()
        self._on_bytes = on_bytes

    def relative_update(self, inc: int = 1) -> None:
        self._on_bytes(inc)


def _entry(name: str, entry: dict[str, Any]) -> ArchiveFile | None:
    return listed(name, int(entry["Size"]), str(entry["ETag"]).strip('"'), entry["LastModified"])


@contextmanager
def _translated(
    what: str, *, missing: type[EnvironmentFault | Transient], refused: type[EnvironmentFault | Permanent]
) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        reason = (
            "was replaced or withdrawn between listing and download"
            if missing is Transient
            else "is not there: no such bucket"
        )
        raise missing(f"{what} {reason}") from exc
    except PermissionError as exc:
        raise refused(f"the archive refuses {what}: {exc}") from exc
    except FlexibleChecksumError as exc:
        # S3 took the file in only with this sum: the bytes were spoilt on their way.
        raise Transient(f"{what} does not have the checksum that S3 keeps of it: {exc}") from exc
    except (OSError, BotoCoreError, ClientError, ConnectionTrouble, ResponseParserError) as exc:
        # The address of an endpoint may hold a password.
        raise Transient(without_password(f"{what} could not be read: {exc or type(exc).__name__}")) from exc

"""A store in an S3 bucket, through s3fs."""

import errno
import hashlib
import mimetypes
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tasks.core.errors import EnvironmentFault, SoftwareFault, Transient
from tasks.core.words import without_password
from tasks.library.fingerprint import file_sha256
from tasks.library.keys import check_key

_DELETED_AT_ONCE = 1000
_REFUSED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_STUMBLES = {errno.EBUSY, errno.EREMOTEIO, errno.EIO, errno.ECONNRESET, errno.ETIMEDOUT}


class S3Store:
    """Objects below a prefix of a bucket.

    Credentials, region and `AWS_ENDPOINT_URL_S3` come from the environment as with every AWS tool.
    Conditional writes (If-Match, If-None-Match) keep two writers apart; one PUT shows an object whole.
    What a killed multipart upload leaves is for a lifecycle rule of the bucket to clear away.

    Parameters
    ----------
    bucket : str
        The bucket's name.
    prefix : str
        What every key starts with, without slashes at its ends; may be empty.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.root = f"{bucket}/{prefix}" if prefix else bucket
        self._opened: Any = None

    def read(self, key: str) -> bytes | None:
        """What stands under a key, or None."""
        with self._faults("read"):
            try:
                content: bytes = self._files.cat_file(self._path(key))
            except FileNotFoundError:
                return None
            return content

    def replace(self, key: str, content: bytes) -> None:
        """Put this in place of whatever stands under the key, in one PUT."""
        with self._faults("written"):
            self._put_object(key, content)

    def swap(self, key: str, old: bytes | None, new: bytes) -> bool:
        """As `replace`, but only while `old` (None: nothing) stands there."""
        with self._faults("written"):
            # The tag is taken first: it then belongs to what is read, or to something older.
            tag = self._tag(key)
            if self.read(key) != old:
                return False
            condition = {"IfMatch": tag} if tag else {"IfNoneMatch": "*"}
            try:
                self._put_object(key, new, **condition)
            except OSError as exc:
                if not _refused(exc):
                    raise
                # A PUT whose answer was lost is sent again, and then refused because of itself.
                return self.read(key) == new
            return True

    def put(self, key: str, local: Path) -> None:
        """Add a local file."""
        path = self._path(key)
        with self._faults("written"):
            try:
                self._files.put_file(str(local), path, mode="create")
            except OSError as exc:
                if not _refused(exc):
                    raise
                if self._tag(key) == _md5(local):  # our own, sent again after a lost answer
                    return
                raise SoftwareFault(
                    f"s3://{path} is published already; a published file is never overwritten"
                ) from exc

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Size in bytes of every key below a folder, in one paged listing."""
        start = f"{self.root}/"
        top = start + (f"{check_key(prefix)}/" if prefix else "")
        with self._faults("read"):
            found = self._files.find(top, detail=True)
        return {
            name.removeprefix(start): info["size"]
            for name, info in found.items()
            if name.startswith(top) and "/." not in name
        }

    def sizes_of(self, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of these keys that is there, by one paged listing of the whole store."""
        found = self.sizes()
        return {key: found[key] for key in keys if key in found}

    def delete(self, keys: Iterable[str]) -> None:
        """Take keys away, a thousand a request."""
        names = [self._name(key) for key in keys]
        with self._faults("written"):
            for first in range(0, len(names), _DELETED_AT_ONCE):
                self._delete(names[first : first + _DELETED_AT_ONCE])

    def local(self, key: str, directory: Path, sha256: str) -> Path:
        """A verified copy in `directory`, which is taken as it is when it stands there already."""
        path = directory / Path(check_key(key)).name
        if path.is_file() and file_sha256(path) == sha256:
            return path
        directory.mkdir(parents=True, exist_ok=True)
        partial = directory / f".{uuid4().hex}"
        try:
            with self._faults("read"):
                try:
                    self._files.get_file(self._path(key), str(partial))
                except FileNotFoundError as exc:
                    raise Transient(f"{self.url(key)} is gone from the store") from exc
            if file_sha256(partial) != sha256:
                raise Transient(f"{self.url(key)} arrived with another content than its manifest says")
            return partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def url(self, key: str) -> str:
        """An `s3:` URL."""
        return f"s3://{self._path(key)}"

    def check(self) -> None:
        """Make sure that objects can be made and deleted."""
        probe = f"{self._name('check')}-{uuid4().hex}"
        try:
            with self._faults("written"):
                self._files.call_s3("put_object", Bucket=self.bucket, Key=probe, Body=b"")
                self._delete([probe])
        except Transient as exc:
            raise EnvironmentFault(str(exc)) from exc

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            self._opened.close_session(self._opened.loop, self._opened.s3)
            self._opened = None

    @property
    def _files(self) -> Any:
        """The file system, opened at first use: s3fs takes a while to import."""
        if self._opened is None:
            from s3fs import S3FileSystem

            retries = {"retries": {"mode": "standard", "max_attempts": 4}}
            self._opened = S3FileSystem(
                skip_instance_cache=True, use_listings_cache=False, config_kwargs=retries
            )
            # Each of its own tries would be one of four tries below.
            self._opened.retries = 1
        return self._opened

    def _path(self, key: str) -> str:
        return f"{self.root}/{check_key(key)}"

    def _name(self, key: str) -> str:
        """A key as the bucket knows it."""
        return self._path(key).removeprefix(f"{self.bucket}/")

    def _tag(self, key: str) -> str | None:
        """The ETag of what stands under a key."""
        try:
            tag: str = self._files.info(self._path(key))["ETag"]
        except FileNotFoundError:
            return None
        return tag.strip('"')

    def _put_object(self, key: str, content: bytes, **condition: str) -> None:
        place = {"Bucket": self.bucket, "Key": self._name(key), "ContentType": _content_type(key)}
        self._files.call_s3("put_object", Body=content, **place, **condition)

    def _delete(self, names: list[str]) -> None:
        objects = {"Objects": [{"Key": name} for name in names], "Quiet": True}
        answer = self._files.call_s3("delete_objects", Bucket=self.bucket, Delete=objects)
        for error in answer.get("Errors", ()):
            raise PermissionError(f"{error['Key']}: {error.get('Message', error.get('Code'))}")

    @contextmanager
    def _faults(self, verb: str) -> Iterator[None]:
        """Turn what s3fs and botocore raise into errors of this project."""
        from aiohttp import ClientError
        from botocore import exceptions
        from botocore.parsers import ResponseParserError

        try:
            yield
        except (OSError, exceptions.BotoCoreError) as exc:
            # The address of an endpoint may hold a password.
            reason = without_password(f"the store s3://{self.root} cannot be {verb}: {exc}")
            stumble = isinstance(exc, OSError) and exc.errno in _STUMBLES
            lost = (TimeoutError, exceptions.HTTPClientError, exceptions.ConnectionError)
            if stumble or isinstance(exc, lost):
                raise Transient(reason) from exc
            raise EnvironmentFault(reason) from exc
        # A body that breaks off comes as the client's or the parser's own error.
        except (ClientError, ResponseParserError) as exc:
            raise Transient(without_password(f"the store s3://{self.root} cannot be {verb}: {exc}")) from exc


def _refused(error: OSError) -> bool:
    """Whether the server says that the condition of a write does not hold."""
    answer = getattr(error.__cause__, "response", {})
    return isinstance(error, FileExistsError) or answer.get("Error", {}).get("Code") in _REFUSED


def _content_type(key: str) -> str:
    """What a browser is told that a file is, so that a bucket can be looked at as a web site."""
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

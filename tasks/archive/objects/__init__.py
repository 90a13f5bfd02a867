"""Object stores: one small interface, three places where an archive can be."""

import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from tasks.archive.objects.interface import Archive
from tasks.core.errors import BadInput
from tasks.core.words import without_password

__all__ = ["Archive", "open_archive"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def open_archive(url: str) -> Archive:
    """The archive at `url`; use it in a `with` block or close it.

    Parameters
    ----------
    url : str
        `s3://bucket/prefix` (read without credentials), `https://host/path` (a server that lists its
        directories) or the path of a mounted or local directory. Below it lie `0/000128000/` and so on.

    Raises
    ------
    BadInput
        When this names no place that can be an archive.
    EnvironmentFault
        When the directory cannot be read.
    """
    scheme = _SCHEME.match(url)
    if without_password(url) != url:
        # Reports, logs and calls name the archive.
        raise BadInput(f"the archive {without_password(url)} must be one that needs no password")
    match scheme and scheme[1].lower():
        case None:
            return _directory(Path(url))
        case "file":
            return _directory(Path(urlsplit(url).path))
        case "s3":
            from tasks.archive.objects.s3 import S3Archive

            return S3Archive(url)
        case "https":
            return _web(url)
        case "http" if _is_loopback(url):
            return _web(url)
        case "http":
            raise BadInput(f"the archive {url} is not encrypted on its way: give https://")
        case other:
            raise BadInput(f"no archive can be opened with {other}:// – give s3://, https:// or a directory")


def _directory(root: Path) -> Archive:
    from tasks.archive.objects.directory import DirectoryArchive

    return DirectoryArchive(root)


def _web(url: str) -> Archive:
    from tasks.archive.objects.https import WebArchive

    return WebArchive(url)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

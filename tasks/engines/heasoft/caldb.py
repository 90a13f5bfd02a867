"""The version of a calibration database: what its indices are, wherever it lies."""

import hashlib
import re
from email.utils import parsedate_to_datetime
from pathlib import Path

from tasks.core.errors import EnvironmentFault

INDICES = ("data/xrism/gen/caldb.indx", "data/xrism/xtend/caldb.indx")
"""What says which calibration files are in force; XRISM's own come as these two."""

_SECONDS = 30.0
_DATED = re.compile(r"caldb\.indx(\d{8})")


def caldb_version(caldb: str) -> str:
    """The version of a CALDB.

    Parameters
    ----------
    caldb : str
        A directory or an address, as in the variable CALDB.

    Returns
    -------
    str
        `{day}-{hash}`: the day of Xtend's index, where it can be told, and the beginning of a hash over
        the indices. An address comes first where there is one: what stands behind it can only be guessed
        by its entity tags.

    Raises
    ------
    EnvironmentFault
        When there are no indices, or they cannot be read.
    """
    return _remote_version(caldb.rstrip("/")) if "://" in caldb else _local_version(Path(caldb))


def _local_version(caldb: Path) -> str:
    found = [caldb / name for name in INDICES if (caldb / name).is_file()]
    if caldb / INDICES[-1] not in found:
        raise EnvironmentFault(f"CALDB is {caldb}, where there is no {INDICES[-1]}: it holds no Xtend data")
    try:
        contents = [path.read_bytes() for path in found]
    except OSError as exc:
        raise EnvironmentFault(f"the CALDB at {caldb} cannot be read: {exc}") from exc
    return _joined(_day(found[-1], contents[-1]), contents)


def _day(index: Path, content: bytes) -> str | None:
    """The day in the name of the dated index that this one is a link to or a copy of."""
    for path in (index.resolve(), *sorted(index.parent.glob("index/caldb.indx*"), reverse=True)):
        if (named := _DATED.fullmatch(path.name)) and path.read_bytes() == content:
            return named[1]
    return None


def _remote_version(caldb: str) -> str:
    import httpx

    tags, day = [], None
    try:
        with httpx.Client(timeout=_SECONDS, follow_redirects=True) as client:
            for name in INDICES:
                answer = client.head(f"{caldb}/{name}")
                if name != INDICES[-1] and answer.status_code == httpx.codes.NOT_FOUND:
                    continue
                answer.raise_for_status()
                headers = answer.headers
                tags.append(f"{headers.get('etag')} {headers.get('content-length')}".encode())
                if modified := headers.get("last-modified"):
                    day = f"{parsedate_to_datetime(modified):%Y%m%d}"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
        raise EnvironmentFault(f"the CALDB at {caldb} cannot be read: {exc}") from exc
    return f"{caldb} {_joined(day, tags)}"


def _joined(day: str | None, contents: list[bytes]) -> str:
    short = hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]
    return f"{day}-{short}" if day else short

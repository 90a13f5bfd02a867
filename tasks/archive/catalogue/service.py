"""The one boundary to the catalogue server: astroquery's Heasarc class with time limits and clear errors."""

import re
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import requests
import urllib3
from astropy.io.votable.exceptions import VOWarning
from astroquery.heasarc import HeasarcClass
from pyvo.dal.exceptions import DALAccessError, DALOverflowWarning, DALQueryError, DALServiceError
from pyvo.utils.xml.exceptions import XMLWarning
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tasks.core.errors import EnvironmentFault

_MISSION: Final = "xrism"
_TABLE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?")
_CONNECT_SECONDS: Final = 10.0
_BUSY: Final = (429, 500, 502, 503, 504)
_TROUBLE: Final = (
    DALAccessError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    AttributeError,
    ValueError,
)
"""What astroquery lets through; an answer that is no list of tables is an AttributeError or ValueError."""
_FINAL: Final = (DALQueryError, DALServiceError, requests.RequestException)
"""The server's own word, or the session has repeated the request already."""
Answer = TypeVar("Answer")


class _PatientAdapter(HTTPAdapter):
    """Every request has a time limit and is repeated when the server is busy: astroquery sets neither."""

    def __init__(self, read_seconds: float, backoff: float) -> None:
        self._timeout = (_CONNECT_SECONDS, read_seconds)
        super().__init__(
            max_retries=Retry(
                total=5,
                connect=2,
                read=2,
                backoff_factor=backoff,
                status_forcelist=_BUSY,
                allowed_methods=None,  # queries are posted, and change nothing
                respect_retry_after_header=False,  # it may ask for hours
                raise_on_status=False,
            )
        )

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        options["timeout"] = options.get("timeout") or self._timeout
        return super().send(request, **options)


class Service:
    """A connection to the TAP service of HEASARC, or of a mirror; a context manager.

    Parameters
    ----------
    url : str, optional
        Address of the VO services (`…/xamin/vo`); by default what astroquery is configured for.
    read_seconds : float
        How long the server may stay silent.
    backoff : float
        Seconds, doubled at each repetition.
    """

    def __init__(self, url: str | None, read_seconds: float, backoff: float) -> None:
        self._heasarc = HeasarcClass()
        if url is not None:
            self._heasarc.VO_URL = url.rstrip("/")
        self._url = str(self._heasarc.VO_URL)
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _PatientAdapter(read_seconds, backoff))
        self._answers: list[requests.Response] = []
        self._session.hooks["response"].append(lambda answer, **_: self._answers.append(answer))
        self._heasarc._set_session(self._session)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # pyvo leaves answers open that it could not read to their end.
        for answer in self._answers:
            answer.close()
        self._session.close()

    def catalogue(self) -> str:
        """Name of the one master catalogue of XRISM.

        Raises
        ------
        EnvironmentFault
            When there is none or more than one, or the server cannot be asked.
        """

        def ask() -> Any:
            # pyvo gives the list of tables a session of its own, which would wait for ever.
            self._heasarc.tap.tables._session = self._session
            return self._heasarc.list_catalogs(master=True, keywords=_MISSION)

        names = [str(name) for name in self._ask(ask)["name"]]
        if len(names) != 1 or not _TABLE_NAME.fullmatch(names[0]):
            raise self._fault(
                f"should have one master catalogue of XRISM and has {', '.join(names) or 'none'}"
            )
        return names[0]

    def query(self, adql: str) -> Any:
        """The table that answers a query; whether it is complete is for the caller to check.

        Raises
        ------
        EnvironmentFault
            When the server cannot be asked, refuses the query or answers no table.
        """
        return self._ask(lambda: self._heasarc.query_tap(adql).to_table())

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        """Make a call, and once more when its answer broke off: the session only repeats requests."""
        with warnings.catch_warnings():
            # Overflow is found by counting rows; the rest is the style of the server's XML.
            warnings.simplefilter("ignore", DALOverflowWarning)
            warnings.simplefilter("ignore", VOWarning)
            warnings.simplefilter("ignore", XMLWarning)
            try:
                return call()
            except _TROUBLE as exc:
                if any(isinstance(cause, _FINAL) for cause in _causes(exc)):
                    raise self._fault(_reason(exc)) from exc
            try:
                return call()
            except _TROUBLE as exc:
                raise self._fault(_reason(exc)) from exc

    def _fault(self, reason: str) -> EnvironmentFault:
        return EnvironmentFault(f"the catalogue server {self._url} {reason}")


def _reason(error: Exception) -> str:
    """What a foreign error means, as the rest of a sentence that begins with the server."""
    causes = list(_causes(error))
    if isinstance(error, DALQueryError):
        return f"refuses the query: {' '.join(str(error).split())[:200]}"
    if isinstance(error, DALServiceError) and error.code:
        return f"answers with HTTP status {error.code}"
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return "does not answer in time"
    if any(isinstance(cause, requests.RequestException) for cause in causes):
        return f"cannot be reached: {' '.join(str(causes[-1]).split())[:200]}"
    if any(isinstance(cause, urllib3.exceptions.HTTPError) for cause in causes):
        return "breaks off its answer"
    return "answers with something that is no table (an HTML page, perhaps)"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

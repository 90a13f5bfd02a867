"""The API of a Prefect server, where Prefect's own client lacks what deploying needs."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectHTTPStatusError

from tasks.core.errors import EnvironmentFault


@dataclass(frozen=True)
class Api:
    """The API of a server on which things are put, or only looked at.

    Parameters
    ----------
    client : SyncPrefectClient
        Of the server.
    dry_run : bool
        Change nothing.
    """

    client: SyncPrefectClient
    dry_run: bool

    def find(self, path: str) -> Any:
        """What the server has at an address of its API; None when it has nothing."""
        try:
            return self._ask("GET", path)
        except PrefectHTTPStatusError as exc:
            if exc.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise

    def send(self, method: str, path: str, content: Any) -> Any:
        """Change something on the server, unless this is a dry run."""
        return None if self.dry_run else self._ask(method, path, json=content)

    def search(self, path: str, content: Any) -> Any:
        """What a filter of the API finds."""
        return self._ask("POST", path, json=content)

    def _ask(self, method: Any, path: Any, **more: Any) -> Any:
        response = self.client.request(method, path, **more)
        return response.json() if response.content else None


@contextlib.contextmanager
def connected(*, dry_run: bool) -> Iterator[Api]:
    """The server that Prefect's settings name.

    Raises
    ------
    EnvironmentFault
        When it does not answer or refuses.
    """
    try:
        with get_client(sync_client=True) as client:
            yield Api(client, dry_run)
    except PrefectHTTPStatusError as exc:
        raise EnvironmentFault(f"the Prefect server refuses: {_why(exc.response)}") from exc
    except (httpx.HTTPError, RuntimeError) as exc:
        # A RuntimeError is what Prefect makes of a server that it cannot talk to.
        raise EnvironmentFault(
            f"the Prefect server does not answer as it should ({type(exc).__name__})"
        ) from exc


def _why(response: httpx.Response) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        said = response.json()
        return " ".join(str(said.get("detail") or said.get("exception_detail") or said).split())
    return f"status {response.status_code}"

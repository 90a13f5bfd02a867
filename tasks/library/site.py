"""One installation's places: store, ledger, downloads, scratch and logs."""

import os
import shutil
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tasks.core.errors import EnvironmentFault
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.settings import Settings
from tasks.library import leases
from tasks.library.ledger import Ledger
from tasks.library.store import Store, open_store


@dataclass(frozen=True)
class Site:
    """Where this process works.

    Parameters
    ----------
    settings : Settings
        What the installation says.
    store : Store
        Where products live.
    ledger : Ledger
        What indexes them, and who holds what.
    """

    settings: Settings
    store: Store
    ledger: Ledger

    @property
    def cores(self) -> int:
        """How many child processes may run at once."""
        return self.settings.cores

    @property
    def downloads(self) -> Path:
        """Verified archive files, a folder per ObsID."""
        return self.settings.downloads

    @property
    def scratch(self) -> Path:
        """The scratch folder of this process."""
        return self.settings.scratch / f"{self.host}-{os.getpid()}"

    @property
    def host(self) -> str:
        """The name of this host."""
        return socket.gethostname()

    @property
    def holder(self) -> str:
        """How this process signs leases and attempts."""
        return f"{self.host}:{os.getpid()}"

    @property
    def results(self) -> Path:
        """Prefect's cached results: in the store's folder, or beside it when the store is no folder."""
        folder = Path(self.settings.store_url) if self.store_is_folder else self.settings.root
        return folder / ".results"

    @property
    def store_is_folder(self) -> bool:
        """Whether the store is a directory of this host."""
        return "://" not in self.settings.store_url

    def log(self, obsid: ObsID, dataclass: DataClass | None = None) -> Path:
        """The log of an observation, or of one of its datasets."""
        return self.settings.root / "logs" / obsid / f"{dataclass or 'observation'}.log"

    def clear_scratch(self) -> None:
        """Remove what processes of this host that are gone have left."""
        for folder in self.settings.scratch.glob("*"):
            # Hosts that share this folder may have names that begin alike.
            if is_gone(*folder.name.rpartition("-")[::2]):
                shutil.rmtree(folder, ignore_errors=True)

    def end_leases(self) -> None:
        """End the leases of processes of this host that are gone: nobody need wait for them to run out."""
        for holder in leases.holders(self.ledger):
            if is_gone(*holder.rpartition(":")[::2]):
                leases.end(self.ledger, holder)


@cache
def open_site(settings: Settings) -> Site:
    """The site of these settings, opened once a process.

    Raises
    ------
    BadInput
        When the address of store or ledger is none; nothing is written then.
    EnvironmentFault
        When ledger or data directory cannot be used.
    """
    site = Site(settings, open_store(settings.store_url), Ledger.open(settings.ledger_url))
    try:
        settings.root.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise EnvironmentFault(f"the data directory {settings.root} cannot be made: {exc.strerror}") from exc
    return site


def this_site() -> Site:
    """The site of this process's settings."""
    return open_site(Settings())


def is_gone(host: str, pid: str) -> bool:
    """Whether this was a process of this host and is none any more."""
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False

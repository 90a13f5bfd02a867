"""The last lines of logs: they lie on one host alone, and a page has to tell them to everybody."""

from collections.abc import Callable
from pathlib import Path

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.keys import LOG_TAIL
from tasks.library.manifest import Step
from tasks.library.site import Site

_LINES = 40
_BYTES = 1 << 18
_OWN_CALL = '# {"function":"tasks.report.'


def keep_log(site: Site, obsid: ObsID, words: Callable[[str], str]) -> None:
    """Put the last lines of an observation's log beside its page, for hosts that do not have the log.

    `words` makes of them what everybody may see.
    """
    site.store.replace(f"report/{obsid}/{LOG_TAIL}", words(_tail(site.log(obsid))).encode())


def log_tail(site: Site, obsid: ObsID, dataclass: DataClass, standing: Standing) -> str:
    """The last lines of a failed dataset's log; of the observation's where no step of its own has failed."""
    if standing.state != State.FAILED:
        return ""
    own = "" if standing.step == Step.DOWNLOAD else _tail(site.log(obsid, dataclass))
    return own or _tail(site.log(obsid))


def _tail(log: Path) -> str:
    """The last lines of a log, without the report's own calls; empty when there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _BYTES))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    return "\n".join([line for line in lines if not line.startswith(_OWN_CALL)][-_LINES:])

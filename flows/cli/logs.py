"""Where the lines go that the project logs, and in which form."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tasks.core.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

_OURS = "xtendflow"


def log_to_stderr(settings: Settings, above: "Console | None" = None) -> None:
    """Print our own log lines on standard error; everybody else's stay where they belong.

    Parameters
    ----------
    settings : Settings
        Say from which level on, and whether as text or as JSON.
    above : Console, optional
        Of the bars that lines must not tear.
    """
    handler = logging.StreamHandler(sys.stderr) if above is None else _Above(above)
    if settings.log_format == "json":
        handler.setFormatter(_AsJson())
    logger = logging.getLogger(_OURS)
    logger.setLevel(settings.log_level.upper())
    # Beside those that Prefect has given it.
    logger.addHandler(handler)


class _Above(logging.Handler):
    """Prints lines above bars."""

    def __init__(self, console: "Console") -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), markup=False, soft_wrap=True)


class _AsJson(logging.Formatter):
    """An object a line: time, level, logger and message."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)

"""Finds HEASoft, heasoftpy and CALDB without changing the environment of this process."""

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tasks.core.errors import EnvironmentFault
from tasks.engines.heasoft.caldb import caldb_version

_SECONDS = 30


@dataclass(frozen=True)
class Installation:
    """What there is of HEASoft; None where a part is missing.

    Parameters
    ----------
    headas : Path or None
        Where HEASoft is initialised (`HEADAS`).
    version : str or None
        As `fversion` tells.
    heasoftpy : str or None
        Version of the Python interface, which comes with HEASoft.
    caldb : str or None
        The calibration database: a directory or a remote address.
    """

    headas: Path | None
    version: str | None
    heasoftpy: str | None
    caldb: str | None

    @property
    def lacking(self) -> tuple[str, ...]:
        """What the engine needs and does not find here, each with what to do about it."""
        lacking = {
            "HEASoft (source its headas-init.sh, which sets HEADAS)": self.headas,
            "heasoftpy for this Python (it comes with HEASoft)": self.heasoftpy,
            "CALDB (source the caldbinit.sh of a local copy, or set it to https://nasa-heasarc.s3.amazonaws.com/"
            "caldb, and CALDBCONFIG and CALDBALIAS to copies of its two tables)": self.caldb,
        }
        return tuple(name for name, found in lacking.items() if not found)

    def without(self, tools: Iterable[str]) -> tuple[str, ...]:
        """Those of some tools that are not here: a HEASoft may be built in part, or be older than they."""
        return tuple(tool for tool in tools if not (self.headas and _has(self.headas / "bin", tool)))

    def versions(self) -> dict[str, str]:
        """The versions of a complete installation, as they are part of fingerprints.

        Raises
        ------
        EnvironmentFault
            When a part is missing or does not tell its version.
        """
        if self.lacking or not (self.heasoftpy and self.caldb):
            raise EnvironmentFault(f"the HEASoft engine lacks {'; '.join(self.lacking)}")
        if not self.version:
            raise EnvironmentFault(f"the HEASoft at {self.headas} does not tell its version: fversion fails")
        return {
            "heasoft": self.version,
            "heasoftpy": self.heasoftpy,
            "caldb": _caldb_version(self.caldb),
        }


def _has(folder: Path, tool: str) -> bool:
    """Whether heasoftpy finds a tool: a program, or a script that it has a Python run."""
    return os.access(folder / tool, os.X_OK) or (folder / f"{tool}.py").is_file()


# Once for each process: files of an installation in use do not change, and a mirror is asked once.
_caldb_version = cache(caldb_version)


def find_installation() -> Installation:
    """Look for HEASoft in the environment of this process."""
    given = os.environ.get("HEADAS")
    headas = Path(given) if given and Path(given).is_dir() else None
    return Installation(
        headas=headas,
        version=_fversion(headas) if headas else None,
        heasoftpy=_heasoftpy(),
        caldb=os.environ.get("CALDB") or None,
    )


@cache
def _fversion(headas: Path) -> str | None:
    """HEASoft's version; None when its own tool cannot be run."""
    try:
        done = subprocess.run(
            [headas / "bin" / "fversion"],
            env={**os.environ, "HEADASNOQUERY": "1", "HEADASPROMPT": "/dev/null"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"V?([0-9]+\.[0-9]+(?:\.[0-9]+)?)", done.stdout)
    return found[1] if found else None


def _heasoftpy() -> str | None:
    """Version of heasoftpy, read from its files: importing it would start HEASoft in this process."""
    spec = importlib.util.find_spec("heasoftpy")
    if spec is None or spec.origin is None:
        return None
    for name in ("version.py", "__init__.py"):
        file = Path(spec.origin).with_name(name)
        if file.is_file() and (
            found := re.search(r"__version__\s*=\s*['\"]([^'\"]+)", file.read_text("utf-8"))
        ):
            return found[1]
    return "unknown"

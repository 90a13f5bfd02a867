"""What a call gets from this machine and takes of it: environment, memory, disk."""

import os
import resource
import shutil
import sys
from pathlib import Path
from typing import Final

from tasks.core.errors import EnvironmentFault

PFILES_FOLDER: Final = "pfiles"
"""Where the HEASoft tools of a call keep the parameters that they were given last."""
_QUIET: Final = {"PYTHONUNBUFFERED": "1", "HEADASNOQUERY": "1", "HEADASPROMPT": "/dev/null"}
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""The runner fills the cores with children; a child that fills them with threads would only be in the way."""
_LONGEST: Final = 240
"""Characters of a working directory: Fortran tools hold one in 255, and parameters lie in a folder of it."""
_FULL: Final = ("No space left on device", "Disk quota exceeded")
_LEAST_ROOM: Final = 1 << 20
_KIB: Final = 1024


def environment(directory: Path) -> dict[str, str]:
    """The environment of a child that works in a directory: ours, where no tool prompts.

    With HEASoft its tools keep their parameters in the directory, so that no two calls share any.

    Raises
    ------
    EnvironmentFault
        When HEASoft would take the directory for two, or its path is too long for it.
    """
    given = {**os.environ, **_QUIET, **_ONE_THREAD}
    headas = os.environ.get("HEADAS")
    if not headas:
        return given
    path = str(directory.absolute())
    if {":", ";"} & set(path):
        raise EnvironmentFault(f"HEASoft cannot work in {directory}: the path has a colon or a semicolon")
    if len(path) > _LONGEST:
        raise EnvironmentFault(
            f"HEASoft cannot work in {path}: the path has {len(path)} characters, and its tools cannot be "
            f"trusted with more than {_LONGEST}; set XTENDFLOW_DATA to a shorter one"
        )
    return {**_caldb_tables(), **given, "PFILES": f"{path}/{PFILES_FOLDER};{headas}/syspfiles"}


def _caldb_tables() -> dict[str, str]:
    """Where a CALDB that lies here has the tables that its tools look for besides: its caldbinit says so."""
    tools = Path(os.environ.get("CALDB", "")) / "software" / "tools"
    tables = {"CALDBCONFIG": tools / "caldb.config", "CALDBALIAS": tools / "alias_config.fits"}
    return {name: str(path) for name, path in tables.items() if path.is_file()}


def peak_memory() -> int:
    """Bytes that this process, or one that it started and waited for, held at most: the largest of them."""
    own, others = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    if sys.platform == "darwin":
        return max(own, others)
    # Linux counts what the process held that this one was forked from; the kernel's own page does not.
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    own = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), own)
    return max(own, others) * _KIB


def bytes_in(directory: Path) -> int:
    """Bytes of the files in a directory and below; what links lead to does not count."""
    return sum(
        path.lstat().st_size for path in directory.rglob("*") if path.is_file() and not path.is_symlink()
    )


def is_full(directory: Path, said: str) -> bool:
    """Whether the disk had no room, by what a tool said or by what is left."""
    return any(words in said for words in _FULL) or shutil.disk_usage(directory).free < _LEAST_ROOM

"""Measures what the project promises about speed and memory: `run.py [PATTERN]`.

Prints one table and writes it as bench.json in the current directory. With a pattern only the topics whose
name it matches (as a shell's wildcards) are measured. It makes its event lists itself, up to 5 GB of them, in
sweep-data/.
"""

import fnmatch
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cores
import exposure
import extraction
import orchestration
import report
import resweep
from rows import Row, note, table, write_json

TOPICS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "extraction": extraction.speed,
    "memory": extraction.memory,
    "exposure": exposure.rows,
    "cores": cores.rows,
    "resweep": resweep.rows,
    "report": report.rows,
    "orchestration": orchestration.rows,
}
_ROOM_GB = 8


def main(pattern: str = "*") -> int:
    """Measure and tell; 1 when a promise is not kept, 3 when there is nothing or no room to measure."""
    # A script's background job is deaf to it, and so would be the workers that are ended by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chosen = {name: topic for name, topic in TOPICS.items() if fnmatch.fnmatch(name, pattern)}
    data = Path("sweep-data")
    data.mkdir(exist_ok=True)
    if not chosen or shutil.disk_usage(data).free < _ROOM_GB * 1e9:
        note(f"no topic {pattern} among {', '.join(TOPICS)}, or less than {_ROOM_GB} GB free in {data}/")
        return 3
    found = []
    for name, topic in chosen.items():
        note(f"{name} …")
        with tempfile.TemporaryDirectory(dir=data.resolve(), prefix="bench-") as folder:
            found += list(topic(Path(folder)))
        write_json(Path("bench.json"), found)
    sys.stdout.write(table(found) + "\n")
    return 0 if all(row.holds for row in found) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))

"""The fault campaign: `run.py [--minutes N] [--seed N]`.

Sweeps a small simulated archive over and over while processes are killed, servers go away, disks fill up and
the archive lies, and looks afterwards whether anything was lost. Prints one table; ends with status 1 when
something was, and keeps the evidence in sweep-data/ then.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random, SystemRandom

import httpx
from archives import archives, bucket_store, in_short
from crowds import crowds
from disks import disks
from figures import Figures, note, table
from hanging import hanging
from kills import kills
from outage import outage
from place import Hangs
from poison import poison
from servers import PrefectServer
from stage import Stage

from tasks.archive.simulated.archive import make_archive

Phase = Callable[[Stage], Iterator[str]]
LONG: dict[str, tuple[float, Phase]] = {
    "kills": (18, kills),
    "archives": (4, archives),
    "bucket": (1, bucket_store),
    "disks": (3, disks),
    "crowds": (2, crowds),
    "outage": (1, outage),
    "poison": (1, poison),
    "hanging": (1, hanging),
}
"""Each with its share of the time; those after the archives take what they need."""
SHORT: dict[str, tuple[float, Phase]] = {"kills": (2, kills), "archives": (1, in_short)}
"""What fits in a few minutes."""
_PEACE = 1
"""The share of a short campaign that its undisturbed sweeps take."""
_LONG_MINUTES = 15
_EVENTS = 2000
_EACH = 8
"""Kills of each of eight kinds in the long campaign: 64 in all."""
_TERMINATED = 128 + signal.SIGTERM


def main() -> int:
    """Run the campaign; 1 when anything was violated, 3 where it cannot be played."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long it takes, about (30)")
    parser.add_argument(
        "--seed", type=int, default=SystemRandom().randrange(10**6), help="repeats its choices"
    )
    given = parser.parse_args()
    # Whoever ends the campaign early leaves none of its processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    # A script's background job is deaf to it, and so would be the worker that is ended by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not Path("/proc/self/environ").exists():
        note("victims are found in /proc, which this system does not have")
        return 3
    data = Path("sweep-data").resolve()
    data.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=data))
    note(f"seed {given.seed}, in {folder}")
    figures = campaign(folder, given.seed, given.minutes * 60)
    sys.stdout.write(table(figures, given.seed) + "\n")
    if figures.violations:
        sys.stdout.write(f"the evidence is kept in {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


def campaign(folder: Path, seed: int, seconds: float) -> Figures:
    """All phases that fit, one after another."""
    figures = Figures()
    chosen, each, peace = (LONG, _EACH, 0) if seconds > _LONG_MINUTES * 60 else (SHORT, 1, _PEACE)
    whole = sum(share for share, _ in chosen.values()) + peace
    make_archive(folder / "archive", events=_EVENTS)
    prefect = PrefectServer(folder / "prefect")
    try:
        prefect.start()
        for name, (share, phase) in chosen.items():
            note(f"{name} …")
            started = time.monotonic()
            # Each has chances of its own, whatever the others used up.
            random = Random(f"{seed} {name}")
            ends = started + seconds * share / whole
            stage = Stage(folder / name, folder / "archive", prefect, random, figures, ends, each)
            figures.violations += found(name, phase, stage)
            figures.seconds[name] = time.monotonic() - started
    finally:
        prefect.kill()
    return figures


def found(name: str, phase: Phase, stage: Stage) -> list[str]:
    """The violations of a phase; one that cannot be played to its end is one, too."""
    sentences: list[str] = []
    try:
        for sentence in phase(stage):
            note(f"VIOLATION {sentence}")
            sentences.append(f"{name}: {sentence}")
    except (Hangs, OSError, httpx.HTTPError, subprocess.SubprocessError) as exc:
        sentences.append(f"{name} could not be played to its end: {exc}")
    finally:
        for place in stage.places:
            place.kill_all()
    return sentences


if __name__ == "__main__":
    sys.exit(main())

"""Disks that are full, or may only be read, at the worst moments."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from checker import read_manifests, truth
from place import Command, Place, until
from recipes import plain
from stage import OBSIDS, Stage, reason, settle

_FAINT = OBSIDS[0]
_ROOM = "400m"


class Disk:
    """A small file system whose size can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._mount(f"size={_ROOM}")

    def fill(self) -> None:
        """Leave no room beside what is there."""

        def shrink() -> None:
            self._mount(f"remount,size={shutil.disk_usage(self.folder).used}")

        _insist(shrink)  # somebody may write between the look and the change

    def widen(self) -> None:
        """Have room again."""
        self._mount(f"remount,rw,size={_ROOM}")

    def protect(self) -> None:
        """Let nobody write."""
        self._mount("remount,ro")

    def drop(self) -> None:
        """Take it away."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)  # noqa: S607

    def _mount(self, options: str) -> None:
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        subprocess.run(words, check=True, capture_output=True)


@contextmanager
def _disk(folder: Path) -> Iterator[Disk]:
    disk = Disk(folder)
    try:
        yield disk
    finally:
        disk.drop()


def disks(stage: Stage) -> Iterator[str]:
    """A disk that fills up at each of these moments; then there is room, and the next sweep completes."""
    if os.getuid() != 0 or shutil.which("mount") is None:
        stage.figures.left_out.append("full disks: only root can mount a small file system")
        return
    moments: dict[str, Callable[[Place], object]] = {
        "download": lambda place: list(place.data.glob("downloads/*/*")),
        "product": lambda place: list(place.data.glob("scratch/*/*exposure*")),
        "publication": lambda place: list(place.store.glob(f"{_FAINT}/*/*/*.fits")),
        "manifest": lambda place: list(place.store.glob(f"{_FAINT}/*/manifest.previous.json")),
    }
    for name, moment in moments.items():
        yield from _filled(stage, name, moment)
    yield from _read_only(stage)


def _filled(stage: Stage, name: str, moment: Callable[[Place], object]) -> Iterator[str]:
    """Let a disk be full from some moment on."""
    place = stage.place(f"full-{name}")
    with _disk(place.data) as disk:
        stage.stand()
        command = place.sweep(plain(), _FAINT)
        until(lambda: moment(place) or not command.runs, f"the moment: {name}", 90)
        disk.fill()
        stage.figures.faults[f"disk full during {name}"] += 1
        yield from _refused(stage, command, name)
        yield from truth(place.store, read_manifests(place.store))
        disk.widen()
        yield from settle(stage, place, plain(), _FAINT)


def _refused(stage: Stage, command: Command, name: str) -> Iterator[str]:
    """A sweep that found no room fails and says so."""
    yield from stage.ended(command)
    told = command.said + command.out.read_text(errors="replace")
    if command.process.returncode == 0:
        yield f"disk full during {name}: the sweep ended 0 ({command.err})"
    elif not any(words in told for words in ("o space left", "o room", "full", "not enough", "has ")):
        yield f"disk full during {name}: nothing tells of it ({command.err}): {reason(command)}"


def _read_only(stage: Stage) -> Iterator[str]:
    """A store that may not be written: from the start, then from the middle on."""
    place = stage.place("read-only")
    with _disk(place.folder / "disk") as disk:
        place = place.having(XTENDFLOW_STORE=str(disk.folder / "store"))
        disk.protect()
        for when in ("at the start", "in the middle"):
            stage.stand()
            command = place.sweep(plain(), _FAINT)
            if when == "in the middle":
                until(lambda: read_manifests(place.store), "something is published", 90)
                _insist(disk.protect)
            stage.figures.faults[f"store read-only {when}"] += 1
            yield from stage.ended(command)
            said = command.said + command.out.read_text(errors="replace")
            if command.process.returncode == 0 or "ead-only" not in said:
                yield (
                    f"store read-only {when}: the sweep ended {command.process.returncode} "
                    f"({command.err}): {reason(command)}"
                )
            disk.widen()
        yield from settle(stage, place, plain(), _FAINT)


def _insist(action: Callable[[], None]) -> None:
    """Do what the kernel refuses as long as a file is being written.

    Raises
    ------
    Hangs
        When it refuses for long.
    """
    until(lambda: _works(action), "a file system can be changed", 30)


def _works(action: Callable[[], None]) -> bool:
    try:
        action()
    except subprocess.CalledProcessError:
        return False
    return True

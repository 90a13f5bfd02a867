"""A data directory, and the commands that work on it, each in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

COMMAND = Path(sys.executable).with_name("xtendflow")
LEASE_SECONDS = 10
PATIENCE = 240.0
"""Seconds after which a command that has not ended hangs."""

T = TypeVar("T")


class Hangs(Exception):
    """Something did not happen in its time."""


def until(condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """The first true value of a condition.

    Raises
    ------
    Hangs
        When it does not come in time.
    """
    give_up = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > give_up:
            raise Hangs(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(0.05)
    return value


@dataclass(frozen=True)
class Command:
    """A command that runs, and where it writes what it says."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    @property
    def said(self) -> str:
        return self.err.read_text(errors="replace")

    @property
    def summary(self) -> dict[str, Any] | None:
        """What a sweep tells at its end; None when it told nothing."""
        text = self.out.read_text(errors="replace")
        return json.loads(text) if text.startswith("{") else None

    def status(self, seconds: float = PATIENCE) -> int:
        """The exit status, once it has ended.

        Raises
        ------
        Hangs
            When it does not end in time; it is killed then.
        """
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as exc:
            self.process.kill()
            raise Hangs(f"a command did not end within {seconds:.0f} s: {self.said[-500:]}") from exc


@dataclass(frozen=True)
class Place:
    """Where a phase works: a data directory with its ledger and store, and an archive."""

    folder: Path
    archive: str
    catalogue: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return Path(self.variables.get("XTENDFLOW_DATA", self.folder / "data"))

    @property
    def store(self) -> Path:
        return Path(self.variables.get("XTENDFLOW_STORE", self.data / "store"))

    @property
    def ledger(self) -> str:
        return self.variables.get("XTENDFLOW_LEDGER", f"sqlite:///{self.data / 'ledger.sqlite'}")

    @property
    def environment(self) -> dict[str, str]:
        # Where HEASoft is installed, the campaign's sweeps are native all the same.
        plain = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(("XTENDFLOW_", "PREFECT_")) and name not in ("HEADAS", "CALDB")
        }
        return {
            **plain,
            "XTENDFLOW_DATA": str(self.data),
            "XTENDFLOW_ARCHIVE": self.archive,
            "XTENDFLOW_CATALOGUE": str(self.catalogue),
            "XTENDFLOW_LEASE_SECONDS": str(LEASE_SECONDS),
            **self.variables,
        }

    def having(self, **variables: str) -> "Place":
        """The same with other variables."""
        return replace(self, variables={**self.variables, **variables})

    def sweep(self, recipe: str, *obsids: str, more: tuple[str, ...] = ()) -> Command:
        """Start a sweep over some observations with a recipe's text.

        The catalogue has no others: what is named one by one would be run whatever the ledger says.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "recipe.toml"
        file.write_text(recipe)
        catalogue = self.folder / f"{'-'.join(obsids)}.ecsv"
        catalogue.write_text(_part(self.catalogue.read_text(), obsids))
        place = self.having(XTENDFLOW_CATALOGUE=str(catalogue))
        return place.start(str(COMMAND), "sweep", "--json", "--recipe", str(file), *more)

    def start(self, *words: str, cwd: Path | None = None) -> Command:
        """Start a command; what it says is kept in files."""
        talk = self.folder / "commands"
        talk.mkdir(parents=True, exist_ok=True)
        name = f"{len(list(talk.glob('*.err'))):03d}"
        out, err = talk / f"{name}.out", talk / f"{name}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                words,
                env=self.environment,
                cwd=cwd or self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        return Command(process, out, err)

    def processes(self, *parts: str) -> dict[int, str]:
        """The processes that work here, with one of these words in their command (any without words)."""
        return {
            pid: command
            for pid, command in _marked(f"XTENDFLOW_DATA={self.data}\0".encode())
            if not parts or any(part in command for part in parts)
        }

    def kill_all(self) -> None:
        """End whatever works here."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def calls(self) -> Counter[str]:
        """How often each call of a step was made, as the logs tell."""
        return Counter(
            line
            for log in self.data.glob("logs/*/*.log")
            for line in log.read_text(errors="replace").splitlines()
            if line.startswith('# {"function":"') and ":fetch_" not in line and ":draw_pictures" not in line
        )


def _part(table: str, obsids: tuple[str, ...]) -> str:
    """A catalogue with some of its rows."""
    lines = table.splitlines(keepends=True)
    head = next(number for number, line in enumerate(lines) if not line.startswith("#")) + 1
    rows = (line for line in lines[head:] if line.split(",")[1] in obsids)
    return "".join([*lines[:head], *rows])


def _marked(mark: bytes) -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                ours = mark in (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_text().replace("\0", " ").strip()
            except OSError:  # gone meanwhile
                continue
            if ours and command:
                yield int(entry.name), command

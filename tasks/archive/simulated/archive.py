"""The whole simulated archive: observations, responses, catalogue, and the mark that it is complete."""

import fcntl
import json
import math
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tasks.archive.simulated import response
from tasks.archive.simulated.catalogue import CATALOGUE_NAME, write_catalogue
from tasks.archive.simulated.faults import encrypt, spoil
from tasks.archive.simulated.fits_files import write
from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import Observation, programme
from tasks.archive.simulated.recipe import RECIPE, recipe_of
from tasks.core.errors import BadInput, EnvironmentFault
from tasks.core.identifiers import ObsID
from tasks.core.progress import Unit, tell

DEFAULT_SEED: Final = 20261121
DEFAULT_EVENTS: Final = 1e5
MOST_EVENTS: Final = 1e8
MARKER: Final = "SIMULATED.json"
TRUTH: Final = "truth.json"
"""By ObsID and data class what is true of it: `tasks.archive.simulated.truth`."""
UNFINISHED: Final = ".making"
GENERATOR: Final = 2
"""To be raised with every change of what is made."""
_ENCRYPTED_EVENTS: Final = 100.0


def make_archive(
    directory: Path,
    *,
    with_faults: bool = False,
    seed: int = DEFAULT_SEED,
    events: float = DEFAULT_EVENTS,
    cores: int | None = None,
) -> list[ObsID]:
    """Make a simulated archive, or find that it is there already.

    It is made in a folder beside `directory` and renamed when complete, so an interrupted run leaves nothing
    half-made under its name.

    Parameters
    ----------
    directory : Path
        Where to: new, empty, or the same archive from an earlier run.
    with_faults : bool
        Add observations with something wrong. The others stay the same, byte by byte.
    seed : int
        Not negative; the same seed gives the same bytes.
    events : float
        Events per dataset, about.
    cores : int, optional
        Processes at once; all cores by default.

    Returns
    -------
    list of ObsID
        All rows of the catalogue, files or not.

    Raises
    ------
    BadInput
        When an argument makes no sense, the directory holds something else, can't be written, or is being
        made by another process.
    EnvironmentFault
        When the disk is full or fails.
    """
    if seed < 0:
        raise BadInput(f"the seed {seed} is negative")
    if not (math.isfinite(events) and 0 < events <= MOST_EVENTS):
        raise BadInput(f"{events:g} events per dataset cannot be made: give a number up to {MOST_EVENTS:g}")
    directory = directory.resolve()
    observations = programme(with_faults)
    label = _label(observations, with_faults, seed, events)
    if not _complete(directory, label):
        with _aside(directory) as making:
            truths = _make(making, observations, seed, events, cores or os.cpu_count() or 1)
            (making / RECIPE).write_text(recipe_of(directory), encoding="utf-8")
            (making / TRUTH).write_text(json.dumps(truths, indent=1) + "\n")
            (making / MARKER).write_text(json.dumps(label, indent=1) + "\n")
    return [observation.obsid for observation in observations]


def summary(with_faults: bool) -> list[dict[str, Any]]:
    """What an archive holds: ObsID, data classes and what each observation is there to show."""
    return [
        {
            "obsid": str(observation.obsid),
            "dataclasses": [str(name) for name in observation.classes],
            "note": observation.note,
        }
        for observation in programme(with_faults)
    ]


def _label(
    observations: tuple[Observation, ...], with_faults: bool, seed: int, events: float
) -> dict[str, Any]:
    return {
        "simulated": True,
        "version": version("xtendflow"),
        "generator": GENERATOR,
        "seed": seed,
        "events": float(events),
        "with_faults": with_faults,
        "obsids": [str(observation.obsid) for observation in observations],
    }


def _complete(directory: Path, label: dict[str, Any]) -> bool:
    """Whether the archive is there; a directory that holds anything else is refused."""
    try:
        if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
            return False
        if not directory.is_dir():
            raise BadInput(f"{directory} is not a directory")
        found = json.loads((directory / MARKER).read_text())
    except FileNotFoundError:
        raise BadInput(f"{directory} is not empty and holds no simulated archive: give a new one") from None
    except (OSError, ValueError) as exc:
        raise BadInput(f"{directory} cannot be read as a simulated archive: {exc}") from exc
    if found != label:
        raise BadInput(
            f"{directory} holds a simulated archive of other parameters or version: give a new one"
        )
    return True


@contextmanager
def _aside(directory: Path) -> Iterator[Path]:
    """A folder beside the archive that takes its name at the end."""
    making = directory.with_name(f".{directory.name}{UNFINISHED}")
    try:
        making.mkdir(parents=True, exist_ok=True)
        mark = (making / UNFINISHED).open("a")
    except OSError as exc:
        raise BadInput(f"{directory} cannot be written: {exc}") from exc
    with mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"{directory} is being made by another process") from None
        try:
            _empty(making)
            yield making
            (making / UNFINISHED).unlink()
            # This replaces an empty directory and nothing else.
            making.rename(directory)
        except (OSError, BrokenProcessPool) as exc:
            raise EnvironmentFault(f"{directory} could not be made: {exc}") from exc
        finally:
            shutil.rmtree(making, ignore_errors=True)


def _empty(making: Path) -> None:
    """Remove what an interrupted run left, but for the mark that is locked."""
    for path in making.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != UNFINISHED:
            path.unlink()


def _make(
    root: Path, observations: tuple[Observation, ...], seed: int, events: float, cores: int
) -> dict[str, Any]:
    """Make all files but the marks; what is true of each observation that has events, by its ObsID."""
    with_files = [observation for observation in observations if observation.presence != "none"]
    # Spawned, not forked: the caller may have threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(cores, len(with_files)), context, _end_with_parent)
    try:
        waiting = [pool.submit(_make_one, root, observation, seed, events) for observation in with_files]
        write(root / "responses/xtend_simulated.rmf.gz", response.rmf_hdus(), _INSTRUMENT)
        write(root / "responses/xtend_simulated_onaxis.arf.gz", response.arf_hdus(1.0), _INSTRUMENT, _ON_AXIS)
        write_catalogue(root / CATALOGUE_NAME, observations)
        made = []
        for future in waiting:
            made.append(future.result())
            tell("observations", Unit.OBSERVATIONS, len(made), len(waiting))
    finally:
        pool.shutdown(cancel_futures=True)
    return {str(observation.obsid): truth for observation, truth in zip(with_files, made, strict=True)}


def _end_with_parent() -> None:
    """Leave interrupts to the parent, and do not outlive it: workers wait for ever for their next job."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _make_one(root: Path, observation: Observation, seed: int, events: float) -> dict[str, Any]:
    """Make one observation with what is wrong with it (runs in a process of its own); what is true of it."""
    encrypted = observation.presence == "encrypted"
    truth = make_observation(root, observation, seed=seed, events=_ENCRYPTED_EVENTS if encrypted else events)
    folder = root / observation.obsid[0] / observation.obsid
    if encrypted:
        encrypt(folder, observation, seed)
    spoil(folder, observation)
    return truth


_INSTRUMENT: Final = {"TELESCOP": "XRISM", "INSTRUME": "XTEND", "FILTER": "NONE", "DETNAM": "CCD"}
_ON_AXIS: Final = ["On axis, whole point-spread function, no region"]

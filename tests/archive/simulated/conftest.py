"""A small simulated archive with its faults, made once a session."""

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from tasks.archive.simulated.archive import make_archive
from tasks.archive.simulated.observation import make_observation
from tasks.archive.simulated.programme import PROGRAMME

EVENTS = 2000.0


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test session, the same for all its workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def simulated(shared: Path) -> Path:
    """An archive with faults, about 2000 events a dataset."""
    with (shared / "simulated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_archive(shared / "simulated", with_faults=True, events=EVENTS, cores=2)
    return shared / "simulated"


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the full-window observation with ten times as many events."""
    root = tmp_path_factory.mktemp("bright")
    make_observation(root, PROGRAMME[0], seed=3, events=10 * EVENTS)
    return root / "9/900001010"


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Any]]:
    """Opens FITS files and closes them after the test."""
    files: list[Any] = []

    def opening(path: Path) -> Any:
        files.append(fits.open(path, memmap=False))
        return files[-1]

    yield opening
    for file in files:
        file.close()

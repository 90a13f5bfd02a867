"""Child processes of the tests: what they do, and whether they are gone."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has child processes find `tasks.doubles`."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).with_name("doubles")))


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Whether a process ends within a few seconds; one that nobody has buried yet counts as gone."""

    def ended(pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        return state in "ZX"

    def wait(pid: int) -> bool:
        for _ in range(200):
            if ended(pid):
                return True
            time.sleep(0.02)
        return False

    return wait

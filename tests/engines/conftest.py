"""Child processes of the tests: what they do, and whether they are gone."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has child processes find `tasks.doubles`."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).with_name("doubles")))


@pytest.fixture(scope="session")
def double_headas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HEADAS whose tools are doubles."""
    headas = tmp_path_factory.mktemp("double") / "headas"
    command = [sys.executable, "-m", "heasoftpy", str(headas)]
    root = Path(__file__).resolve().parents[2]
    subprocess.run(command, check=True, env={"PYTHONPATH": f"{Path(__file__).with_name('doubles')}:{root}"})
    return headas


@pytest.fixture
def double(doubles: None, double_headas: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has child processes find the double of heasoftpy; called, it says how tools misbehave: `tool=way`."""
    monkeypatch.setenv("HEADAS", str(double_headas))
    monkeypatch.setenv("CALDB", "https://caldb.invalid/caldb")
    monkeypatch.delenv("PFILES", raising=False)
    return lambda told: monkeypatch.setenv("HEASOFT_DOUBLE", told)


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

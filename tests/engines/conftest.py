"""Child processes of the tests: what they do, their tools, whether they are gone. And finished datasets."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from tasks.library.dataset import Dataset
from tasks.library.manifest import Manifest, Product, Step, StepRecord
from tasks.library.orders import PRODUCT_STEPS, Wanted, order

TARGET = {"name": "N132D", "ra": 81.25, "dec": -69.64, "origin": "RA_OBJ/DEC_OBJ of the events"}
FACTS = {
    Step.PROCESSING: {"target": TARGET, "nominal": {"ra": 81.2, "dec": -69.6, "pa": 30.0}},
    Step.REGIONS: {"source": {"ra": 81.25, "dec": -69.64, "radius_arcmin": 2.0, "centre": "target"}},
}
STEPS = (Step.PROCESSING, *PRODUCT_STEPS)


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
def real_tool() -> Callable[[str], None]:
    """Skips the test where child processes cannot run a tool of a HEASoft that is installed."""

    def look(tool: str) -> None:
        headas = os.environ.get("HEADAS")
        if not headas:
            pytest.skip("HEADAS is not set")
        if find_spec("heasoftpy") is None:
            pytest.skip("heasoftpy is not installed for this Python")
        if not Path(headas, "bin", tool).exists():
            pytest.skip(f"this HEASoft has no {tool}")

    return look


@pytest.fixture(
    params=[
        pytest.param("double", marks=pytest.mark.system),
        pytest.param("real", marks=pytest.mark.heasoft),
    ]
)
def installed(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Has child processes find doubles of tools, or real ones: skips the test where a real one is absent."""
    if request.param == "real":
        return request.getfixturevalue("real_tool")
    request.getfixturevalue("double")
    return lambda tool: None


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


@pytest.fixture(scope="session")
def done() -> Callable[..., Manifest]:
    """The manifest of a dataset of which steps are done, without what the last argument says of a product."""
    return _done


def _done(
    dataset: Dataset, steps: Sequence[Step] = STEPS, lacks: Callable[[Wanted], bool] = lambda wanted: False
) -> Manifest:
    manifest = Manifest(obsid=dataset.obsid, dataclass=dataset.dataclass, recipe="standard")
    for step in steps:
        ordered = order(step, dataset, manifest)
        record = StepRecord(
            fingerprint=ordered.fingerprint,
            engine=dataset.engine_of(step).name,
            versions={},
            calls=(),
            facts=FACTS.get(step, {}),
        )
        made = (_made(step, item) for item in ordered.wanted if not lacks(item))
        manifest = manifest.model_copy(
            update={
                "steps": {**manifest.steps, step: record},
                "products": (*manifest.products, *made),
                "not_made": (*manifest.not_made, *ordered.not_made),
            }
        )
    return manifest


def _made(step: Step, wanted: Wanted) -> Product:
    return Product(
        **wanted.spec.model_dump(),
        path=f"{step}/{wanted.spec.name}",
        size=1,
        sha256=wanted.fingerprint,
        fingerprint=wanted.fingerprint,
    )

"""What Prefect and our records cost an observation of one dataset: in a sweep's process, on a worker."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from finished import write_many
from rows import Row, below, note

from flows.server import Server, prefect_server
from tasks.archive.simulated.archive import make_archive
from tasks.core.settings import Settings
from tasks.library.ledger import Ledger
from tasks.library.recipe import Recipe

_HERE = Path(__file__).parent
_COMMAND = Path(sys.executable).with_name("xtendflow")
_POOL = "bench"
_IDLE, _IDLE_ON_WORKER = 500, 10
_LIMIT_HERE, _LIMIT_ON_WORKER, _LIMIT_MB = 1.0, 5.0, 600.0
_FAR_MORE = 10_000
_SMALL = Recipe.model_validate(
    {
        "engine": "native",
        "images": {"bands": ["0.6-10"], "binnings": [4]},
        "exposure": {"binnings": [4]},
        "light_curves": {"bands": []},
    }
)


def rows(folder: Path) -> Iterator[Row]:
    """Idle observations in one process, idle ones on a worker, and real ones on one worker and on two."""
    yield from _here(folder / "here")
    settings = Settings(
        data=folder / "workers", archive=str(folder / "demo"), catalogue=str(folder / "idle.ecsv")
    )
    write_many(Path(settings.catalogue), _IDLE_ON_WORKER)
    make_archive(folder / "demo", with_faults=False)
    with prefect_server(settings) as server:
        environment = _environment(settings, server)
        _run(environment, str(_COMMAND), "deploy", "--pool", _POOL)
        deployment = _get(server, "deployments/name/observation/one")["id"]
        usual = _get(server, f"deployments/{deployment}")["entrypoint"]
        _enter(server, deployment, "idle.observation")
        with _workers(environment, folder, 1):
            alone = environment | {"XTENDFLOW_IN_FLIGHT": "1"}
            seconds = _sweep(alone, Recipe(engine="native"))
            # The same again, with nothing to do: what a sweep takes whatever it finds.
            nothing = _sweep(alone, Recipe(engine="native"))
        note(f"{_IDLE_ON_WORKER} idle observations took {seconds:.0f} s on a worker, none {nothing:.0f} s")
        cost = (seconds - nothing) / _IDLE_ON_WORKER
        yield below("orchestration per observation on a process worker", cost, "s", _LIMIT_ON_WORKER)
        _enter(server, deployment, usual)
        yield from _rates(environment, folder)


def _here(data: Path) -> Iterator[Row]:
    """A sweep of many idle observations."""
    data.mkdir()
    settings = Settings(data=data, archive=str(data / "archive"), catalogue=str(data / "idle.ecsv"))
    Path(settings.archive).mkdir()
    observations = write_many(Path(settings.catalogue), _IDLE)
    with prefect_server(settings) as server:
        before = _megabytes(server)
        seconds = _sweep(_environment(settings, server), Recipe(engine="native"), _HERE / "idle.py")
        most = _megabytes(server)
        _check_records(settings, server, len(observations))
        home = sum(file.stat().st_size for file in settings.prefect_home.glob("prefect.db*")) / 1e6
    each = seconds / _IDLE
    yield below("orchestration per observation in the sweep's process", each, "s", _LIMIT_HERE)
    yield below(f"Prefect server after {_IDLE} idle observations", most, "MB", _LIMIT_MB)
    more = _FAR_MORE / _IDLE
    note(
        f"{_IDLE} idle observations took {seconds:.0f} s; the server grew from {before:.0f} to "
        f"{most:.0f} MB, its database to {home:.0f} MB"
    )
    note(
        f"{_FAR_MORE:,} would take {more * seconds / 3600:.1f} h of orchestration and a database of "
        f"{more * home / 1000:.1f} GB: that wants PostgreSQL, and workers"
    )


def _rates(environment: Mapping[str, str], folder: Path) -> Iterator[Row]:
    """Observations of the demo archive a minute, of one worker and of two with a core each."""
    found = []
    for number in (1, 2):
        data = folder / f"rate-{number}"
        variables = {
            **environment,
            "XTENDFLOW_DATA": str(data),
            "XTENDFLOW_CATALOGUE": str(folder / "demo/xrismmastr.ecsv"),
            "XTENDFLOW_CORES": "1",
        }
        with _workers(variables, data, number):
            seconds = _sweep(variables, _SMALL)
        done = len([*data.glob("store/*/attempts/*.json")])
        found.append(60 * done / seconds)
        note(f"{done} observations with {number} worker(s) in {seconds:.0f} s")
    yield Row("observations of the demo archive per minute, 1 worker", found[0], "1/min")
    yield Row("the same, 2 workers against 1", found[1], "1/min", against=found[0], ratio=found[1] / found[0])


def _check_records(settings: Settings, server: Server, number: int) -> None:
    """Nothing may be lost: rows of the ledger, manifests, attempts and flow runs, each with its end."""
    ledger = {item.number for item in Ledger.open(settings.ledger_url).counts("observations")}
    store = Path(settings.store_url)
    manifests, attempts = (len([*store.glob(each)]) for each in ("*/*/manifest.json", "*/attempts/*.json"))
    wanted = {
        "flows": {"name": {"any_": ["observation"]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    ended = _ask(server, "flow_runs/count", wanted)
    found = (ledger, manifests, attempts, ended)
    if found != ({number}, number, number, number):
        raise RuntimeError(f"records were lost: observations, manifests, attempts, flow runs are {found}")


def _environment(settings: Settings, server: Server) -> dict[str, str]:
    return {
        **server.environment(settings.prefect_home),
        "XTENDFLOW_DATA": str(settings.data),
        "XTENDFLOW_ARCHIVE": settings.archive,
        "XTENDFLOW_CATALOGUE": settings.catalogue,
        "PYTHONPATH": str(_HERE),
    }


@contextmanager
def _workers(environment: Mapping[str, str], folder: Path, number: int) -> Iterator[None]:
    """So many process workers that take one observation at a time."""
    words = ("worker", "start", "--type", "process", "--pool", _POOL, "--limit", "1")
    folder.mkdir(exist_ok=True)
    with ExitStack() as started:
        for each in range(number):
            log = started.enter_context((folder / f"worker-{each}.log").open("ab"))
            process = started.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "prefect", *words],
                    env={**environment, "PREFECT_WORKER_QUERY_SECONDS": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )
            started.callback(process.send_signal, signal.SIGTERM)
        yield


def _sweep(environment: Mapping[str, str], recipe: Recipe, program: Path | None = None) -> float:
    """Seconds that a sweep takes; without a program of its own it leaves all to workers."""
    order = {
        "query": {},
        "recipe": recipe.model_dump(mode="json"),
        "rules": {},
        "as_json": True,
        "server_stays": True,
    }
    command = [str(program)] if program else ["-m", "flows.cli.run_sweep"]
    variables = {**environment, "XTENDFLOW_DISPATCH": "here" if program else "deployment"}
    started = time.perf_counter()
    # Standard input stays open: its end would end the sweep.
    with subprocess.Popen(
        [sys.executable, *command], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the sweep has no pipes")
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        told = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"the sweep ended with {process.returncode}: {told[-500:]}")
    return time.perf_counter() - started


def _run(environment: Mapping[str, str], *words: str) -> None:
    subprocess.run(words, env=dict(environment), check=True, stdout=subprocess.DEVNULL)


def _enter(server: Server, deployment: str, entrypoint: str) -> None:
    """Have a deployment run another flow function."""
    address = f"{server.api}/deployments/{deployment}"
    httpx.patch(address, json={"entrypoint": entrypoint}, trust_env=False).raise_for_status()


def _get(server: Server, what: str) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{server.api}/{what}", trust_env=False).raise_for_status().json()
    return answer


def _ask(server: Server, what: str, wanted: dict[str, Any]) -> Any:
    return (
        httpx.post(f"{server.api}/{what}", json=wanted, timeout=60, trust_env=False).raise_for_status().json()
    )


def _megabytes(server: Server) -> float:
    """What the server's process held at most (Linux)."""
    status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6

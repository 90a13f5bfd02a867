"""A sweep over an archive of which everything is done, as people start it; beside it cached Prefect tasks."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from finished import fill_ledger, fill_store, write_many
from rows import Row, below, note

from flows.server import prefect_server
from tasks.core.settings import Settings
from tasks.engines.choice import choose
from tasks.library.recipe import Recipe

_OBSERVATIONS, _DATASETS = 10_000, 20_000
_MAPPED = 500
_LIMIT = 10.0
_TIMES = 3
_COMMAND = Path(sys.executable).with_name("xtendflow")
_OWN = {"flow_runs": {"sweep", "discovery"}, "task_runs": {"discovery", "find"}}
"""What a sweep that has nothing to do leaves in Prefect; a flow within a flow counts as a task, too."""


def rows(folder: Path) -> Iterator[Row]:
    """The whole command with a Prefect server that is up, its start not counted."""
    recipe = Recipe(engine="native")
    catalogue = folder / "xrismmastr.ecsv"
    observations = write_many(catalogue, _OBSERVATIONS)
    chosen = choose(recipe)
    files = fill_store(folder / "store", observations, chosen)
    note(f"{_OBSERVATIONS} observations and {_DATASETS} datasets are done; the store holds {files} files")
    settings = Settings(data=folder, catalogue=str(catalogue), archive=str(folder / "archive"))
    Path(settings.archive_url).mkdir()
    started = time.perf_counter()
    with prefect_server(settings) as server:
        note(f"the Prefect server took {time.perf_counter() - started:.1f} s to start, once")
        environment = server.environment(settings.prefect_home)
        fill_ledger(settings.ledger_url, observations, chosen)
        ours = _resweep(settings, environment, settings.ledger_url)
        yield below(f"resweep of {_OBSERVATIONS:,} finished ObsIDs", ours, "s", _LIMIT)
        cached = _cached(environment) / _MAPPED
        note(f"{_MAPPED} mapped cached Prefect tasks: {cached * 1000:.1f} ms each")
        against = cached * _DATASETS
        name = f"the same, against {_DATASETS:,} mapped cached Prefect tasks (extrapolated from {_MAPPED})"
        yield Row(name, ours, "s", against, against / ours)
        with _postgresql() as url:
            if url is None:
                note("with PostgreSQL: no PostgreSQL server is installed (Debian: postgresql)")
                return
            fill_ledger(url, observations, chosen)
            ours = _resweep(settings, environment, url)
            yield below(f"resweep of {_OBSERVATIONS:,} finished ObsIDs, PostgreSQL", ours, "s", _LIMIT)


def _resweep(settings: Settings, environment: Mapping[str, str], ledger: str) -> float:
    """The shortest of several sweeps, each of which must leave everything as it is."""
    found = [_sweep(settings, environment, ledger) for _ in range(_TIMES)]
    return min(found)


def _sweep(settings: Settings, environment: Mapping[str, str], ledger: str) -> float:
    """Seconds from the command's start to its end."""
    since = datetime.now().astimezone()
    command = [str(_COMMAND), "sweep", "--archive", settings.archive, "--catalogue", settings.catalogue]
    command += ["--engine", "native"]
    variables = {**environment, "XTENDFLOW_DATA": str(settings.data), "XTENDFLOW_LEDGER": ledger}
    api = environment["PREFECT_API_URL"]
    load = os.getloadavg()[0]
    printed, moments = settings.data / "printed.txt", {}
    started = time.perf_counter()
    with (
        printed.open("w") as out,
        subprocess.Popen(
            command, env=variables, cwd=settings.data, text=True, stdout=out, stderr=subprocess.PIPE
        ) as process,
    ):
        for line in process.stderr or ():
            moments[line.strip()] = (time.perf_counter() - started, datetime.now().astimezone())
    seconds = time.perf_counter() - started
    told = printed.read_text(encoding="utf-8")
    if process.returncode or f"{_DATASETS} done" not in told:
        raise RuntimeError(f"the sweep ended with {process.returncode}: {told[-500:]} {[*moments][-5:]}")
    runs = {what: _runs(api, what, since) for what in _OWN}
    for what, own in _OWN.items():
        names = {name for name, _ in runs[what]}
        if len(runs[what]) != len(own) or names != own:
            raise RuntimeError(f"the sweep left other {what} than {own}: {names}")
    [selected] = (moment for line, moment in moments.items() if "found, 0 to run" in line)
    discovered = max(end for _, end in runs["flow_runs"] if end <= selected[1])
    selecting = (selected[1] - discovered).total_seconds()
    note(
        f"{ledger.partition(':')[0]}: {seconds:.2f} s, of which {selected[0] - selecting:.2f} s until all "
        f"was discovered, {selecting:.2f} s for the selection, {seconds - selected[0]:.2f} s after it "
        f"(load {load:.1f})"
    )
    return seconds


def _runs(api: str, what: str, since: datetime) -> list[tuple[str, datetime]]:
    """Name (of the flow or task) and end of every run since a moment."""
    time.sleep(1)  # records of task runs come a moment late
    wanted = {what: {"start_time": {"after_": since.isoformat()}}, "limit": 200}
    answer = httpx.post(f"{api}/{what}/filter", json=wanted, timeout=60, trust_env=False)
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    names = _flow_names(api) if what == "flow_runs" else {}
    return [
        (
            names[item["flow_id"]] if names else item["name"].partition("-")[0],
            datetime.fromisoformat(item["end_time"]),
        )
        for item in found
    ]


def _flow_names(api: str) -> dict[str, str]:
    answer = httpx.post(f"{api}/flows/filter", json={}, timeout=60, trust_env=False)
    return {item["id"]: item["name"] for item in answer.raise_for_status().json()}


def _cached(environment: Mapping[str, str]) -> float:
    """Seconds that mapping cached tasks takes when all of them are served from the cache."""
    command = [sys.executable, str(Path(__file__).with_name("cached_tasks.py")), str(_MAPPED)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


@contextmanager
def _postgresql() -> Iterator[str | None]:
    """An empty database of a throw-away PostgreSQL server; None where none is installed."""
    initdb = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
    if initdb is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    # PostgreSQL refuses to run as root.
    owner: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    if owner:
        shutil.chown(folder, **owner)

    def run(name: str, *words: str) -> None:
        command = [str(initdb.with_name(name)), *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **owner)

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "postgres", "-A", "trust")
    run(
        "pg_ctl",
        "-D",
        data,
        "-w",
        "-l",
        f"{folder}/log",
        "-o",
        f"-k {folder} -c listen_addresses=''",
        "start",
    )
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)

"""Whole sweeps as people run them: what becomes of every observation, and what a sweep does the next time."""

import json
import os
import re
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from flows.server import prefect_server, running
from tasks.core.settings import Settings

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

FULL, FAINT, TRUNCATED = "900001010", "900004010", "900011010"
CLASS = "30000010"

ENDS = {
    ("900001010", "30000010"): ("done", None),
    ("900002010", "31100010"): ("done", None),
    ("900002010", "32000010"): ("done", None),
    ("900003010", "300000a0"): ("done", None),
    ("900004010", "30000010"): ("done", None),
    ("900005010", "30000010"): ("done", None),
    ("900006010", "30000010"): ("done", None),
    ("900007010", None): ("skipped(not-public)", "not public until 2064-03-21"),
    ("900008010", None): ("skipped(proprietary)", "encrypted"),
    ("900009010", None): ("skipped(not-public)", "not observed yet"),
    ("900010010", None): ("skipped(not-public)", "not observed yet"),
    ("900011010", None): ("failed(permanent)", r"p030000010_cl\.evt\.gz.*damaged.*ended before"),
    ("900012010", None): ("failed(permanent)", r"p030000010_cl\.evt\.gz.*damaged.*CRC"),
    ("900013010", "30000010"): ("skipped(no-data)", "no good time"),
    ("900014010", "30000010"): ("done", None),
    ("900015010", "37000010"): ("done", None),
}
STEPS = ("fetch", "processing", "exposure", "regions", "extraction", "derived", "responses", "fit")
FAILING = {"900011010", "900012010"}


def test_an_archive_with_faults(place, prefect):
    swept = place.sweep()
    assert swept.status == 1, swept.err
    assert swept.states == {dataset: state for dataset, (state, _) in ENDS.items()}
    results = {(item["obsid"], item["dataclass"]): item for item in swept.summary["results"]}
    for dataset, (_, reason) in ENDS.items():
        told = results[dataset]["standing"]["reason"]
        assert told is None if reason is None else re.search(reason, told), dataset
    cautions = {dataset: {item["id"] for item in result["cautions"]} for dataset, result in results.items()}
    assert "unknown-class" in cautions["900015010", "37000010"]
    without_ehk = cautions["900014010", "30000010"] - cautions["900001010", "30000010"]
    assert without_ehk, "the missing EHK is a caution"

    # What is published is true, and the observation without EHK has no exposure maps, saying so.
    place.check_store()
    manifests = place.manifests()
    assert set(manifests) == {
        f"{obsid}/{name}" for (obsid, name), (state, _) in ENDS.items() if state == "done"
    }
    kinds = {key: Counter(item["kind"] for item in content["products"]) for key, content in manifests.items()}
    assert all(count["image"] == 8 for count in kinds.values())
    assert kinds[f"900014010/{CLASS}"]["exposure-map"] == 0
    refused = {item["kind"] for item in manifests[f"900014010/{CLASS}"]["not_made"]}
    assert {"exposure-map", "rate-image"} <= refused
    for page in ("index.html", f"{FULL}/{CLASS}/index.html", f"900013010/{CLASS}/index.html"):
        assert (place.folder / "store/report" / page).is_file()
    front = (place.folder / "store/report/index.html").read_text()
    assert all(obsid in front for obsid, _ in ENDS)
    broken = (place.folder / f"store/report/{min(FAILING)}/index.html").read_text()
    assert "The log's last lines" in broken
    assert "gzip compression is damaged" in broken
    summed = json.loads((place.folder / "store/report/900002010/combined.json").read_text())
    assert summed["dataclasses"] == ["31100010", "32000010"]

    # Prefect says the same of every run.
    run = prefect.sweep(swept)
    assert run["state_type"] == "FAILED"
    assert all(obsid in run["state"]["message"] for obsid in FAILING)
    observed = prefect.observations(swept)
    hidden = {"900007010", "900009010", "900010010"}
    assert set(observed) == {obsid for obsid, _ in ENDS} - hidden
    for obsid, item in observed.items():
        (state,) = {state for (number, _), (state, _) in ENDS.items() if number == obsid}
        expected = {
            "failed(permanent)": ("FAILED", "Failed"),
            "skipped(proprietary)": ("COMPLETED", "Skipped"),
            "skipped(no-data)": ("COMPLETED", "Skipped"),
            "done": ("COMPLETED", "Completed"),
        }[state]
        assert (item["state_type"], item["state_name"]) == expected, obsid
        if state != "done":
            assert re.search(
                ENDS[obsid, CLASS if obsid == "900013010" else None][1], item["state"]["message"]
            )

    check_tags_and_artifacts(prefect, run, observed)

    # The second sweep leaves the bad ones alone, and still lists them; who asks for them gets them.
    published, calls = place.published(), place.calls()
    again = place.sweep()
    assert again.status == 1
    assert again.states == swept.states
    assert (prefect.observations(again), again.begun, place.calls()) == ({}, {}, calls)
    left = {item["obsid"]: item["why"] for item in again.summary["results"]}
    assert left[FULL] == "nothing has changed"
    assert {left[obsid] for obsid in FAILING} == {"failed for good: the data are at fault"}
    asked = place.sweep(*FAILING, FULL)
    assert asked.status == 1
    assert asked.begun == dict.fromkeys(FAILING, "asked for")
    assert set(prefect.observations(asked)) == FAILING
    assert place.published() == published
    assert place.called_since(calls) == {"download.fetch_observation"}

    # What people ask afterwards.
    status = json.loads(place.run("status", "--json").stdout)
    assert {item["obsid"]: item["attempts"] for item in status["failed"]} == dict.fromkeys(FAILING, 2)
    assert [sweep["counts"]["failed"] for sweep in status["sweeps"]] == [2, 2, 2]
    shown = json.loads(place.run("show", TRUNCATED, "--json").stdout)
    assert [item["standing"]["kind"] for item in shown["attempts"]] == ["permanent"] * 2
    files = json.loads(place.run("show", FULL, "--files", "--json").stdout)
    assert [file["needed"] for file in files] == [file["here"] for file in files]
    assert sum(file["needed"] for file in files) == 4


def check_tags_and_artifacts(prefect, run, observed):
    """What people find Prefect's records by, and what these show."""
    for obsid, item in observed.items():
        error = {"error:permanent"} if obsid in FAILING else set()
        assert {tag for tag in item["tags"] if not tag.startswith("process:")} == {
            f"obsid:{obsid}",
            "engine:native",
            *error,
        }
    assert "engine:native" in run["tags"]
    ids = [item["id"] for item in observed.values()]
    stages = prefect.ask("flow_runs", flow_runs={"parent_flow_run_id": {"any_": ids}})
    assert not [tag for item in stages for tag in item["tags"] if tag.startswith("error:")]
    made = {item["name"]: item for item in stages}[f"products {FULL} {CLASS}"]
    assert {f"obsid:{FULL}", f"dataclass:{CLASS}", "engine:native"} <= set(made["tags"])
    steps = prefect.ask("task_runs", flow_runs={"id": {"any_": [item["id"] for item in stages]}})
    tags = {item["name"]: set(item["tags"]) for item in steps}
    assert tags[f"extraction {FULL} {CLASS}"] == {f"obsid:{FULL}", f"dataclass:{CLASS}", "engine:native"}
    assert tags[f"fetch {TRUNCATED}"] == {f"obsid:{TRUNCATED}", "error:permanent"}

    artifacts = prefect.ask("artifacts", flow_runs={"id": {"any_": [run["id"], *ids]}})
    shown = {item["key"]: item["data"] for item in artifacts if item["key"]}
    datasets = {f"dataset-{obsid}-{name}" for obsid, name in ENDS if name}
    assert set(shown) >= {"failed-obsids", "sweep-summary", *datasets, *(f"log-{obsid}" for obsid in FAILING)}
    rows = shown["failed-obsids"].splitlines()[2:]
    assert [row[2:11] for row in rows] == sorted(FAILING)
    for row in rows:
        assert f"../../runs/flow-run/{observed[row[2:11]]['id']}" in row
        assert "| download | permanent |" in row
    assert f"| {len(observed)} |" in shown["sweep-summary"]
    assert "## Left alone: 3 observations" in shown["sweep-summary"]
    assert "## Cautions" in shown[f"dataset-{FULL}-{CLASS}"]
    assert max(map(len, map(str, shown.values()))) < 20_000


def test_what_is_done_stays_done(lonely, recorded, wait):
    """With a server of its own, which is gone after each sweep: its records must be complete by then."""
    settings = Settings(data=lonely.folder)
    first = lonely.run("sweep", "--obsid", FULL)
    assert first.returncode == 0, first.stderr
    assert re.search(rf"{FULL} +{CLASS} +SIM full window +done +new; \d cautions", first.stdout)
    assert "\n1 done\n" in first.stdout
    assert f"Report:     file://{lonely.folder}/store/report/index.html\n" in first.stdout
    assert re.search(r"^Prefect UI: http://127\.0\.0\.1:\d+ \(stops now", first.stdout, re.MULTILINE)
    assert running(settings.prefect_home) is None
    published = lonely.published()

    second = lonely.sweep(FULL)
    assert (second.status, second.begun) == (0, {})
    with prefect_server(settings) as server:
        prefect = recorded(server.api)
        runs = prefect.task_runs()
        assert {run["state_type"] for run in runs} == {"COMPLETED"}
        # Prefect also counts each flow that another one calls.
        assert Counter(run["name"].partition("-")[0] for run in runs) == {
            **{f"{step} {FULL} {CLASS}": 1 for step in (*STEPS[1:], "page")},
            f"fetch {FULL}": 1,
            **dict.fromkeys(("observation", "download", "processing", "products"), 1),
            **dict.fromkeys(("discovery", "find"), 2),
        }
        flows = prefect.ask("flow_runs")
        assert {run["state_type"] for run in flows} == {"COMPLETED"}
        assert len(prefect.flow_runs("sweep")) == 2

        # A product that is gone is made again, and nothing else is.
        before, numbers = lonely.calls(), lonely.inodes()
        known = {run["id"] for run in prefect.task_runs()}
        gone = next(path for path in published if path.endswith("-back-spectrum.fits"))
        (lonely.folder / "store" / gone).unlink()
        healed = lonely.sweep(FULL)
        assert (healed.status, healed.begun) == (0, {FULL: "published files are missing"})
        lonely.check_store()
        after = lonely.published()
        assert {path for path, number in lonely.inodes().items() if number != numbers[path]} == {gone}
        assert after == {**published, gone: after[gone]}
        assert lonely.called_since(before) == {
            "download.fetch_observation",
            "extraction.extract",
            "drawing.draw_pictures",
        }

        def states() -> dict[str, str]:
            return {
                run["name"].partition(" ")[0]: run["state_name"]
                for run in prefect.task_runs()
                if run["id"] not in known and run["name"].endswith(CLASS)
            }

        expected = dict.fromkeys(STEPS[1:], "Cached") | dict.fromkeys(("extraction", "page"), "Completed")

        def taken_in() -> bool:
            told = states()
            return set(told) >= set(expected) and {"Pending", "Running"}.isdisjoint(told.values())

        wait(taken_in, "the server has taken in what it was told")
        assert states() == expected

        # A ledger that is gone is made again of what is published.
        for file in lonely.folder.glob("ledger.sqlite*"):
            file.unlink()
        before = lonely.calls()
        adopted = lonely.sweep(FULL)
        assert (adopted.status, adopted.begun) == (0, {FULL: "new"})
        assert lonely.published() == after
        assert lonely.called_since(before) == {"download.fetch_observation"}
        assert lonely.sweep(FULL).begun == {}

    # A store belongs to one recipe's name.
    recipe = lonely.folder.parent / "mine.toml"
    recipe.write_text("name = 'mine'")
    refused = lonely.run("sweep", "--recipe", str(recipe))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "recipe 'standard'" in refused.stderr
    assert lonely.published() == after


def test_a_plan_is_told_and_nothing_is_done(place):
    told = json.loads(place.run("sweep", "--dry-run", "--json", "--limit", "2").stdout)
    assert [(item["obsid"], item["cause"], item["why"]) for item in told["run"]] == [
        ("900001010", "new", "new"),
        ("900002010", "new", "new"),
    ]
    whys = Counter(item["why"] for item in told["leave"])
    assert whys["new, beyond the limit of 2"] == 10
    assert whys.total() == 13
    assert not any((place.folder / name).exists() for name in ("store", "downloads", "logs"))
    text = place.run("sweep", "--dry-run", "--obsid", FAINT)
    assert (text.returncode, text.stderr) == (0, "")
    assert re.search(rf"^{FAINT} +\S.* +new$", text.stdout, re.MULTILINE)
    assert "1 observations would be run, by the engine native." in text.stdout

    assert place.sweep(FAINT).status == 0
    assert json.loads(place.run("sweep", "--dry-run", "--json", "--obsid", FAINT).stdout)["run"] == []
    new = json.loads(place.run("sweep", "--dry-run", "--json", "--only", "new").stdout)
    assert len(new["run"]) == 11
    assert FAINT not in {item["obsid"] for item in new["run"]}


def test_a_catalogue_that_is_no_table_ends_a_sweep_over_all_of_it(place, tmp_path):
    table = tmp_path / "mine.ecsv"
    table.write_text("no table")
    swept = place.with_variables(XTENDFLOW_CATALOGUE=str(table)).sweep()
    assert (swept.status, swept.summary) == (2, None)
    (told,) = (line for line in swept.err.splitlines() if line.startswith("xtendflow: "))
    assert told.startswith(f"xtendflow: the catalogue {table} is no ecsv table: ")
    assert "Traceback" not in swept.err


def test_a_file_replaced_in_the_archive_is_noticed(place):
    archive = place.folder.parent / "changing"
    for name in (f"9/{FAINT}", "xrismmastr.ecsv"):
        source, copy = place.archive / name, archive / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy2(source, copy)
    place = replace(place, archive=archive)
    more = ("--since", "2000-01-01")
    assert place.sweep(FAINT).states == {(FAINT, CLASS): "done"}
    assert place.sweep(more=(*more, "--only", "stale", "--verify")).begun == {}

    # Another file of the same size: its time has changed, and what it says has not.
    (events,) = archive.glob(f"9/{FAINT}/xtend/event_cl/*_cl.evt.gz")
    os.utime(events, (1, 1))
    published, calls = place.published(), place.calls()
    assert place.sweep(more=(*more, "--only", "stale")).begun == {}, "it is looked at every seven days"
    noticed = place.sweep(more=(*more, "--only", "stale", "--verify"))
    assert noticed.begun == {FAINT: "files have changed in the archive"}
    assert noticed.states[FAINT, CLASS] == "done"
    assert (place.published(), place.called_since(calls)) == (published, {"download.fetch_observation"})
    assert place.sweep(more=(*more, "--only", "stale", "--verify")).begun == {}


def test_what_kills_its_process_every_time_is_given_up(place, wait, finish):
    for attempt in (1, 2):
        command = place.start(*place.words(FAINT), "--max-attempts", "2", start_new_session=True)
        wait(place.children, "work begins")
        for pid in place.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        command.kill()
        command.communicate()
        wait(lambda: not place.processes(), "nothing outlives the command")
        assert len(place.attempts()) == attempt
    left = place.sweep(more=("--max-attempts", "2", "--only", "failed"))
    assert (left.status, left.begun) == (1, {})
    (result,) = (item for item in left.summary["results"] if item["obsid"] == FAINT)
    assert result["why"] == "given up after 2 attempts"
    assert result["standing"]["kind"] == "gave-up"
    assert result["standing"]["reason"].startswith("given up after 2 attempts, the last of which: ")
    swept = place.sweep(FAINT, more=("--max-attempts", "2"))
    assert (swept.status, swept.begun) == (0, {FAINT: "asked for"})


def test_another_band_makes_its_own_products_alone(place):
    recipe = place.folder.parent / "mine.toml"
    small = "[images]\nbands = ['0.6-2']\nbinnings = [4]\n[exposure]\nbinnings = [4]\n"
    recipe.write_text(f"{small}[light_curves]\nbands = ['0.6-2', '2-6']\n")
    assert place.sweep(FAINT, more=("--recipe", str(recipe))).status == 0
    before = place.published()
    recipe.write_text(f"{small}[light_curves]\nbands = ['0.6-2', '3-6']\n")
    swept = place.sweep(FAINT, more=("--recipe", str(recipe)))
    assert (swept.status, swept.begun) == (0, {FAINT: "changed: recipe"})
    after = place.published()
    place.check_store()
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    assert all(after[path] == before[path] for path in before.keys() & after.keys())
    curves = {
        product["path"]: product["entry"]["band"]
        for product in place.manifests()[f"{FAINT}/{CLASS}"]["products"]
        if product["kind"] == "light-curve"
    }
    assert {path.partition(f"{CLASS}/")[2] for path in new} == {
        path for path, band in curves.items() if band.startswith("3")
    }
    assert len(gone) == len(new) > 0


def test_an_interrupted_sweep_goes_on(place, prefect, wait, finish):
    command = place.start(*place.words(FULL, FAINT))
    wait(place.children, "work begins")
    command.send_signal(signal.SIGINT)
    stopped = finish(command)
    assert (stopped.status, stopped.summary) == (130, None)
    assert stopped.err.rstrip().endswith("what was finished is kept, the next sweep goes on")
    assert "Traceback" not in stopped.err
    assert place.processes() == {}
    attempts = place.attempts()
    assert attempts
    assert {item["standing"]["reason"] for item in attempts} == {"it was interrupted"}
    ids = [item["flow_run_id"] for item in attempts]
    assert {run["state_type"] for run in prefect.ask("flow_runs", flow_runs={"id": {"any_": ids}})} <= {
        "CRASHED",
        "CANCELLED",
    }
    place.check_store(leftovers=True)

    # This time somebody kills a child: that is worth another try, and nobody need notice.
    command = place.start(*place.words(FULL, FAINT))
    wait(place.kill_child, "work begins")
    swept = finish(command)
    assert swept.status == 0, swept.err
    assert set(swept.begun) == {FULL, FAINT}
    assert "interrupted before" in swept.begun.values(), "an interrupt is no failure"
    assert set(swept.states.values()) == {"done"}
    assert sum(attempt["tries"] for attempt in place.attempts()[-2:]) == 2 * len(STEPS) + 1
    place.check_store()
    assert prefect.sweep(swept)["state_type"] == "COMPLETED"


@pytest.mark.parametrize("whole", [True, False], ids=["with its child", "alone"])
def test_a_killed_sweep_goes_on(place, wait, whole):
    place = place.with_variables(XTENDFLOW_LEASE_SECONDS="600")
    command = place.start(*place.words(FAINT), start_new_session=True)
    wait(place.manifests, "something is published")
    wait(place.children, "work goes on")
    if whole:
        for pid in place.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    command.kill()
    command.communicate()
    wait(lambda: not place.processes(), "nothing outlives the command")
    place.check_store(leftovers=True)
    before = place.published()
    assert before

    swept = place.sweep(FAINT)
    assert swept.status == 0, swept.err
    assert swept.states == {(FAINT, CLASS): "done"}
    place.check_store()
    assert before.items() <= place.published().items(), "what was finished is adopted"
    assert place.calls()[f"{FAINT}/{CLASS} adoption.adopt"] == 1


def test_two_sweeps_at_once(place, finish):
    commands = [place.start(*place.words(FULL)) for _ in range(2)]
    swept = [finish(command) for command in commands]
    assert [item.status for item in swept] == [0, 0], [item.err for item in swept]
    for item in swept:
        assert set(item.states.values()) <= {"done", "running"}
    assert {"done"} in [set(item.states.values()) for item in swept]
    place.check_store()
    # Every step was done once.
    steps = {
        key: number
        for key, number in place.calls().items()
        if not key.endswith(("_observation", "_pictures"))
    }
    assert len(steps) == 6
    assert set(steps.values()) == {1}, steps
    assert place.sweep(FULL).begun == {}


@pytest.mark.postgresql
def test_a_store_in_a_bucket_and_a_ledger_in_postgresql(place, bucket, postgresql):
    place = place.with_variables(
        **bucket, XTENDFLOW_STORE="s3://products/xrism/xtend", XTENDFLOW_LEDGER=postgresql
    )
    swept = place.sweep(FAINT, TRUNCATED)
    assert swept.status == 1, swept.err
    assert swept.states == {(FAINT, CLASS): "done", (TRUNCATED, None): "failed(permanent)"}
    again = place.sweep(FAINT, TRUNCATED)
    assert (again.status, set(again.begun)) == (1, {TRUNCATED})
    status = json.loads(place.run("status", "--json").stdout)
    assert {item["obsid"]: item["attempts"] for item in status["failed"]} == {TRUNCATED: 2}
    shown = json.loads(place.run("show", FAINT, "--json").stdout)
    (dataset,) = shown["datasets"]
    assert dataset["page"] == f"s3://products/xrism/xtend/report/{FAINT}/{CLASS}/index.html"
    assert sum(item["kind"] == "image" for item in dataset["products"]) == 8
    assert not (place.folder / "store").exists()
    assert not list(place.folder.glob("*.sqlite*"))
    refused = place.with_variables(XTENDFLOW_STORE="s3://nobody/has/this").sweep(FAINT)
    assert refused.status == 3
    assert refused.err.count("\n") == 1


def test_a_disk_that_gets_full(place, small_disk):
    disk = small_disk("40m")
    place = place.with_variables(XTENDFLOW_DATA=str(disk), XTENDFLOW_STORE=str(disk / "store"))
    place = type(place)(disk, place.archive, place.variables)
    swept = place.sweep(FAINT)
    assert swept.status in (1, 3), swept.err
    told = swept.err + json.dumps(swept.summary)
    assert re.search("[Nn]o space|not enough|full", told), told
    assert "Traceback" not in swept.err
    place.check_store(leftovers=True)

    small_disk("1g")
    started = time.monotonic()
    swept = place.sweep(FAINT)
    assert swept.status == 0, (swept.err, time.monotonic() - started)
    assert swept.states == {(FAINT, CLASS): "done"}
    place.check_store()
    shutil.rmtree(disk / "store")

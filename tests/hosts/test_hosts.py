"""Two worker hosts share sweeps; one of them is cut off in the middle of its work, and comes back."""

import hashlib
import json
import os
import re
import signal
from contextlib import suppress

import pytest

pytestmark = [pytest.mark.system, pytest.mark.hosts]

WORKERS = {"left", "right"}
OBSIDS = ("900001010", "900003010", "900004010", "900006010")
SOME = OBSIDS[:3]
CLASSES = {**dict.fromkeys(OBSIDS, "30000010"), "900003010": "300000a0"}
DATASETS = {f"{obsid}/{dataclass}" for obsid, dataclass in CLASSES.items()}
GONE = "the worker that took it is not heard of any more"
REFUSED = re.compile(r"no longer holds|another process has published")
LONG = 480.0
"""Seconds that a sweep may take on a busy machine."""


class Sweep:
    """A sweep that is asked for as the form of its deployment does it; recipes differ in the curve."""

    def __init__(self, installation, wait, obsids, curve):
        self._installation, self._wait = installation, wait
        recipe = {
            "engine": "native",
            "images": {"bands": ["0.6-2"], "binnings": [4]},
            "exposure": {"binnings": [4]},
            "light_curves": {"bands": [curve]},
        }
        made = order(installation, {"query": {"obsids": obsids}, "recipe": recipe})
        assert made.status_code == 201, made.text
        self.run_id = made.json()["id"]
        self.row = wait(self._row, "the sweep begins", LONG)

    def _row(self):
        rows = self._installation.ledger("SELECT id, holder, flow_run_id FROM sweeps")
        return next((row for row in rows if row["flow_run_id"] == self.run_id), None)

    @property
    def host(self):
        """Where it runs itself."""
        return self.row["holder"].partition(":")[0]

    def runs(self):
        """The flow runs of its observations."""
        runs = self._installation.find("flow_runs", flows={"name": {"any_": ["observation"]}})
        return [run for run in runs if run["parameters"]["sweep"] == self.row["id"]]

    def attempts(self):
        """What the ledger knows of attempts at them, oldest first; `at` is the host."""
        query = "SELECT *, split_part(host, ':', 1) AS at FROM attempts WHERE sweep = '%s' ORDER BY started"
        return self._installation.ledger(query % self.row["id"])

    def end(self):
        """Wait for its end, which has to be a good one."""

        def ended():
            run = self._installation.ask("GET", f"flow_runs/{self.run_id}").json()
            return run["state_type"] not in ("SCHEDULED", "PENDING", "RUNNING") and run["state"]

        state = self._wait(ended, "the sweep ends", LONG)
        assert state["type"] == "COMPLETED", state["message"]


def order(installation, parameters):
    """Ask for a sweep."""
    found = installation.ask("GET", "deployments/name/sweep/on-demand").raise_for_status().json()
    body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
    return installation.ask("POST", f"deployments/{found['id']}/create_flow_run", body)


def check_store(installation):
    """Every dataset is there once, whole, and as the ledger has it; what is in the store."""
    store = installation.store()
    manifests = {
        key.removesuffix("/manifest.json"): json.loads(content)
        for key, content in store.items()
        if key.endswith("/manifest.json")
    }
    assert manifests.keys() == DATASETS
    published = {
        f"{dataset}/{product['path']}": product["sha256"]
        for dataset, manifest in manifests.items()
        for product in manifest["products"]
    }
    assert {key: hashlib.sha256(store[key]).hexdigest() for key in published} == published
    known = installation.ledger("SELECT obsid, dataclass, path, sha256 FROM products")
    assert {f"{row['obsid']}/{row['dataclass']}/{row['path']}": row["sha256"] for row in known} == published
    assert len(known) == len(published)
    strangers = {
        key
        for key in store.keys() - published.keys()
        if not key.startswith(("report/", "recipe.json"))
        and "/attempts/" not in key
        and not key.endswith(("/manifest.json", "/manifest.previous.json"))
    }
    assert strangers == set()
    for table in ("observations", "datasets"):
        rows = installation.ledger(f"SELECT obsid, state, reason FROM {table}")  # noqa: S608
        assert {row["obsid"]: (row["state"], row["reason"]) for row in rows} == dict.fromkeys(
            OBSIDS, ("done", None)
        )
        assert len(rows) == len(OBSIDS)
    return store


def done_by(sweep, obsids):
    """Which host did each observation; that it was done once."""
    done = [attempt for attempt in sweep.attempts() if attempt["state"] == "done"]
    assert sorted(attempt["obsid"] for attempt in done) == sorted(obsids)
    return {attempt["obsid"]: attempt["at"] for attempt in done}


def check_refusals(installation):
    """What cannot be meant is refused before there is a run."""
    before = len(installation.find("flow_runs"))
    for wrong in (
        {"query": {"obsids": ["12"]}},
        {"recipe": {"engine": "xspec"}},
        {"rules": {"limit": 0}},
        {"whole_archive": True},
    ):
        assert order(installation, wrong).status_code in (409, 422), wrong
    assert len(installation.find("flow_runs")) == before


def hold(sweep, host, wait):
    """Stop the steps of all observations that a host has taken: their attempts, and the processes."""
    held = set()

    def all_held():
        for pid, function in host.calls().items():
            # What it does ends with publishing; a download does not.
            if function.startswith("tasks.engines.native."):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    held.add(pid)
        if not held:
            return []
        attempts = sweep.attempts()
        begun = {attempt["flow_run_id"] for attempt in attempts}
        taken = {run["id"] for run in sweep.runs() if run["state_type"] != "SCHEDULED"}
        going_on = [attempt for attempt in attempts if attempt["at"] == host.name and not attempt["ended"]]
        return going_on if taken == begun and len(begun) == len(SOME) and len(going_on) == len(held) else []

    return wait(all_held, f"{host.name} is in its steps"), held


def published(store):
    """What is in the store, without the records of attempts."""
    return {key: content for key, content in store.items() if "/attempts/" not in key}


def test_a_host_that_is_cut_off_loses_its_work_to_another_and_comes_back(installation, hosts, wait):
    wait(lambda: len(installation.find("work_pools/xtendflow/workers")) == len(WORKERS), "workers poll")
    check_refusals(installation)

    first = Sweep(installation, wait, OBSIDS, "2-6")
    first.end()
    assert set(done_by(first, OBSIDS).values()) == WORKERS
    assert len(first.attempts()) == len(first.runs()) == len(OBSIDS)
    check_store(installation)

    second = Sweep(installation, wait, SOME, "2.1-6")
    (away,) = WORKERS - {second.host}
    lost, held = hold(second, hosts[away], wait)
    installation.cable(away, "down")
    second.end()
    done = done_by(second, SOME)
    assert {done[attempt["obsid"]] for attempt in lost} == {second.host}
    crashed = [run for run in second.runs() if run["state_type"] == "CRASHED"]
    assert {run["id"] for run in crashed} == {attempt["flow_run_id"] for attempt in lost}
    assert {run["state"]["message"] for run in crashed} == {GONE}
    before = check_store(installation)

    # It takes itself for the one who does them, and wants to publish.
    assert hosts[away].calls().keys() == held
    installation.cable(away, "up")
    for pid in held:
        os.kill(pid, signal.SIGCONT)
    wait(lambda: not hosts[away].runs(), f"{away} gives up what it was at", LONG)
    late = [attempt for attempt in second.attempts() if attempt["state"] != "done"]
    assert {attempt["id"] for attempt in late} == {attempt["id"] for attempt in lost}
    assert {(attempt["state"], attempt["kind"]) for attempt in late} == {("failed", "transient")}
    assert [attempt["reason"] for attempt in late if not REFUSED.search(attempt["reason"])] == []
    assert published(check_store(installation)) == published(before)

    # The other one does not take anything until it is back.
    (worker,) = hosts[second.host].workers()
    os.kill(worker, signal.SIGSTOP)
    third = Sweep(installation, wait, SOME, "2.2-6")
    os.kill(worker, signal.SIGCONT)
    third.end()
    assert third.host == away
    assert away in done_by(third, SOME).values()
    check_store(installation)

"""A small version of the coverage: the chain finds again what was simulated, and a wrong figure is seen."""

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parent
SEEDS = range(5)
FAR = 4.0
"""Standard deviations that chance never makes here."""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Gives modules of the script, which are no package."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(f"{FOLDER}/"):
            del sys.modules[name]


def measured(module: Callable[[str], ModuleType], found: Any) -> dict[str, Any]:
    scene = module("scenes").SCENES["full window"]
    return {item.quantity: item for item in module("checks").measure(scene, found)}


def with_another_truth(one: Any) -> Any:
    """The same dataset, as if something else had been simulated."""
    target = one.truth["sources"][0]
    parameters = {name: 1.3 * value for name, value in target["parameters"].items()}
    other = {"rate": 1.2 * target["rate"], "ra": target["ra"] + 2 / 3600, "parameters": parameters}
    return replace(one, truth={**one.truth, "sources": [{**target, **other}]})


def test_the_chain_finds_what_is_true_and_a_wrong_figure_is_seen(module):
    pytest.importorskip("sherpa")
    names = {
        "position",
        "net rate told",
        "net rate",
        "net light curve",
        "phabs.nH",
        "powerlaw.PhoIndex",
        "powerlaw.norm",
    }
    inside = []
    for seed in SEEDS:
        # Products are a hundred megabytes and more.
        with tempfile.TemporaryDirectory() as folder:
            one = module("chain").analyse(module("scenes").SCENES["full window"].of_seed(seed), Path(folder))
            found, wrong = measured(module, one), measured(module, with_another_truth(one))
        assert {name for name, item in found.items() if not item.promise} == names
        assert all(item.inside for item in found.values() if item.promise)
        assert all(abs(found[name].pull) < FAR for name in names)
        inside += [found[name].inside for name in names]
        for name in names - {"phabs.nH"}:
            assert not wrong[name].inside, name
    assert sum(inside) >= 0.7 * len(inside)


def test_a_promise_counts_every_time_and_an_interval_as_often_as_chance_allows(module):
    run, item = module("run"), module("checks").Measured

    def verdict(inside: int, count: int, *, promise: bool) -> bool:
        datasets = [[item("x", number < inside, 0.1, promise)] for number in range(count)]
        ((line, holds),) = run.rows("scene", datasets)
        assert line.startswith(" " if holds else "!")
        assert f"{inside}/{count}" in line.replace(" ", "")
        return holds

    assert verdict(100, 100, promise=True)
    assert not verdict(99, 100, promise=True)
    # Of a hundred tries at 95 % 86 or fewer succeed with a chance of 0.05 %, 87 or fewer with 0.15 %.
    assert verdict(87, 100, promise=False)
    assert not verdict(86, 100, promise=False)


def test_scenes_put_the_target_where_they_say(module):
    scenes = module("scenes")
    target = importlib.import_module("tasks.archive.simulated.events").target_det
    seen = {name: target(scene.observation) for name, scene in scenes.SCENES.items()}
    assert seen["near the edge"] == pytest.approx((304, 620), abs=8)
    assert seen["calibration source"] == pytest.approx((830, 1450), abs=8)
    # Random numbers go by the ObsID.
    obsids = {scene.of_seed(seed).obsid for scene in scenes.SCENES.values() for seed in range(10)}
    assert len(obsids) == 10 * len(scenes.SCENES)


@pytest.mark.system
def test_the_script_tells_whether_promises_are_kept():
    command = [sys.executable, str(FOLDER / "run.py"), "--seeds", "1", "--scene", "nothing at the target"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split("  ")[1].strip() for line in done.stdout.splitlines()] == ["nothing at the target"] * 2
    assert "caution no-source-at-target" in done.stdout
    assert "no fit" in done.stdout

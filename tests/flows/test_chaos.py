"""The fault campaign in its short version; the whole of it takes half an hour (`make chaos`)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[1] / "chaos" / "run.py"
KINDS = ("Prefect server", "sweep, its command", "sweep, its flow", "tool", "worker")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]


def test_nothing_is_lost_in_two_minutes(tmp_path):
    done = subprocess.run(
        [sys.executable, str(RUN), "--minutes", "2", "--seed", "5"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    told = f"{done.stdout}\n{done.stderr}"
    # What a sweep writes is large; the evidence of a violation is kept.
    if done.returncode == 0:
        shutil.rmtree(tmp_path / "sweep-data")
    assert done.returncode == 0, told
    assert re.search(r"^violations +none$", done.stdout, re.MULTILINE), told
    killed = dict(re.findall(r"^killed: (.+?) {2,}(\d+)$", done.stdout, re.MULTILINE))
    assert {kind for kind in KINDS if int(killed.get(kind, 0)) > 0} == set(KINDS), told
    assert re.search(r"^fault: .+ [1-9]", done.stdout, re.MULTILINE), told

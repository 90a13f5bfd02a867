"""What the process of an observation waits for before it can begin."""

import json
import subprocess
import sys

HEAVY = {"astropy", "matplotlib", "scipy", "photutils", "regions", "astroquery", "sherpa"}


def test_who_only_gives_orders_does_not_load_what_does_the_work(tmp_path):
    """Workers start a process for each observation, and children do the work."""
    script = "import json, sys, flows.observation; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "prefect" in loaded
    assert not loaded & HEAVY

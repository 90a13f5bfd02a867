import subprocess, sys, time
from datetime import UTC, datetime
def test_big(postgresql, capsys):
    subprocess.run([sys.executable, "/tmp/S/big.py", postgresql], check=True, env={"PYTHONPATH": "/work/main", "PATH": "/usr/bin:/bin"}, cwd="/work/main")
    from tasks.library.ledger import Ledger
    from tasks.library.throughput import figures
    ledger = Ledger.open(postgresql)
    for _ in range(3):
        t = time.perf_counter(); figures(ledger, datetime.now(UTC))
        with capsys.disabled(): print("PG figures", round(time.perf_counter() - t, 2))

"""Makes the products of a list and prints the peak memory of this process in MB: `peak.py LIST`."""

import resource
import sys
from pathlib import Path

from extraction import products


def peak_mb() -> float:
    """Peak of the resident memory since this program was started."""
    status = Path("/proc/self/status")
    if status.exists():
        # The figure of getrusage would include that of the process that started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    products(Path(sys.argv[1]))
    sys.stdout.write(f"{peak_mb()}\n")

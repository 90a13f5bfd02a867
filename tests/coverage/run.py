"""Simulates datasets of known truth and counts how often the chain finds it.

Prints a table: how often the truth lay in the 95 % interval around what was found, with the binomial error of
that, and the mean of what was found less the truth, in standard errors. The exit status is 1 where intervals
held the truth less often than chance allows at three standard deviations, or where a promise was broken once.

The intervals: of positions and net rates from counting statistics, of parameters the 90 % ranges of the fit,
each side made wider by 1.960/1.645. Of the net light curve the chi-squared against the true one has to lie
between its 2.5 and 97.5 per cent points. A dataset takes some five seconds of a core.
"""

import argparse
import logging
import math
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from chain import analyse
from checks import LEVEL, Measured, measure
from scenes import SCENES
from scipy.stats import binom

_CHANCE = 0.00135
"""Of being further than three standard deviations on one side of a normal distribution."""


def one(scene: str, seed: int) -> list[Measured]:
    """Everything measured in a scene with the events of a seed."""
    logging.getLogger("xtendflow").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        found = analyse(SCENES[scene].of_seed(seed), Path(folder))
        return list(measure(SCENES[scene], found))


def rows(scene: str, found: list[list[Measured]]) -> Iterator[tuple[str, bool]]:
    """Lines of the table, and whether each holds."""
    by_quantity = defaultdict(list)
    for measured in found:
        for item in measured:
            by_quantity[item.quantity].append(item)
    for quantity, items in by_quantity.items():
        count, inside = len(items), sum(item.inside for item in items)
        share, error = inside / count, math.sqrt(LEVEL * (1 - LEVEL) / count)
        if items[0].promise:
            holds, said = inside == count, "every time" if inside == count else "NOT every time"
        else:
            holds, said = bool(binom.cdf(inside, count, LEVEL) >= _CHANCE), f"± {error:.1%}"
        pulls = [item.pull for item in items if item.pull is not None]
        bias = f"{sum(pulls) / len(pulls):+.2f} ± {1 / math.sqrt(len(pulls)):.2f} σ" if pulls else ""
        mark = " " if holds else "!"
        yield f"{mark} {scene:22} {quantity:28} {inside:4}/{count:<4} {share:6.1%} {said:14} {bias}", holds


def main() -> int:
    """Simulate, measure and tell; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="datasets of each scene")
    parser.add_argument("--scene", action="append", choices=SCENES, help="only this one; may be repeated")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes at once")
    asked = parser.parse_args()
    good = True
    with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
        for scene in asked.scene or SCENES:
            found = list(pool.map(one, [scene] * asked.seeds, range(asked.seeds)))
            for line, holds in rows(scene, found):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
                good &= holds
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

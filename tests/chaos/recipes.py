"""Recipes that make little, each something else than all others: what is ordered twice is made once."""

from itertools import count
from random import Random


def plain(curve: str = "2-6", radius: float = 2.0, delta: float = 20.0) -> str:
    """One image, one map, one curve."""
    return (
        "name = 'standard'\n"
        "[images]\nbands = ['0.6-2']\nbinnings = [4]\n"
        f"[exposure]\nbinnings = [4]\ndelta_arcmin = {delta}\n"
        f"[source]\nradius_arcmin = {radius}\n"
        f"[light_curves]\nbands = ['{curve}']\n"
    )


class Recipes:
    """Hands out recipes, each of which changes another step of the last one."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._numbers = count(1)
        self._curve, self._radius, self._delta = "2-6", 2.0, 20.0

    def next(self) -> str:
        """A recipe that nobody has asked for before."""
        number = next(self._numbers)
        if number > 1:
            match self._random.choice(("curve", "radius", "delta")):
                case "curve":
                    self._curve = f"{2 + number / 100:.2f}-6"
                case "radius":
                    self._radius = 2 + number / 100
                case _:
                    self._delta = 20 + number / 100
        return plain(self._curve, self._radius, self._delta)

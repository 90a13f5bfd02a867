"""Grouped spectra by ftgrouppha."""

from collections.abc import Mapping
from typing import Final

from tasks.engines.heasoft.tool import tool_call
from tasks.library.call import Call

SPECTRUM: Final = "source.pha"
RMF: Final = "source.rmf"
_MINUTES: Final = 60.0


def minimum_parameters(output: str, minimum: int) -> dict[str, str | int | float | bool]:
    """Parameters of ftgrouppha for groups of at least `minimum` counts."""
    return _parameters(output, "min", float(minimum), "NONE")


def optimal_parameters(output: str) -> dict[str, str | int | float | bool]:
    """Parameters of ftgrouppha for optimal bins (Kaastra & Bleeker 2016), which need the RMF.

    These do not look at the scale; it is given since ftgrouppha asks for it.
    """
    return _parameters(output, "opt", 1.0, RMF)


def _parameters(output: str, kind: str, scale: float, rmf: str) -> dict[str, str | int | float | bool]:
    return {
        "infile": SPECTRUM,
        "backfile": "NONE",
        "outfile": output,
        "grouptype": kind,
        "groupscale": scale,
        "minchannel": -1,
        "maxchannel": -1,
        "respfile": rmf,
        "templatefile": "NONE",
        "rows": "-",
        "clobber": True,
    }


def group_call(
    parameters: Mapping[str, str | int | float | bool], links: Mapping[str, str], chatter: int
) -> Call:
    """The call that groups a spectrum; where ftgrouppha is missing it fails, and nothing takes its place.

    Parameters
    ----------
    parameters : mapping
        See `minimum_parameters`, `optimal_parameters`.
    links : mapping
        Where `SPECTRUM`, and `RMF` where it is named, are.
    chatter : int
        How much is told.
    """
    return tool_call(
        "ftgrouppha",
        parameters,
        inputs=links,
        outputs=[str(parameters["outfile"])],
        chatter=chatter,
        timeout=30 * _MINUTES,
    )

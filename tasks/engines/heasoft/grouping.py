"""Grouped spectra by ftgrouppha."""

from collections.abc import Mapping
from typing import Final

from tasks.engines.heasoft.tool import tool_call
from tasks.library.call import Call
from tasks.xtend.grouping import GroupingRule

SPECTRUM: Final = "source.pha"
BACKGROUND: Final = "background.pha"
RMF: Final = "source.rmf"
_MINUTES: Final = 60.0


def group_parameters(output: str, rule: GroupingRule) -> dict[str, str | int | float | bool]:
    """Parameters of ftgrouppha for a grouping; its words for the kinds are those of the recipe.

    Optimal bins do not look at the scale; it is given since ftgrouppha asks for it.
    """
    return {
        "infile": SPECTRUM,
        "backfile": BACKGROUND if rule.needs_background else "NONE",
        "outfile": output,
        "grouptype": rule.kind,
        "groupscale": float(rule.least or 1),
        "minchannel": -1,
        "maxchannel": -1,
        "respfile": RMF if rule.needs_response else "NONE",
        "templatefile": "NONE",
        "rows": "-",
        "clobber": True,
    }


def group_call(
    output: str,
    rule: GroupingRule,
    links: Mapping[str, str],
    chatter: int,
    *,
    after: Mapping[str, int] | None = None,
) -> Call:
    """The call that groups a spectrum; where ftgrouppha is missing it fails, and nothing takes its place.

    Parameters
    ----------
    output : str
        The grouped file.
    rule : GroupingRule
        How.
    links : mapping
        Where `SPECTRUM`, and `RMF` and `BACKGROUND` where the rule needs them, are.
    chatter : int
        How much is told.
    after : mapping, optional
        The call of the same plan that makes the RMF.
    """
    return tool_call(
        "ftgrouppha",
        group_parameters(output, rule),
        inputs=links,
        after=after,
        outputs=[output],
        chatter=chatter,
        timeout=30 * _MINUTES,
    )

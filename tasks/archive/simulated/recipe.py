"""A recipe that fits the targets of the archive with the responses that ship with it."""

import json
from pathlib import Path
from typing import Final

from tasks.archive.simulated.programme import PROGRAMME
from tasks.core.identifiers import ObsID

RECIPE: Final = "demo.toml"
FITTED: Final[ObsID] = PROGRAMME[0].obsid
_TEXT: Final = """\
# Fits an absorbed power law, which is what the target of OBSID is; truth.json tells what should come out.
# The ARFs are those of 2 arcmin around each target; RMFs come with the observations.

[responses]
ARF =

[fit]
model = "phabs*powerlaw"
"""


def recipe_of(archive: Path) -> str:
    """The recipe as TOML, for an archive that lies in this folder."""
    arf = str(archive / "responses/xa{obsid}xtd_{dataclass}_src.arf.gz")
    written = json.dumps(arf, ensure_ascii=False)
    return _TEXT.replace("OBSID", FITTED).replace("ARF =", f"arf = {written}")

"""A recipe that fits the target of the archive's first observation with the responses that ship with it."""

import json
from pathlib import Path
from typing import Final

from tasks.archive.simulated.programme import PROGRAMME
from tasks.core.identifiers import ObsID

RECIPE: Final = "demo.toml"
FITTED: Final[ObsID] = PROGRAMME[0].obsid
_TEXT: Final = """\
# Fits the target of {obsid}, an absorbed power law; truth.json tells what should come out.
# The ARF is the one of 2 arcmin around this target; the RMF comes with the observation.

[responses]
arf = {arf}

[fit]
model = "phabs*powerlaw"
"""


def recipe_of(archive: Path) -> str:
    """The recipe as TOML, for an archive that lies in this folder."""
    (name,) = PROGRAMME[0].classes
    arf = archive / f"responses/xa{FITTED}xtd_{name}_src.arf.gz"
    return _TEXT.format(obsid=FITTED, arf=json.dumps(str(arf), ensure_ascii=False))

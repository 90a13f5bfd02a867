"""A dataset whose tool hangs: it is ended by its timeout, with whatever the tool had started."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from place import Place
from recipes import plain
from stage import OBSIDS, Stage, check, reason

_DOUBLE = Path(__file__).resolve().parents[1] / "engines" / "doubles" / "heasoftpy"
_HANGING, _SOUND = OBSIDS[0], OBSIDS[2]
_SECONDS = 18
_RECIPE = f"{plain()}[heasoft]\nhours = {_SECONDS / 3600}\n[engines]\nprocessing = 'heasoft'\n"
"""Events are made anew by a pipeline that has little time."""


def hanging(stage: Stage) -> Iterator[str]:
    """A sweep over one observation whose pipeline hangs; afterwards one in which it does not."""
    stage.stand()
    place = _with_heasoft(stage.place("hanging"))
    command = place.having(HEASOFT_DOUBLE="xtdpipeline=hang").sweep(_RECIPE, _HANGING)
    yield from stage.ended(command)
    results = (command.summary or {"results": []})["results"]
    ends = {(item["standing"]["state"], item["standing"]["kind"]) for item in results}
    if ends != {("failed", "gave-up")} or f"after {_SECONDS} s" not in results[0]["standing"]["reason"]:
        yield f"a pipeline that hangs ends as {results or reason(command)} ({command.err})"
    if left := place.processes():
        yield f"a pipeline that was ended has left {left}"
    again = place.sweep(_RECIPE, _HANGING, _SOUND, more=("--obsid", _HANGING, "--obsid", _SOUND))
    yield from stage.ended(again)
    if again.process.returncode:
        yield f"what hung once is not done: {reason(again)} ({again.err})"
    yield from check(stage, place)


def _with_heasoft(place: Place) -> Place:
    """The place on a host where the double of heasoftpy is installed."""
    site, headas, caldb = (place.folder / name for name in ("site", "headas", "caldb"))
    site.mkdir()
    (site / "heasoftpy").symlink_to(_DOUBLE)
    index = caldb / "data" / "xrism" / "xtend" / "caldb.indx"
    index.parent.mkdir(parents=True)
    index.write_text("CALDB of a double")
    subprocess.run(
        [sys.executable, "-m", "heasoftpy", str(headas)],
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
    )
    return place.having(PYTHONPATH=str(site), HEADAS=str(headas), CALDB=str(caldb))

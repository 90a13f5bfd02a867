"""The simulated catalogue: a table with the columns of HEASARC's `xrismmastr`."""

from pathlib import Path
from typing import Any, Final

from astropy.table import Table

from tasks.archive.simulated.observation import good_time_seconds
from tasks.archive.simulated.programme import LONG_AFTER, Observation
from tasks.archive.simulated.timeline import mjd

CATALOGUE_NAME: Final = "xrismmastr.ecsv"
_RESOLVE_SHARE: Final = 0.93
_TRAILING_BLANKS: Final = ("@@", "  ")
"""Stand-in and what it stands for: astropy strips blanks at the end when it writes."""


def write_catalogue(path: Path, observations: tuple[Observation, ...]) -> None:
    """Write the table as ECSV, one row an observation."""
    rows = [_row(number, observation) for number, observation in enumerate(observations, start=1)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    # As in some rows of the real table, one name ends in blanks.
    columns["xtd_dataclas1"][0] += _TRAILING_BLANKS[0]
    table = Table(columns, meta={"SIMULATD": True, "ORIGIN": "SIMULATION"})
    table.write(path, format="ascii.ecsv", delimiter=",")
    text = path.read_text()
    stand_in, blanks = _TRAILING_BLANKS
    name = columns["xtd_dataclas1"][0]
    path.write_text(text.replace(name, f'"{name.replace(stand_in, blanks)}"'))


def _row(number: int, observation: Observation) -> dict[str, Any]:
    seconds = good_time_seconds(observation)
    exposure = next(iter(seconds.values()), 0.0)
    classes = observation.listed or (*observation.classes, "", "")[:2]
    modes = [_datamode(name) for name in classes]
    observed = observation.presence != "none"
    return {
        "__row": str(number),
        "obsid": str(observation.obsid),
        "name": observation.name,
        "ra": observation.ra,
        "dec": observation.dec,
        "time": mjd(observation.start),
        "end_time": mjd(observation.start + observation.span),
        "duration": observation.span,
        "exposure": round(exposure * _RESOLVE_SHARE, 1),
        "xtd_expo": round(exposure, 1),
        "subject_category": "SIMULATION",
        "status": _status(observation),
        "public_date": observation.release,
        "rsl_datamode": "PX_NORMAL" if observed else "",
        **{f"rsl_fil_{name}": "N" for name in ("be", "fe55", "nd", "poly", "undef")},
        "rsl_fil_open": "Y" if observed else "N",
        "xtd_datamode1": modes[0],
        "xtd_datamode2": modes[1],
        "xtd_dataclas1": str(classes[0]),
        "xtd_dataclas2": str(classes[1]),
    }


def _status(observation: Observation) -> str:
    if observation.presence != "none":
        return "archived"
    return "scheduled" if observation.release == LONG_AFTER else "accepted"


def _datamode(name: str) -> str:
    """WINDOW1 for a full window, WINDOW2 for 1/8, by the third digit of the class."""
    if not name:
        return ""
    return "WINDOW2" if name[2] == "1" else "WINDOW1"

"""Header keywords of the simulated files."""

from datetime import datetime, timedelta
from typing import Any

from tasks.archive.simulated.detector import CI_FIRST, CI_PERIOD, Mode
from tasks.archive.simulated.programme import Observation
from tasks.xtend.geometry import DET_TO_FOC, sky_to_det

_MISSION_START = datetime(2019, 1, 1)  # UTC
_VERSIONS = {
    "TLM2FITS": "SIMULATED",
    "PROCVER": "SIM.01.00.000.000",
    "SOFTVER": "SIMULATED",
    "CALDBVER": "gensim_xtdsim_rslsim",
    "SEQPNUM": 1,
    "MKFFF": "SIMULATED",
    "LEAPFILE": "leapsec.fits",
}


def utc(time: float) -> str:
    """Mission time as the UTC text of DATE-OBS."""
    return (_MISSION_START + timedelta(seconds=round(time, 3))).isoformat(timespec="milliseconds")


def of_observation(observation: Observation) -> dict[str, Any]:
    """What every file of an observation says: whose, where, and how time counts."""
    nominal, axis = observation.nominal, observation.axis
    sky = nominal.sky(axis.ra, axis.dec)
    det = sky_to_det(sky, nominal.pa)
    stem = f"xa{observation.obsid}"
    return {
        "TELESCOP": "XRISM",
        "INSTRUME": "XTEND",
        "FILTER": "NONE",
        "OBS_ID": str(observation.obsid),
        "OBJECT": observation.name,
        "OBSERVER": "NOBODY",
        "OBS_MODE": "POINTING",
        "RA_OBJ": observation.ra,
        "DEC_OBJ": observation.dec,
        "RA_PNT": axis.ra,
        "DEC_PNT": axis.dec,
        "RA_NOM": nominal.ra,
        "DEC_NOM": nominal.dec,
        "PA_NOM": nominal.pa,
        "EQUINOX": 2000.0,
        "RADECSYS": "FK5",
        "ABERRAT": True,
        "FOLOWSUN": True,
        "OPTDETX": float(det.x),
        "OPTDETY": float(det.y),
        "OPTFOCX": float(det.x) + DET_TO_FOC,
        "OPTFOCY": float(det.y) + DET_TO_FOC,
        "OPTSKYX": float(sky.x),
        "OPTSKYY": float(sky.y),
        "MJDREFI": 58484,
        "MJDREFF": 0.000800740740740741,
        "TIMESYS": "TT",
        "TIMEUNIT": "s",
        "TIMEREF": "LOCAL",
        "TASSIGN": "SATELLITE",
        "CLOCKAPP": True,
        "ORBFILE": f"{stem}.orb",
        "ATTFILE": f"{stem}.att",
        "TIMFILE": f"{stem}.tim",
        **_VERSIONS,
        **of_time(observation.start, observation.start + observation.span),
    }


def of_time(start: float, stop: float) -> dict[str, Any]:
    """First and last moment."""
    return {
        "TSTART": start,
        "TSTOP": stop,
        "TELAPSE": stop - start,
        "DATE-OBS": utc(start),
        "DATE-END": utc(stop),
    }


def of_exposure(seconds: float) -> dict[str, Any]:
    """Good time: the three keywords agree, so that no reader finds a dead-time factor."""
    return {"ONTIME": seconds, "LIVETIME": seconds, "EXPOSURE": seconds}


def of_mode(mode: Mode) -> dict[str, Any]:
    """Data class, window, charge injection and the clock of the frames."""
    return {
        "DETNAM": mode.detnam,
        "DATAMODE": mode.datamode,
        "DATACLAS": str(mode.dataclass),
        "WIN_ST": mode.window[0],
        "WIN_SIZE": mode.window[1],
        "ACTVNODE": 0,
        "EVENTTHR": 45,
        "CISTATUS": 1,
        "CIPERIOD": CI_PERIOD,
        "CIOFFSET": 0,
        "CIFIRST": CI_FIRST,
        "TIMEPIXR": 0.5,
        "TIMEDEL": mode.exposure,
        "NOMEXPO": 4.0,
        "EXPDEADB": mode.dead,
        "TIMTRANB": 0.0,
        "FLUSHIMB": 0.0,
        "TIMTRANA": 0.0,
        "EXPDEADA": 0.0,
        "LASTDEAD": 0.0,
        "LASTDEL": mode.last if mode.last != mode.exposure else 0.0,
    }

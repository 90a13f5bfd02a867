"""Flickering pixels that the recipe asks for besides those of the pipeline: found, cut out, handed on.

Events are cut by a list of them (see the native engine's `flickering`) and xaexpmap takes it (pixgtifile), so
that counts and exposure agree.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tasks.core.errors import Permanent, SoftwareFault
from tasks.engines.heasoft.exposure_maps import copy_identity
from tasks.engines.heasoft.sequence import Calls
from tasks.engines.heasoft.tool import run as run_tool
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.native.files import column, read_hdus
from tasks.engines.native.flickering import PIXELS, adjoining_share, united
from tasks.engines.native.flickering import read_pixels as listed_pixels
from tasks.library.call import Call, Report
from tasks.library.recipe import HEASoft
from tasks.xtend.cautions import Caution, severe

_TIMEOUT: Final = 2 * 3600.0
_MOST_ADJOINING: Final = 0.1
"""Share of listed pixels beside another one; of some hundred pixels here and there next to none are."""
_MOST_LOST: Final = 0.02
"""Share of events; a hundred pixels that flicker give less."""
_PIXEL: Final = ("CCD_ID", "ACTX", "ACTY")
_DEFAULTS: Final = ("timecol", "chipcol", "xcol", "ycol", "chancol", "gradecol", "impfac", "clobber", "seed")
"""Parameters whose defaults say the same, so that a release without them will do."""


def search_parameters(events: str, output: str) -> dict[str, str | int | float | bool]:
    """Parameters of searchflickpix with the pipeline's criteria (Hitomi's; XRISM kept them)."""
    return {
        "infile": events,
        "outfile": output,
        "timecol": "TIME",
        "chipcol": "CCD_ID",
        "xcol": "ACTX",
        "ycol": "ACTY",
        "chancol": "PI",
        "gradecol": "GRADE",
        "grade": "0,2,3,4,6",
        "n_division": 1,
        "cleanimg": False,
        "cellsize": 7,
        "impfac": 320.0,
        "logprob1": -5.6,
        "logprob2": -5.6,
        "bthresh": 3,
        "clobber": True,
    }


def coordinate_parameters(found: str, output: str, seed: int) -> dict[str, str | int | float | bool]:
    """Parameters of coordevt that give the pixels of a list their DETX and DETY."""
    return {
        "infile": found,
        "outfile": output,
        "teldeffile": "CALDB",
        "attfile": "NONE",
        "dattfile": "NONE",
        "orbfile": "NONE",
        "startsys": "ACT",
        "stopsys": "DET",
        "infileext": PIXELS,
        "seed": seed,
        "clobber": True,
    }


def clip_parameters(events: str, root: str) -> dict[str, str | int | float | bool]:
    """Parameters of xtdpixclip; regions and thresholds are those that its parameter file begins with."""
    return {"evtinfile": events, "outroot": root, "pmode": "apply", "clobber": True}


def find_calls(calls: Calls, events: str, path: str, output: str, recipe: HEASoft) -> None:
    """Add the calls that list the flickering pixels of an event file.

    Parameters
    ----------
    calls : Calls
        The plan.
    events, path : str
        The event file: its name in a working directory, and where it is.
    output : str
        Name of the list.
    recipe : HEASoft
        Which tool, and its seed.
    """
    links = {events: path}
    if recipe.flickering == "xtdpixclip":
        calls.add(_clip_call(events, links, output, recipe.chatter))
        return
    found = f"raw_{output}"
    calls.add(
        tool_call(
            "searchflickpix",
            search_parameters(events, found),
            inputs=links,
            outputs=[found],
            optional=_DEFAULTS,
            chatter=recipe.chatter,
            timeout=_TIMEOUT,
        )
    )
    calls.add(
        tool_call(
            "coordevt",
            coordinate_parameters(found, output, recipe.seed),
            after=calls.after(found),
            outputs=[output],
            optional=_DEFAULTS,
            chatter=recipe.chatter,
            timeout=_TIMEOUT,
        )
    )


def _clip_call(events: str, links: dict[str, str], output: str, chatter: int) -> Call:
    plain = tool_call(
        "xtdpixclip",
        clip_parameters(events, "clip"),
        inputs=links,
        outputs=[],
        optional=_DEFAULTS,
        chatter=chatter,
        timeout=_TIMEOUT,
    )
    return plain.model_copy(
        update={
            "function": "tasks.engines.heasoft.flickering:clip",
            "parameters": {"output": output, **plain.parameters},
            "outputs": (output,),
        }
    )


def clip(output: str, **given: Any) -> Report:
    """Run xtdpixclip in the current directory and find its list, whatever it was called.

    Parameters
    ----------
    output : str
        The list's name to be.
    given
        As `tool.run` takes it.

    Raises
    ------
    SoftwareFault
        When there is not one list.
    """
    return run_tool(then=partial(_name_list, output), **given)


def _name_list(output: str) -> None:
    lists = sorted(Path().glob("*.fpix*"))
    if len(lists) != 1:
        names = ", ".join(path.name for path in lists) or "none"
        raise SoftwareFault(f"xtdpixclip should have made one list of pixels (.fpix); there is {names}")
    lists[0].rename(output)


def cut(events: Path, pixels: Path, output: Path) -> int:
    """Write an event file without the events that listed pixels gave while they flickered.

    Parameters
    ----------
    events : Path
        Cleaned events; extensions besides EVENTS are copied.
    pixels : Path
        The list.
    output : Path
        Where to.

    Returns
    -------
    int
        How many events are left out.

    Raises
    ------
    Permanent, SoftwareFault
        When a file is no event file, or no list of pixels.
    """
    flickering = read_pixels(pixels)
    with fits.open(events, memmap=True) as hdus:
        table = hdus["EVENTS"]
        place = [np.asarray(column(table, name, events)) for name in _PIXEL]
        kept = ~flickers(place, column(table, "TIME", events), flickering)
        if not kept.any():
            raise Permanent(f"all events of {events.name} lie on flickering pixels")
        lost = int(kept.size - np.count_nonzero(kept))
        table.data = table.data[kept]
        hdus.writeto(output, output_verify="silentfix")
    return lost


def flickers(
    place: Sequence[NDArray[Any]], time: NDArray[np.float64], pixels: NDArray[Any]
) -> NDArray[np.bool_]:
    """Which events lie on a pixel of a list within the time that it flickered, ends included.

    Parameters
    ----------
    place : sequence of three ndarrays, shape (n,)
        CCD_ID, ACTX, ACTY of the events.
    time : ndarray, shape (n,)
        Of the events in seconds.
    pixels : structured ndarray, shape (m,)
        As `read_pixels` gives them.
    """
    result = np.zeros(time.size, np.bool_)
    codes, listed = _code(*place), _code(*(pixels[name] for name in _PIXEL))
    suspect = np.flatnonzero(np.isin(codes, listed))
    for row, code in zip(pixels, listed, strict=True):
        mine = suspect[codes[suspect] == code]
        result[mine] |= (time[mine] >= row["START"]) & (time[mine] <= row["STOP"])
    return result


def _code(ccd: NDArray[Any], x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
    """One number for a pixel."""
    return (ccd.astype(np.int64) << 40) + (x.astype(np.int64) << 20) + y.astype(np.int64)


def read_pixels(path: Path) -> NDArray[Any]:
    """The pixels of a list that a tool left (see the native engine's `read_pixels`).

    Raises
    ------
    SoftwareFault
        When it is no such list.
    """
    try:
        return listed_pixels(path)
    except Permanent as exc:
        raise SoftwareFault(f"{path.name} is no list of flickering pixels: {exc}") from exc


def bright_pixels(path: Path, lost: int, events: int) -> tuple[Caution, ...]:
    """A severe caution when what a tool took for flickering pixels looks like a source.

    searchflickpix knows pixels by their counts alone, as observed: it takes the core of a bright source.

    Parameters
    ----------
    path : Path
        The list.
    lost, events : int
        How many events it cost, of how many.
    """
    adjoining = adjoining_share(read_pixels(path))
    if adjoining <= _MOST_ADJOINING and lost <= _MOST_LOST * events:
        return ()
    return (
        severe(
            "flickering-source",
            f"Of the pixels taken for flickering {adjoining:.0%} lie side by side, as those of a source do, "
            f"and {lost} of {events} events were left out with all of them: for a point source set "
            "heasoft.flickering to none in the recipe.",
        ),
    )


def merge(lists: Sequence[Path], output: Path) -> int:
    """Write the pixels of several lists as one, in the order of their times; how many rows there are.

    Intervals of one DET pixel are disjoint there, as xaexpmap needs them: it subtracts them one by one.

    Raises
    ------
    SoftwareFault
        When one is no list.
    """
    pixels = united(np.concatenate([read_pixels(path) for path in lists]))
    pixels = pixels[np.argsort(pixels["START"], kind="stable")]
    table = fits.BinTableHDU(pixels, name=PIXELS)
    (first,) = read_hdus(lists[0], [PIXELS])
    copy_identity(first.header, table.header)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(output, checksum=True)
    return len(pixels)

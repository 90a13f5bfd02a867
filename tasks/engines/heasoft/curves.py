"""Net light curves by lcmath: the background is scaled by the areas that two spectra tell."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from astropy.io import fits

from tasks.core.errors import NoData, SoftwareFault
from tasks.engines.heasoft import tool
from tasks.engines.native.net_curves import backscal
from tasks.library.call import Call, Report

Errors = Literal["gaussian", "linear"]

SOURCE: Final = "source.lc"
BACKGROUND: Final = "background.lc"
SOURCE_SPECTRUM: Final = "source.pha"
BACKGROUND_SPECTRUM: Final = "background.pha"
_ERROR_MODES: Final[dict[Errors, int]] = {"linear": 1, "gaussian": 2}
_MINUTES: Final = 60.0


def net_parameters(output: str, scale: float, errors: Errors) -> dict[str, str | int | float | bool]:
    """Parameters of lcmath: source − scale × background.

    Parameters
    ----------
    output : str
        The net curve; lcmath would delete an existing file, so the name is always a fresh one.
    scale : float
        Area of the source over that of the background.
    errors : {"gaussian", "linear"}
        err_mode 2 squares the factor under the root; err_mode 1, lcmath's own default, does not.
    """
    return {
        "infile": SOURCE,
        "bgfile": BACKGROUND,
        "outfile": output,
        "multi": 1.0,
        "multb": scale,
        "addsubr": False,
        "addi": 0.0,
        "addb": 0.0,
        "docor": True,
        "emin": 0,
        "emax": 0,
        "err_mode": _ERROR_MODES[errors],
    }


def net_call(output: str, errors: Errors, links: Mapping[str, str], chatter: int) -> Call:
    """The call that subtracts a background; it works out the factor when it runs.

    Parameters
    ----------
    output, errors
        See `net_parameters`.
    links : mapping
        Where `SOURCE`, `BACKGROUND`, `SOURCE_SPECTRUM` and `BACKGROUND_SPECTRUM` are.
    chatter : int
        How much it tells.
    """
    plain = tool.tool_call(
        "lcmath",
        net_parameters(output, 1.0, errors),
        inputs=links,
        outputs=[output],
        chatter=chatter,
        timeout=30 * _MINUTES,
    )
    return plain.model_copy(update={"function": "tasks.engines.heasoft.curves:subtract"})


def subtract(parameters: dict[str, Any], **given: Any) -> Report:
    """Run lcmath with the ratio of BACKSCAL of the two spectra, in the current directory.

    Parameters
    ----------
    parameters : dict
        Those of lcmath; `multb` is replaced.
    **given
        What else `tool.run` takes.

    Returns
    -------
    Report
        `settled` tells the ratio; `not_made` where nothing of a region was exposed.

    Raises
    ------
    Permanent
        When a spectrum cannot be read.
    SoftwareFault
        When lcmath fails.
    """
    output = parameters["outfile"]
    try:
        scale = backscal(Path(SOURCE_SPECTRUM)) / backscal(Path(BACKGROUND_SPECTRUM))
    except NoData as exc:
        return Report(not_made={output: str(exc)})
    report = tool.run(
        parameters={**parameters, "multb": scale},
        then=partial(_say, Path(output), scale, parameters["err_mode"]),
        **given,
    )
    return report.model_copy(update={"settled": {"multb": scale}})


def _say(path: Path, scale: float, mode: int) -> None:
    """Keep factor and mode of errors with the curve, under the keywords of the native engine."""
    try:
        with fits.open(path, mode="update") as hdus:
            header = hdus["RATE"].header
            header["BSCRATIO"] = (scale, "factor on the background: ratio of BACKSCAL")
            header["ERRMODE"] = (mode, "err_mode of lcmath")
    except (OSError, KeyError) as exc:
        raise SoftwareFault(f"lcmath left no light curve in {path.name}: {exc}") from exc

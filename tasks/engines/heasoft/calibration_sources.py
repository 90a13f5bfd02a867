"""Where the calibration sources lie on the sky: HEASoft's own circles, put there by coordpnt.

All region files of a dataset exclude them. The circles are those that HEASoft ships in detector pixels; the
bad-pixel image, which flags the same pixels, tells whether they are the right ones.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import SoftwareFault
from tasks.engines.heasoft.sequence import Calls
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.interface import StepInputs
from tasks.engines.native.detector import BAD, CALIBRATION, OUTSIDE, read_bad_pixels
from tasks.engines.native.engine import NativeEngine
from tasks.engines.planning import facts_of, products_of
from tasks.library.call import Call, Report
from tasks.library.manifest import Kind, Step
from tasks.library.orders import Wanted
from tasks.xtend.cautions import Caution, caution
from tasks.xtend.geometry import CALIBRATION_CIRCLES, DET_SIZE, DetPixels, Floats, SkyPixels, det_to_sky
from tasks.xtend.nominal import Nominal

SHIPPED: Final = "calsrc_XTD_det.reg"
GIVEN: Final = "given.reg"
DETECTOR: Final = "det.reg"
SKY: Final = "sky.reg"
EXCLUDED: Final = "calsrc.reg"
BAD_PIXELS: Final = "bad.bimg"
_MINUTES: Final = 60.0
# coordpnt marks every number on the sky as degrees: +circle(81.25000000d,-69.50000000d,0.04518182d).
_NUMBER: Final = r"\s*([-+0-9.eE]+)[\"'d]?\s*"
_CIRCLE: Final = re.compile(rf"[-+]?\s*circle\s*\({_NUMBER},{_NUMBER},{_NUMBER}\)", re.IGNORECASE)
_AGREE: Final = 0.95
"""Share of the flagged pixels that the circles must hold, and of their usable pixels that must be flagged."""
_NEAR_PIXELS: Final = 5.0
"""How far the alignment of the detector may put a circle from where plain geometry has it."""


@dataclass(frozen=True)
class DetCircle:
    """A circle in detector pixels."""

    x: float
    y: float
    radius: float


def coordinate_parameters(nominal: Nominal) -> dict[str, str | int | float | bool]:
    """Parameters of coordpnt from detector pixels to the sky, at the aspect that X and Y are made for."""
    return {
        "input": DETECTOR,
        "outfile": SKY,
        "telescop": "XRISM",
        "instrume": "XTEND",
        "ra": nominal.ra,
        "dec": nominal.dec,
        "roll": nominal.pa,
        "ranom": nominal.ra,
        "decnom": nominal.dec,
        "rollnom": 0.0,
        "teldeffile": "CALDB",
        "startsys": "DET",
        "stopsys": "RADEC",
        "clobber": True,
    }


def shipped_regions() -> Path | None:
    """The file with the calibration sources that HEASoft ships; None where it is not installed."""
    headas = os.environ.get("HEADAS")
    path = Path(headas) / "refdata" / SHIPPED if headas else None
    return path if path and path.is_file() else None


def plan(inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
    """The calls that choose regions, all of which exclude the calibration sources as coordpnt finds them."""
    calls, shipped = Calls(), shipped_regions()
    nominal = Nominal(**facts_of(inputs)["nominal"])
    images = products_of(inputs, Kind.BAD_PIXELS)
    linked = {BAD_PIXELS: str(inputs.locate(images[0]))} if images else {}
    calls.add(
        Call(
            function="tasks.engines.heasoft.calibration_sources:prepare",
            parameters={"given": GIVEN if shipped else None, "bad_pixels": next(iter(linked), None)},
            inputs={**linked, **({GIVEN: str(shipped)} if shipped else {})},
            outputs=(DETECTOR,),
            timeout=10 * _MINUTES,
        )
    )
    calls.add(
        tool_call(
            "coordpnt",
            coordinate_parameters(nominal),
            after=calls.after(DETECTOR),
            outputs=[SKY],
            chatter=inputs.dataset.recipe.heasoft.chatter,
            timeout=10 * _MINUTES,
        )
    )
    calls.add(
        Call(
            function="tasks.engines.heasoft.calibration_sources:exclude",
            parameters={"nominal": facts_of(inputs)["nominal"]},
            after=calls.after(DETECTOR, SKY),
            outputs=(EXCLUDED,),
            timeout=10 * _MINUTES,
        )
    )
    [chosen] = NativeEngine().plan(Step.REGIONS, inputs, products)
    changed = {"parameters": {**chosen.parameters, "calibration": EXCLUDED}, "after": calls.after(EXCLUDED)}
    calls.add(chosen.model_copy(update=changed))
    return calls.calls


def prepare(given: str | None, bad_pixels: str | None) -> Report:
    """Write the circles in detector pixels as coordpnt reads them, in the current directory.

    Parameters
    ----------
    given : str or None
        The file that HEASoft ships; without it the project's own circles are taken, with a caution.
    bad_pixels : str or None
        The bad-pixel image that they are compared with.

    Raises
    ------
    SoftwareFault
        When the given file holds no circle, or anything else.
    """
    circles = read_circles(Path(given)) if given else [DetCircle(*each) for each in CALIBRATION_CIRCLES]
    lines = [f"circle({each.x:g},{each.y:g},{each.radius:g})" for each in circles]
    Path(DETECTOR).write_text("\n".join(("physical", *lines)) + "\n", encoding="utf-8")
    cautions: tuple[Caution, ...] = () if given else (_own_circles(),)
    if bad_pixels:
        cautions += disagreement(circles, read_bad_pixels(Path(bad_pixels)))
    return Report(facts={"calibration_circles": [[c.x, c.y, c.radius] for c in circles]}, cautions=cautions)


def exclude(nominal: dict[str, float]) -> Report:
    """Write the circles in unbinned sky pixels, with centres as coordpnt found them and radii in pixels.

    Parameters
    ----------
    nominal : dict
        `ra`, `dec`, `pa` in degrees.

    Raises
    ------
    SoftwareFault
        When coordpnt did not put every circle on the sky.
    """
    circles, aspect = read_circles(Path(DETECTOR)), Nominal(**nominal)
    on_sky = read_circles(Path(SKY))
    if len(on_sky) != len(circles):
        raise SoftwareFault(f"coordpnt put {len(on_sky)} of {len(circles)} calibration sources on the sky")
    found = aspect.sky(np.array([each.x for each in on_sky]), np.array([each.y for each in on_sky]))
    if not (np.isfinite(found.x).all() and np.isfinite(found.y).all()):
        raise SoftwareFault("coordpnt put a calibration source on the other side of the sky")
    # A circle stays one of the same size: detector and sky have the same pixels.
    lines = [
        f"-circle({x:.4f},{y:.4f},{each.radius:.4f})"
        for x, y, each in zip(found.x, found.y, circles, strict=True)
    ]
    Path(EXCLUDED).write_text("\n".join(("physical", *lines)) + "\n", encoding="utf-8")
    return Report(cautions=_far(circles, found, aspect))


def read_circles(path: Path) -> list[DetCircle]:
    """The circles in a region file of HEASoft's: their numbers, whatever the system.

    Raises
    ------
    SoftwareFault
        When it holds no circle, or another shape.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise SoftwareFault(f"{path.name} cannot be read as a region file: {exc}") from exc
    shapes = [text for line in lines for text in line.partition("#")[0].split(";") if "(" in text]
    matches = [_CIRCLE.fullmatch(text.strip()) for text in shapes]
    try:
        circles = [DetCircle(*map(float, match.groups())) for match in matches if match]
    except ValueError as exc:
        raise SoftwareFault(f"{path.name} holds a circle without numbers: {exc}") from exc
    if not circles or len(circles) < len(shapes):
        raise SoftwareFault(f"{path.name} holds something else than the circles of the calibration sources")
    return circles


def disagreement(circles: Sequence[DetCircle], flags: NDArray[np.int8]) -> tuple[Caution, ...]:
    """A caution when the circles are not those that a bad-pixel image flags.

    Parameters
    ----------
    circles : sequence of DetCircle
        Where the calibration sources are thought to lie.
    flags : ndarray, shape (1810, 1810)
        Bad-pixel image; calibration sources have the flag 1 but where a pixel is bad or not read.
    """
    inside, flagged = in_circles(circles), flags == CALIBRATION
    usable = inside & (flags != BAD) & (flags != OUTSIDE)
    held, filled = _share(inside, flagged), _share(flagged, usable)
    if min(held, filled) >= _AGREE:
        return ()
    return (
        caution(
            "calibration-circles-differ",
            f"The circles of the calibration sources hold {held:.0%} of the pixels that the bad-pixel image "
            f"flags as theirs, and {filled:.0%} of their own pixels are flagged: events of these sources "
            "may be left in, or good area may be left out.",
        ),
    )


def in_circles(circles: Sequence[DetCircle]) -> NDArray[np.bool_]:
    """Which DET pixels have their centre in one of the circles; shape (1810, 1810), [DETY − 1, DETX − 1]."""
    inside = np.zeros((DET_SIZE, DET_SIZE), np.bool_)
    axis: Floats = np.arange(1.0, DET_SIZE + 1)
    for each in circles:
        inside |= (axis - each.x) ** 2 + ((axis - each.y) ** 2)[:, None] <= each.radius**2
    return inside


def _share(pixels: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    """How much of `whole` lies in `pixels`; all of it when there is none."""
    return float(pixels[whole].mean()) if whole.any() else 1.0


def _own_circles() -> Caution:
    return caution(
        "calibration-circles-assumed",
        f"HEASoft's {SHIPPED} was not found, so the circles of the calibration sources are xtendflow's own.",
    )


def _far(circles: Sequence[DetCircle], found: SkyPixels, nominal: Nominal) -> tuple[Caution, ...]:
    """A caution when coordpnt puts circles elsewhere than the geometry of the sky pixels does."""
    det = DetPixels(np.array([each.x for each in circles]), np.array([each.y for each in circles]))
    expected = det_to_sky(det, nominal.pa)
    distance = float(np.hypot(found.x - expected.x, found.y - expected.y).max())
    if distance <= _NEAR_PIXELS:
        return ()
    return (
        caution(
            "calibration-circles-far",
            f"coordpnt puts a calibration source {distance:.0f} pixels from where the nominal aspect has it.",
        ),
    )

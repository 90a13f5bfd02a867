"""xtdpipeline, stages 1 and 2: unfiltered events of a whole observation, calibrated and screened.

It works in the runner's directory. It looks for unfiltered events, hot pixels and good times in the folder
`in`, which holds links under the archive's own names and nothing else; what it is told by name lies beside
that folder; it writes to the folder `out`.
"""

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any, Final

from tasks.core.errors import BadInput, Permanent
from tasks.core.identifiers import DataClass, ObsID
from tasks.engines.heasoft.tool import run as run_tool
from tasks.engines.heasoft.tool import tool_call
from tasks.library.call import Call, Report
from tasks.library.pipeline_files import PipelineFiles
from tasks.library.recipe import HEASoft
from tasks.xtend.data_class import mode_of

INDIR: Final = "in"
OUTDIR: Final = "out"
_ENTRY_STAGE: Final = 1
_EXIT_STAGE: Final = 2
"""Stage 3 makes quick-look products, which nobody should use."""
_HOUR: Final = 3600.0


def parameters(
    obsid: ObsID, files: PipelineFiles, dataclasses: Iterable[DataClass], recipe: HEASoft
) -> dict[str, str | int | float | bool]:
    """Parameters of xtdpipeline for an observation.

    Parameters
    ----------
    obsid : ObsID
        The observation.
    files : PipelineFiles
        Where its files lie in the archive.
    dataclasses : iterable of DataClass
        The data classes that are to be made.
    recipe : HEASoft
        Seed, and whether the modes' good time is worked out.

    Raises
    ------
    Permanent
        When what the modes' good time is taken from is not there.
    """
    check_apart(INDIR, OUTDIR)
    return {
        "indir": INDIR,
        "outdir": OUTDIR,
        "steminputs": f"xa{obsid}",
        "stemoutputs": f"xa{obsid}",
        "entry_stage": _ENTRY_STAGE,
        "exit_stage": _EXIT_STAGE,
        "attitude": base_name(files.attitude),
        "orbit": base_name(files.orbit),
        "obsgti": base_name(files.general_gti),
        "housekeeping": base_name(files.housekeeping),
        "makefilter": base_name(files.makefilter),
        "extended_housekeeping": base_name(files.extended_housekeeping),
        "regionfile": "NONE",
        "calc_hotpix": False,
        "calc_modegti": calculates_mode_gti(obsid, files, dataclasses, recipe.calc_modegti),
        "seed": recipe.seed,
        "cleanup": True,
        "clobber": True,
    }


def calculates_mode_gti(
    obsid: ObsID, files: PipelineFiles, dataclasses: Iterable[DataClass], choice: str
) -> bool:
    """Whether the pipeline works out the modes' good time; `auto` does for short frames, or without it.

    Raises
    ------
    Permanent
        When the archive lacks what it is taken from.
    """
    needed = not files.has_mode_gti or any(map(short_frames, dataclasses))
    calculated = needed if choice == "auto" else choice == "yes"
    if calculated and choice == "auto" and not files.has_exposures and files.has_mode_gti:
        return False
    if calculated and not files.has_exposures:
        raise Permanent(f"{obsid}: no list of exposures in the archive to work out the modes' good time from")
    if not calculated and not files.has_mode_gti:
        raise Permanent(f"{obsid}: the archive has no good time of the modes; let calc_modegti work it out")
    return calculated


def short_frames(dataclass: DataClass) -> bool:
    """Whether a data class reads a window or throws away most of each frame."""
    mode, _ = mode_of(dataclass, {})
    return mode.burst or mode.window != "full"


def check_apart(indir: str, outdir: str) -> None:
    """See that the pipeline will not find its own outputs among its inputs, which it cannot stand.

    Raises
    ------
    BadInput
        When the output folder is the input folder or lies in it.
    """
    if PurePath(outdir).is_relative_to(PurePath(indir)):
        raise BadInput(f"xtdpipeline must not write to {outdir}: it lies inside its input folder {indir}")


def base_name(name: str) -> str:
    """A file's name without its folders."""
    return name.rpartition("/")[2]


def call(
    obsid: ObsID,
    files: PipelineFiles,
    dataclasses: Iterable[DataClass],
    recipe: HEASoft,
    downloads: Path,
) -> Call:
    """The one call for an observation; `downloads` is its folder of archive files."""
    plain = tool_call(
        "xtdpipeline",
        parameters(obsid, files, dataclasses, recipe),
        inputs={base_name(name): str(downloads / name) for name in (*files.named, *files.inside)},
        # A data class without good time is left out by the pipeline, so no file can be promised.
        outputs=(),
        chatter=recipe.chatter,
        timeout=recipe.hours * _HOUR,
    )
    inside = [base_name(name) for name in files.inside]
    return plain.model_copy(
        update={
            "function": "tasks.engines.heasoft.xtdpipeline:run",
            "parameters": {"inside": inside, **plain.parameters},
        }
    )


def run(inside: list[str], **given: Any) -> Report:
    """Put the pipeline's inputs into their folder and run it, in the current directory.

    Parameters
    ----------
    inside : list of str
        What belongs into the input folder. It is a folder of its own, because the pipeline does not look
        behind a link to one.
    given
        As `tool.run` takes it.

    Raises
    ------
    XtendflowError
        As `tool.run`.
    """
    folder = Path(INDIR)
    folder.mkdir()
    for name in inside:
        Path(name).rename(folder / name)
    return run_tool(**given)


def outputs_in(directory: Path) -> tuple[Path, ...]:
    """What a run in `directory` left for the datasets: cleaned events and bad-pixel images."""
    kinds = ("_cl.evt", ".bimg")
    return tuple(sorted(path for path in (directory / OUTDIR).glob("*") if path.name.endswith(kinds)))

"""Processing of a dataset with HEASoft: its share of what the pipeline made of the observation."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tasks.core.errors import NoData, SoftwareFault
from tasks.core.identifiers import DataClass
from tasks.engines.heasoft import flickering
from tasks.engines.heasoft.reprocessing import folder_of, record_in
from tasks.engines.heasoft.sequence import Calls
from tasks.engines.heasoft.xtdpipeline import base_name, short_frames
from tasks.engines.interface import StepInputs
from tasks.engines.native.adoption import examine, hand_on
from tasks.engines.native.events import read_events
from tasks.engines.planning import names_of
from tasks.library.call import Call, Report
from tasks.library.dataset import Dataset, recipe_hash
from tasks.library.manifest import Kind
from tasks.library.orders import Wanted
from tasks.xtend.cautions import Caution, notice

BAD_PIXELS: Final = "bad.bimg"
PIXELS: Final = "pixels.fits"
_MINUTES: Final = 60.0


@dataclass(frozen=True)
class Share:
    """What the pipeline made of one dataset.

    Parameters
    ----------
    folder : Path
        Where it lies.
    events : dict
        Cleaned event file → its name in working directories, in the order of the split.
    bad_pixels : str or None
        The first split's bad-pixel image.
    """

    folder: Path
    events: dict[str, str]
    bad_pixels: str | None

    @classmethod
    def of(cls, dataset: Dataset, folder: Path, files: Sequence[str]) -> "Share":
        """A dataset's files among those that the pipeline left."""
        stem = rf"xa{dataset.obsid}xtd_p(\d+){dataset.dataclass}"
        events, images = (_in_order(stem + end, files) for end in (r"_cl\.evt", r"\.bimg"))
        short = {name: f"events{number}.evt" for number, name in enumerate(events)}
        return cls(folder, short, images[0] if images else None)

    @property
    def links(self) -> dict[str, str]:
        """Name in working directories → path."""
        own = {short: str(self.folder / name) for name, short in self.events.items()}
        image = {BAD_PIXELS: str(self.folder / self.bad_pixels)} if self.bad_pixels else {}
        return own | image


def plan(inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
    """The calls that take a dataset's products out of the reprocessed observation.

    Raises
    ------
    SoftwareFault
        When the observation has not been reprocessed.
    """
    folder = folder_of(inputs.scratch, inputs.dataset)
    record = record_in(folder)
    share = Share.of(inputs.dataset, folder, record["files"])
    calls, recipe = Calls(), inputs.dataset.recipe.heasoft
    lists = {}
    if recipe.flickering != "none":
        lists = {short: f"list{number}.fits" for number, short in enumerate(share.events.values())}
        for short, output in lists.items():
            flickering.find_calls(calls, short, share.links[short], output, recipe)
    files = {item.spec.name: _file_of(item, share) for item in products}
    calls.add(_take(inputs, share, record, lists, files, calls))
    calls.add(_finish(inputs, products, files, _history(record), calls))
    return calls.calls


def take(
    obsid: str,
    dataclass: str,
    events: Sequence[str],
    bad_pixels: str | None,
    lists: Mapping[str, str],
    outputs: Mapping[str, str],
    missing: Mapping[str, str],
    reprocessing: Mapping[str, Any],
) -> Report:
    """Check a dataset's reprocessed files and hand them on, without what flickering pixels gave.

    Parameters
    ----------
    obsid, dataclass : str
        Which dataset the files must belong to.
    events : sequence of str
        Its cleaned event files, one per split.
    bad_pixels : str or None
        Its bad-pixel image.
    lists : mapping
        Event file → list of the flickering pixels that were found in it.
    outputs : mapping
        What to hand on → under which name: event files, the bad-pixel image, and `pixels.fits` for the
        pixels of all lists.
    missing : mapping
        What the pipeline did not make → the archive's own cleaned events.
    reprocessing : mapping
        The record of the pipeline's run.

    Returns
    -------
    Report
        Facts as those of the native engine's `adopt`, and `reprocessing`; with lists `flickering`
        {pixels, events}: how many pixels are listed, how many events left out, and a severe caution where
        these look like a source.

    Raises
    ------
    Permanent
        As `adopt`.
    NoData
        When there is no good time, or no event.
    SoftwareFault
        When the pipeline left out events of a file that has good time in the archive.
    """
    not_made = {name: _why_not(name, Path(archive)) for name, archive in missing.items()}
    if not events:
        raise NoData(f"no good time in {obsid} {dataclass}: xtdpipeline made no cleaned events of it")
    examined = examine(obsid, dataclass, events, bad_pixels)
    facts: dict[str, Any] = {**examined.facts, "reprocessing": dict(reprocessing)}
    told: tuple[Caution, ...] = ()
    if lists:
        # By the list of all parts, which the exposure map goes by.
        found = flickering.merge([Path(name) for name in lists.values()], Path(f"kept_{PIXELS}"))
        lost = {
            name: flickering.cut(Path(name), Path(f"kept_{PIXELS}"), Path(f"kept_{name}")) for name in events
        }
        told = flickering.bright_pixels(Path(f"kept_{PIXELS}"), sum(lost.values()), facts["events"])
        facts |= {"events": facts["events"] - sum(lost.values())}
        facts |= {"flickering": {"pixels": found, "events": sum(lost.values())}}
    for name, output in outputs.items():
        kept = Path(f"kept_{name}")
        hand_on(kept if kept.exists() else Path(name), Path(output))
    return Report(
        facts=facts,
        cautions=(*_cautions(dataclass, reprocessing), *told, *examined.cautions),
        not_made=not_made,
    )


def _in_order(pattern: str, files: Sequence[str]) -> list[str]:
    """The files of a pattern, in the order of the number in it."""
    found = [(int(match[1]), name) for name in files if (match := re.fullmatch(pattern, name))]
    return [name for _, name in sorted(found)]


def _file_of(item: Wanted, share: Share) -> str | None:
    """What a product is made of in the working directory; None when the pipeline did not make it.

    Raises
    ------
    SoftwareFault
        When processing does not make such products.
    """
    if item.spec.kind == Kind.EVENTS:
        return share.events.get(item.spec.name)
    if item.spec.kind == Kind.BAD_PIXELS:
        return BAD_PIXELS if share.bad_pixels else None
    if item.spec.kind == Kind.FLICKERING:
        return PIXELS
    raise SoftwareFault(f"{item.spec.name} is no product of reprocessing")


def _output(name: str) -> str:
    """What a product is called between taking and finishing."""
    return f"taken.{name}"


def _take(
    inputs: StepInputs,
    share: Share,
    record: Mapping[str, Any],
    lists: Mapping[str, str],
    files: Mapping[str, str | None],
    calls: Calls,
) -> Call:
    archive = {f"archive.{name}": name for name in files if files[name] is None}
    sources = {base_name(source).removesuffix(".gz"): source for source in inputs.dataset.inputs.events}
    linked = {
        link: str(inputs.downloads / sources[name]) for link, name in archive.items() if name in sources
    }
    return Call(
        function="tasks.engines.heasoft.pipeline:take",
        parameters={
            "obsid": inputs.dataset.obsid,
            "dataclass": inputs.dataset.dataclass,
            "events": list(share.events.values()),
            "bad_pixels": BAD_PIXELS if share.bad_pixels else None,
            "lists": dict(lists),
            "outputs": {file: _output(name) for name, file in files.items() if file},
            "missing": {_output(archive[link]): link for link in linked},
            "reprocessing": dict(record),
        },
        inputs={**share.links, **linked},
        after=calls.after(*lists.values()),
        outputs=tuple(map(_output, files)),
        timeout=60 * _MINUTES,
    )


def _finish(
    inputs: StepInputs,
    products: Sequence[Wanted],
    files: Mapping[str, str | None],
    history: str,
    calls: Calls,
) -> Call:
    return Call(
        function="tasks.engines.heasoft.finishing:finish",
        parameters={
            "products": [
                {
                    "name": item.spec.name,
                    "file": _output(item.spec.name),
                    "kind": item.spec.kind,
                    "history": [history],
                }
                for item in products
            ],
            "recipe": recipe_hash(inputs.dataset.recipe),
        },
        after=calls.after(*map(_output, files)),
        outputs=names_of(products),
        timeout=60 * _MINUTES,
    )


def _history(record: Mapping[str, Any]) -> str:
    given = record["parameters"]
    return (
        f"{record['tool']} stages {given['entry_stage']}-{given['exit_stage']}, seed {given['seed']}, "
        f"calc_modegti {'yes' if given['calc_modegti'] else 'no'}"
    )


def _why_not(name: str, archive: Path) -> str:
    """Why the pipeline made nothing of a file whose cleaned events the archive has.

    Raises
    ------
    SoftwareFault
        When the archive's have good time, so that the pipeline left out what can be used.
    """
    cleaned = read_events([archive], ())
    if cleaned.gti_given and cleaned.gti.total > 0:
        raise SoftwareFault(
            f"xtdpipeline made no {name.removeprefix('taken.')}, of which the archive has "
            f"{cleaned.gti.total:.0f} s of good time; the observation's log tells more"
        )
    return "there is no good time in this part of the events"


def _cautions(dataclass: str, record: Mapping[str, Any]) -> Iterator[Caution]:
    versions = record["versions"].items()
    said = ", ".join(f"{name} {version}" for name, version in versions if name != "heasoft-engine")
    yield notice("reprocessed-events", f"Events were calibrated and screened anew ({said}).")
    if short_frames(DataClass(dataclass)) and not record["parameters"]["calc_modegti"]:
        yield notice(
            "archive-mode-gti",
            "The archive's own good time of the read-out mode was applied; for window and burst modes it is "
            "better worked out anew (calc_modegti).",
        )

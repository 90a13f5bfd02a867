"""How an observation lies in the archive: paths, file names, and which files make a dataset.

The tree and the grammar of names are those of the XRISM archive at HEASARC (XRISM ABC guide)::

    3/300049010/auxil/xa300049010.ehk.gz
                xtend/event_uf/xa300049010xtd_p030000010.bimg.gz
                xtend/event_cl/xa300049010xtd_p030000010_cl.evt.gz
                xtend/products/xa300049010xtd_src.rmf.gz
"""

import logging
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from tasks.core.errors import NoData, Proprietary
from tasks.core.identifiers import DataClass, ObsID
from tasks.library.pipeline_files import place_of
from tasks.xtend.data_class import class_in

logger = logging.getLogger("xtendflow.archive")

_SEGMENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.][A-Za-z0-9_.+-]{0,254}"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,15}}")
_EVENTS = re.compile(
    r"xa(?P<obsid>[0-9]{9})xtd_(?P<letter>[psa])(?P<split>[0-9]|[1-9][0-9])(?P<dataclass>[0-9a-f]{8})"
    r"_(?P<level>uf|cl)\.evt(?P<gzipped>\.gz)?(?P<encrypted>\.gpg)?"
)
_RMF = re.compile(r"xtend/products/xa(?P<obsid>[0-9]{9})xtd[A-Za-z0-9_]*\.rmf(?:\.gz)?")
_BAD_PIXELS = re.compile(
    r"xtend/event_uf/xa(?P<obsid>[0-9]{9})xtd_p(?P<split>[0-9]|[1-9][0-9])(?P<dataclass>[0-9a-f]{8})"
    r"\.bimg(?:\.gz)?"
)


def safe_name(name: str) -> bool:
    """Whether `name` may become a path below an observation's folder: relative, no `..`, plain letters."""
    return _NAME.fullmatch(name) is not None


def _checked_name(name: str) -> str:
    if not safe_name(name):
        raise ValueError(f"{name!r} is no plain relative path")
    return name


class ArchiveFile(BaseModel):
    """One file as the archive lists it.

    Parameters
    ----------
    name : str
        Path below the observation's folder (`xtend/event_cl/xa…_cl.evt.gz`).
    size : int
        Bytes.
    etag : str, optional
        As the service gives it. S3's comes without quotes and is the MD5 when it has no `-`; that of a
        web server keeps its quotes and says only whether the file has changed.
    modified : datetime, optional
        When it was last changed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_checked_name)]
    size: Annotated[int, Field(ge=0)]
    etag: str | None = None
    modified: AwareDatetime | None = None


def listed(name: str, size: int, etag: str | None, modified: datetime | None) -> ArchiveFile | None:
    """The file of one listing entry; None, with a line in the log, when its name must not become a path."""
    if safe_name(name):
        return ArchiveFile(name=name, size=size, etag=etag, modified=modified)
    logger.warning("the archive lists %r, which is left out: it is no plain relative path", name)
    return None


class EventFile(BaseModel):
    """What the name of an Xtend event file says.

    Parameters
    ----------
    obsid : ObsID
    letter : {"p", "s", "a"}
        Pointing, slew or all.
    split : int
        Counts the files into which a large event list was divided.
    dataclass : DataClass
    level : {"uf", "cl"}
        Unfiltered or cleaned.
    gzipped, encrypted : bool
        Whether `.gz` and `.gpg` follow.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    obsid: ObsID
    letter: Literal["p", "s", "a"]
    split: Annotated[int, Field(ge=0, le=99)]
    dataclass: DataClass
    level: Literal["uf", "cl"]
    gzipped: bool
    encrypted: bool

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """What a file name (without folders) says; None for anything but an Xtend event file."""
        match = _EVENTS.fullmatch(name)
        if match is None:
            return None
        suffixes = {key: match[key] is not None for key in ("gzipped", "encrypted")}
        return cls.model_validate(match.groupdict() | suffixes)

    @property
    def name(self) -> str:
        """The file name, without folders."""
        stem = f"xa{self.obsid}xtd_{self.letter}{self.split}{self.dataclass}_{self.level}.evt"
        return stem + ".gz" * self.gzipped + ".gpg" * self.encrypted


class DatasetFiles(BaseModel):
    """The files of one dataset.

    Parameters
    ----------
    events : tuple of ArchiveFile
        Cleaned pointing events, all splits in order; never empty.
    bad_pixels : ArchiveFile or None
        Bad-pixel image (DET) of the first split.
    ehk : ArchiveFile or None
        Extended housekeeping, shared by all datasets of the observation.
    rmf : ArchiveFile or None
        The archive's own response, often shared by all datasets; None where none is needed.
    pipeline : tuple of ArchiveFile
        What xtdpipeline reads besides, the same for all datasets of the observation; empty where it does
        not run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: Annotated[tuple[ArchiveFile, ...], Field(min_length=1)]
    bad_pixels: ArchiveFile | None
    ehk: ArchiveFile | None
    rmf: ArchiveFile | None = None
    pipeline: tuple[ArchiveFile, ...] = ()

    @property
    def files(self) -> tuple[ArchiveFile, ...]:
        """All of them, events first."""
        others = (self.bad_pixels, self.ehk, self.rmf)
        own = (*self.events, *(file for file in others if file is not None))
        return tuple(dict.fromkeys((*own, *self.pipeline)))


def observation_path(obsid: ObsID) -> str:
    """The observation's folder below the archive's root, with its closing slash (`3/300049010/`)."""
    return f"{obsid[0]}/{obsid}/"


def datasets(
    obsid: ObsID, files: Iterable[ArchiveFile], *, pipeline: bool = False, rmf: bool = False
) -> dict[DataClass, DatasetFiles]:
    """The datasets that a listing shows, by data class.

    A data class counts when every split of its cleaned pointing events is there unencrypted. Files of
    another ObsID are ignored.

    Parameters
    ----------
    obsid : ObsID
        The observation.
    files : iterable of ArchiveFile
        The listing.
    pipeline : bool
        Whether the observation will be reprocessed, so that xtdpipeline's inputs are needed as well.
    rmf : bool
        Whether the archive's own response is needed, since none is made.

    Raises
    ------
    Proprietary
        When cleaned events are there, but encrypted.
    NoData
        When there are none.
    """
    files = tuple(files)
    splits = _cleaned_events(obsid, files)
    encrypted = {parsed.dataclass for parsed in splits if parsed.encrypted}
    usable = sorted({parsed.dataclass for parsed in splits} - encrypted)
    if not usable:
        _refuse(obsid, files, encrypted)
    if encrypted:
        logger.warning("%s: data classes left out, still encrypted: %s", obsid, ", ".join(sorted(encrypted)))
    inputs = pipeline_inputs(obsid, files) if pipeline else ()
    return {
        dataclass: DatasetFiles(
            events=tuple(file for parsed, file in splits.items() if parsed.dataclass == dataclass),
            bad_pixels=_bad_pixels(obsid, dataclass, files),
            ehk=_ehk(obsid, files),
            rmf=_rmf(obsid, dataclass, files) if rmf else None,
            pipeline=inputs,
        )
        for dataclass in usable
    }


def needed(found: Mapping[DataClass, DatasetFiles]) -> tuple[ArchiveFile, ...]:
    """The files that the engines need for these datasets, each once."""
    return tuple(dict.fromkeys(file for dataset in found.values() for file in dataset.files))


def pipeline_inputs(obsid: ObsID, files: Iterable[ArchiveFile]) -> tuple[ArchiveFile, ...]:
    """What xtdpipeline reads of an observation, in order of the names; of each file the gzipped copy."""
    # Of two copies the pipeline would take both, and stop. The gzipped one's name comes last.
    found = {
        file.name.removesuffix(".gz"): file
        for file in sorted(files, key=lambda file: file.name)
        if place_of(obsid, file.name)
    }
    return tuple(found.values())


def _cleaned_events(obsid: ObsID, files: Iterable[ArchiveFile]) -> dict[EventFile, ArchiveFile]:
    """Cleaned pointing events in order of class and split; of one split the readable, gzipped copy."""
    best: dict[tuple[str, int], tuple[EventFile, ArchiveFile]] = {}
    for file in files:
        folder, _, base = file.name.rpartition("/")
        parsed = EventFile.parse(base)
        if parsed is None or folder != "xtend/event_cl" or parsed.obsid != obsid:
            continue
        if (parsed.letter, parsed.level) != ("p", "cl"):
            continue
        key = (parsed.dataclass, parsed.split)
        if key not in best or _preference(parsed) > _preference(best[key][0]):
            best[key] = (parsed, file)
    return dict(best[key] for key in sorted(best))


def _preference(parsed: EventFile) -> tuple[bool, bool]:
    return not parsed.encrypted, parsed.gzipped


def _refuse(obsid: ObsID, files: tuple[ArchiveFile, ...], encrypted: set[DataClass]) -> None:
    if encrypted:
        raise Proprietary(
            f"{obsid}: the cleaned events are still encrypted (.gpg): the observation is proprietary"
        )
    if files:
        raise NoData(f"{obsid}: none of the {len(files)} files in the archive is a cleaned Xtend event list")
    raise NoData(f"{obsid}: the archive holds no files of this observation")


def _bad_pixels(obsid: ObsID, dataclass: DataClass, files: Iterable[ArchiveFile]) -> ArchiveFile | None:
    """The image of the lowest split, the gzipped copy before the plain one."""
    matches = ((_BAD_PIXELS.fullmatch(file.name), file) for file in files)
    images = [
        (int(match["split"]), not file.name.endswith(".gz"), file)
        for match, file in matches
        if match is not None and (match["obsid"], match["dataclass"]) == (obsid, dataclass)
    ]
    return min(images, key=lambda image: image[:2])[2] if images else None


def _rmf(obsid: ObsID, dataclass: DataClass, files: Iterable[ArchiveFile]) -> ArchiveFile | None:
    """The response that names the data class, else one that names none; the gzipped copy before the plain.

    Usually there is one for all data classes of an observation, and only its header tells which it is for.
    """
    matches = ((_RMF.fullmatch(file.name), file) for file in files)
    found = [file for match, file in matches if match is not None and match["obsid"] == obsid]

    def rank(file: ArchiveFile) -> tuple[bool, bool, bool, str]:
        named = class_in(file.name)
        return named != dataclass, named is not None, not file.name.endswith(".gz"), file.name

    return min(found, key=rank, default=None)


def _ehk(obsid: ObsID, files: Iterable[ArchiveFile]) -> ArchiveFile | None:
    by_name = {file.name: file for file in files}
    plain = f"auxil/xa{obsid}.ehk"
    return by_name.get(f"{plain}.gz") or by_name.get(plain)

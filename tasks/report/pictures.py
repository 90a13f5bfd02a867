"""What a page tells of its pictures, kept beside them: drawing takes seconds, telling it again does not."""

from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.core.identifiers import DataClass, ObsID
from tasks.library.store import Store
from tasks.report.choice import PICTURES

PICTURES_VERSION: Final = "1"
"""Raised by hand when pictures change, so that older ones are drawn again."""
_RECORD: Final = "pictures.json"


class Preview(BaseModel):
    """A picture of the page, or why there is none.

    Parameters
    ----------
    title, file : str
        Its heading and the name of its file.
    alt, caption : str
        A text in its place, and the words below it.
    size : tuple of int
        Width and height in pixels.
    why : str
        Why it could not be drawn; empty when it was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    file: str
    alt: str = ""
    caption: str = ""
    size: tuple[int, int] = (0, 0)
    why: str = ""


class Pictures(BaseModel):
    """The pictures of a dataset.

    Parameters
    ----------
    of : str
        Hash of what they were drawn from.
    previews : tuple of Preview
        In the page's order.
    plot : Preview or None
        Of the fit, where there is one.
    simulated : bool
        Whether the products say that their data are simulated.
    settled : bool
        Whether another try would draw the same: a file that could not be read may be readable then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: str = ""
    previews: tuple[Preview, ...] = ()
    plot: Preview | None = None
    simulated: bool = False
    settled: bool = True

    @property
    def drawn(self) -> tuple[str, ...]:
        """The names of the files that there are."""
        return tuple(item.file for item in (*self.previews, self.plot) if item and not item.why)


def read_pictures(store: Store, obsid: ObsID, dataclass: DataClass) -> Pictures | None:
    """The record of a dataset's pictures; None when there is none that can be read."""
    content = store.read(_key(obsid, dataclass, _RECORD))
    try:
        return Pictures.model_validate_json(content) if content else None
    except ValidationError:
        return None


def are_there(store: Store, obsid: ObsID, dataclass: DataClass, pictures: Pictures) -> bool:
    """Whether no picture has been lost since it was drawn."""
    there = store.sizes(f"report/{obsid}/{dataclass}")
    return all(_key(obsid, dataclass, name) in there for name in pictures.drawn)


def keep_pictures(store: Store, obsid: ObsID, dataclass: DataClass, pictures: Pictures) -> None:
    """Record what is told of a dataset's pictures, which lie there already."""
    store.replace(_key(obsid, dataclass, _RECORD), pictures.model_dump_json(indent=1).encode() + b"\n")


def forget_pictures(store: Store, obsid: ObsID, dataclass: DataClass) -> None:
    """Take away the pictures of a dataset of which nothing is published any more."""
    store.delete(_key(obsid, dataclass, name) for name in (_RECORD, *PICTURES))


def _key(obsid: ObsID, dataclass: DataClass, name: str) -> str:
    return f"report/{obsid}/{dataclass}/{name}"

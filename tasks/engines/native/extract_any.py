"""Products of any OGIP event list with the native engine: what `xtendflow extract` does."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tasks.core.errors import BadInput, NoData, Permanent
from tasks.engines.native.extract_order import Order
from tasks.engines.native.extract_plan import Item, plan
from tasks.engines.native.headers import NO_RECIPE
from tasks.engines.runner import run_call_blocking
from tasks.library.call import Call
from tasks.library.manifest import Kind, Role

_TIMEOUT: Final = 24 * 3600.0
_LONGEST_LINK: Final = 200


@dataclass(frozen=True)
class Extracted:
    """What came out of an order.

    Parameters
    ----------
    products : list of dict
        kind, role, channels, binning, time_bin, grouping and path of each.
    notes : list of str
        What was not made and why, and what to know.
    """

    products: list[dict[str, Any]]
    notes: list[str]


def extract_order(order: Order) -> Extracted:
    """Make the products of an order and put them into its directory: all at the end, or none.

    Raises
    ------
    BadInput
        When the order cannot be meant, an input is at fault, a product is there already, or the directory
        cannot be written.
    """
    names = _link_names(order)
    with _faults_are_the_callers():
        items = list(plan(order, names).items())
        _check_out(order.out, items)
        with _scratch(order.out) as scratch:
            work = _Work(scratch, {name: str(path.absolute()) for path, name in names.items()})
            work.make(order, names, items)
            made = [item for item in items if item.name not in work.not_made]
            _publish(order.out, {item.name: Path(work.places[item.name]) for item in made})
    reasons = [f"{name} was not made: {why}" for name, why in work.not_made.items()]
    return Extracted([item.listing(order.out) for item in made], [*reasons, *dict.fromkeys(work.cautions)])


@dataclass
class _Work:
    """Calls done one after another, each in a directory of its own below the scratch."""

    scratch: Path
    places: dict[str, str]
    not_made: dict[str, str] = field(default_factory=dict)
    cautions: list[str] = field(default_factory=list)

    def make(self, order: Order, names: dict[Path, str], items: Sequence[Item]) -> None:
        events = [names[path] for path in order.events]
        maps = [item for item in items if item.kind == Kind.EXPOSURE_MAP]
        if order.ehk and order.bad_pixels:
            ehk, bad_pixels = names[order.ehk], names[order.bad_pixels]
            parameters = {
                "ehk": ehk,
                "events": events,
                "bad_pixels": bad_pixels,
                "maps": {str(item.binning): item.name for item in maps},
                "delta_arcmin": order.exposure.delta_arcmin,
                "numphi": order.exposure.numphi,
                "mask_calibration": order.exposure.mask_calibration,
            }
            self._call("exposure:make", parameters, [*events, ehk, bad_pixels], maps)
        first = [item for item in items if item not in maps and not _is_derived(item)]
        parameters = {
            "events": events,
            "images": _requests(first, Kind.IMAGE),
            "light_curves": _requests(first, Kind.LIGHT_CURVE),
            "spectra": _requests(first, Kind.SPECTRUM),
        }
        self._call("extraction:extract", parameters, [*events, *self._used(first)], first)
        derived = [item for item in items if _is_derived(item) and self._ready(item)]
        if derived:
            parameters = {
                "rate_images": _requests(derived, Kind.RATE_IMAGE),
                "net_curves": _requests(derived, Kind.LIGHT_CURVE),
                "grouped": _requests(derived, Kind.GROUPED_SPECTRUM),
            }
            self._call("derived:derive", parameters, self._used(derived), derived)

    def _call(
        self, function: str, parameters: dict[str, Any], used: Iterable[str], items: Sequence[Item]
    ) -> None:
        directory = self.scratch / function.partition(":")[0]
        call = Call(
            function=f"tasks.engines.native.{function}",
            parameters={**parameters, "recipe": NO_RECIPE},
            inputs={name: self.places[name] for name in used},
            outputs=tuple(item.name for item in items),
            timeout=_TIMEOUT,
        )
        report = run_call_blocking(call, directory)
        for name, pixels in report.facts.get("region_pixels", {}).items():
            if not pixels:
                raise BadInput(f"the region {name} holds no pixel of the event list's sky")
        self.not_made.update(report.not_made)
        self.cautions.extend(caution.sentence for caution in report.cautions)
        for item in items:
            if item.name not in report.not_made:
                self.places[item.name] = str(directory / item.name)

    def _ready(self, item: Item) -> bool:
        """Whether everything that a product follows from was made; a reason is noted where not."""
        for name in item.request.values():
            if name in self.not_made:
                self.not_made[item.name] = f"{name} is missing"
                return False
        return True

    def _used(self, items: Sequence[Item]) -> list[str]:
        """Files that requests name."""
        values = (value for item in items for value in item.request.values() if isinstance(value, str))
        return [name for name in dict.fromkeys(values) if name in self.places]


def _is_derived(item: Item) -> bool:
    return item.kind in (Kind.RATE_IMAGE, Kind.GROUPED_SPECTRUM) or item.role == Role.NET


def _requests(items: Iterable[Item], kind: Kind) -> list[dict[str, Any]]:
    return [{"name": item.name, **item.request} for item in items if item.kind == kind]


def _link_names(order: Order) -> dict[Path, str]:
    """What each input is called while working: its own name where that is safe and not taken."""
    names: dict[Path, str] = {}
    regions, others = (
        (order.source, order.background),
        (order.ehk, order.bad_pixels, order.exposure_map, order.rmf),
    )
    for path in (*order.events, *regions, *others):
        if path and path not in names:
            name = re.sub(r"[^A-Za-z0-9_.+-]", "_", path.name)[-_LONGEST_LINK:].lstrip("+-.") or "input"
            while name in names.values():
                name = f"_{name}"
            names[path] = name
    return names


@contextmanager
def _faults_are_the_callers() -> Iterator[None]:
    """Faulty data are bad input here, where the caller named the files."""
    try:
        yield
    except (Permanent, NoData) as exc:
        raise BadInput(str(exc)) from exc


def _check_out(out: Path, items: Iterable[Item]) -> None:
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is no directory")
    for item in items:
        if (out / item.name).exists():
            raise BadInput(f"{out / item.name} is there already; products are never overwritten")


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A directory on the same file system as `out`; gone afterwards."""
    base = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    try:
        directory = tempfile.TemporaryDirectory(prefix=".xtendflow-", dir=base)
    except OSError as exc:
        raise BadInput(f"{out} cannot be written: {exc.strerror}") from exc
    with directory as name:
        yield Path(name)


def _publish(out: Path, files: dict[str, Path]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, path in files.items():
            path.rename(out / name)
    except OSError as exc:
        raise BadInput(f"{out} cannot be written: {exc.strerror}") from exc

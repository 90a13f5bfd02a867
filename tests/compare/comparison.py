"""Every product of a reference folder against the native engine's."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from calls import NONE, Call, Folder, Untranslated
from differences import Comparison, Row, relative
from making import NotMade, Workshop
from products import BACKSCAL_OWN_MAP, BACKSCAL_SAME_MAP, ROWS, figure_rows
from requests_of import Wanted, extraction_of, key_of, outputs_of

from tasks.engines.native.events import read_events, read_header

_GROUP = re.compile(r"group\s+min\s+(\d+)\s*&\s*exit", re.IGNORECASE)
_ERRORS = {1: "linear", 2: "gaussian"}
_NORMS = {"MAX": "maximum", "EXPOSURE": "exposure"}


class FolderComparison:
    """Compares the products of one folder, in the order that they build on each other."""

    def __init__(self, folder: Folder, work: Path) -> None:
        self.folder = folder
        self.workshop = Workshop(work)
        self.calls = folder.calls()
        self.wanted: dict[str, Wanted] = {}
        self.made: dict[str, Path] = {}
        """Ours by the key of the reference's name."""
        self.map_inputs: dict[str, dict[str, Any]] = {}

    def rows(self) -> Iterator[Row]:
        """All rows; what cannot be compared has one that says why."""
        if not self.calls:
            yield Row(
                self.folder.name, "calls", note="not compared: no call is listed and no product is there"
            )
        yield from self._extraction()
        steps: dict[str, Callable[[Call], Iterator[Row]]] = {
            "ahexpmap": self._map,
            "xaexpmap": self._map,
            "fimgbin": self._binned,
            "lcmath": self._net_curve,
            "grppha": self._grppha,
            "ftgrouppha": self._ftgrouppha,
            "grouping library of ftgrouppha": self._grouping_library,
        }
        for tool, step in steps.items():
            for call in self.calls:
                if call.tool == tool:
                    yield from self._guarded(call, step)
        yield from self._backscal()
        known = {*steps, "extractor", "ahbackscal"}
        for tool in sorted({call.tool for call in self.calls} - known):
            yield Row(tool, "all", note="not compared: the tool is not known here")

    def _guarded(self, call: Call, step: Callable[[Call], Iterator[Row]]) -> Iterator[Row]:
        words = "".join(map(str, call.parameters.get("arguments", [])))
        yield from _told(key_of(call.text("outfile", f"grouped_{words}.fits")), call.tool, step(call))

    def _extraction(self) -> Iterator[Row]:
        wanted: list[Wanted | Row] = []
        for call in self.calls:
            for parameter, name in outputs_of(call) if call.tool == "extractor" else ():
                try:
                    wanted.append(extraction_of(self.folder, call, parameter, name))
                except Untranslated as exc:
                    wanted.append(Row(key_of(name), parameter, note=f"not compared: {exc}"))
        self.wanted = {key_of(item.name): item for item in wanted if isinstance(item, Wanted)}
        made = self.workshop.extracted(item for item in wanted if isinstance(item, Wanted))
        for item in wanted:
            if isinstance(item, Row):
                yield item
            else:
                yield from _told(key_of(item.name), item.kind, self._extracted(item, made[id(item)]))

    def _extracted(self, item: Wanted, ours: Path | NotMade) -> Iterator[Row]:
        key = key_of(item.name)
        if isinstance(ours, NotMade):
            raise _refused(item, ours)
        self.made[key] = ours
        if item.reference is None:
            yield from figure_rows(key, ours, self.folder.kept(key))
            return
        copied = read_header(item.events[0])
        yield from ROWS[item.kind](Comparison(key, ours, item.reference, item.left_out, copied))

    def _map(self, call: Call) -> Iterator[Row]:
        if call.text("outmaptype", "EXPOSURE").upper() != "EXPOSURE" or call.text("pixgtifile") != NONE:
            raise Untranslated("native maps are of exposure alone, without a list of flickering pixels")
        name = call.text("outfile")
        reference, key = self.folder.find(name), key_of(name)
        self.map_inputs[key] = {
            "ehk": str(self._named(call, "ehkfile", "*.ehk*")),
            "events": [str(path) for path in self._good_time_of(call, reference)],
            "bad_pixels": str(self._named(call, "badimgfile", "*.bimg*")),
            "delta_arcmin": call.number("delta", 20.0),
            "numphi": round(call.number("numphi", 1)),
            "mask_calibration": call.flag("maskcalsrc", True),
        }
        binnings = [1, *(_factor(other) for other in self._binned_from(key))]
        made = self.workshop.mapped(self.map_inputs[key], binnings)
        self.made |= {f"{key}/{binning}": path for binning, path in made.items()} | {key: made[1]}
        yield from ROWS["map"](Comparison(key, made[1], reference))

    def _named(self, call: Call, parameter: str, pattern: str) -> Path:
        """The file that a call names, or the only one of its kind where it names a temporary copy."""
        if call.text(parameter) == NONE:
            raise Untranslated(f"no {parameter}")
        try:
            return self.folder.find(call.text(parameter))
        except Untranslated:
            return self.folder.only(pattern)

    def _good_time_of(self, call: Call, reference: Path) -> list[Path]:
        """The event list that a call names, or the first with the same good time where it was a copy."""
        try:
            return [self.folder.find(call.text("gtifile"))]
        except Untranslated:
            with fits.open(reference) as hdus:
                tables = [hdu.data for hdu in hdus if hdu.name.startswith("GTIEXP")]
            if not tables:
                raise Untranslated(f"{call.text('gtifile')} is not there") from None
            total = sum(float((table["STOP"] - table["START"]).sum()) for table in tables)
            first = min(float(table["START"].min()) for table in tables)
        for path in self.folder.event_lists():
            gti = read_events([path], ()).gti
            if gti.start.size and np.isclose(gti.total, total, rtol=1e-9) and gti.start[0] == first:
                return [path]
        raise Untranslated("no event list has the good time that its tables say")

    def _binned_from(self, key: str) -> Iterator[Call]:
        for call in self.calls:
            if call.tool == "fimgbin" and key_of(call.text("infile")) == key:
                yield call

    def _binned(self, call: Call) -> Iterator[Row]:
        name, source, factor = call.text("outfile"), key_of(call.text("infile")), _factor(call)
        if source in self.wanted and not call.flag("average", False):
            yield from self._binned_image(name, self.wanted[source], factor)
            return
        if f"{source}/{factor}" not in self.made:
            raise Untranslated(f"{source} is no exposure map of these calls")
        scale = {} if call.flag("average", False) else {"sum": str(factor**2)}
        ours = self.made[f"{source}/{factor}"]
        yield from ROWS["binned map"](Comparison(key_of(name), ours, self.folder.find(name), scale))

    def _binned_image(self, name: str, source: Wanted, factor: int) -> Iterator[Row]:
        """The sum over an image's pixels is the image of a larger binning."""
        if source.kind != "image" or source.request["binning"] != 1:
            raise Untranslated(f"{source.name} is no unbinned image")
        item = replace(source, name=name, request=source.request | {"binning": factor})
        ours = self.workshop.extracted([item])[id(item)]
        if isinstance(ours, NotMade):
            raise ours
        yield from ROWS["binned image"](Comparison(key_of(name), ours, self.folder.find(name)))

    def _ours_or_theirs(self, name: str) -> Path:
        return self.made.get(key_of(name)) or self.folder.find(name)

    def _net_curve(self, call: Call) -> Iterator[Row]:
        name, errors = call.text("outfile"), _ERRORS.get(round(call.number("err_mode", 1)))
        if call.number("multi", 1.0) != 1 or call.flag("addsubr", False) or errors is None:
            raise Untranslated("native net curves are source minus a multiple of the background")
        source, background = (self._ours_or_theirs(call.text(key)) for key in ("infile", "bgfile"))
        if not call.flag("docor", True) and _has_dead_time(source, background):
            raise Untranslated("docor=no: native net curves are always corrected for dead time")
        ours = self.workshop.net_curve(source, background, call.number("multb", 1.0), errors)
        yield from ROWS["net curve"](Comparison(key_of(name), ours, self.folder.find(name)))

    def _grppha(self, call: Call) -> Iterator[Row]:
        match = _GROUP.fullmatch(call.text("comm"))
        if match is None:
            raise Untranslated(f"grppha {call.text('comm')}")
        spectrum = self._ours_or_theirs(call.text("infile"))
        yield from self._grouped(call.text("outfile"), spectrum, int(match[1]), None)

    def _ftgrouppha(self, call: Call) -> Iterator[Row]:
        kind, rmf = call.text("grouptype").lower(), call.text("respfile")
        minimum = _minimum(kind, call.text("groupscale"))
        spectrum = self._ours_or_theirs(call.text("infile"))
        response = self.folder.find(rmf) if rmf != NONE else None
        yield from self._grouped(call.text("outfile"), spectrum, minimum, response)

    def _grouping_library(self, call: Call) -> Iterator[Row]:
        """The library names no files: its spectrum is the grouped one with the flags taken away."""
        kind, *values = map(str, call.parameters["arguments"])
        optimal = kind == "opt"
        minimum = _minimum(kind, values[0])
        name = f"grouped_{kind}{'' if optimal else values[0]}.fits"
        rmf = self.folder.find(values[0]) if optimal else None
        yield from self._grouped(name, self.folder.find(name), minimum, rmf)

    def _grouped(self, name: str, spectrum: Path, minimum: int | None, rmf: Path | None) -> Iterator[Row]:
        ours = self.workshop.grouped(spectrum, minimum, rmf)
        # A column takes the place of the keyword; the library leaves it behind.
        flags = dict.fromkeys(("QUALITY", "GROUPING"), "a column now")
        yield from ROWS["grouped"](Comparison(key_of(name), ours, self.folder.find(name), flags))

    def _backscal(self) -> Iterator[Row]:
        for key, expected in self.folder.figures.get("backscal", {}).items():
            yield from _told(f"backscal {key}", "BACKSCAL", self._one_backscal(key, float(expected)))

    def _one_backscal(self, key: str, expected: float) -> Iterator[Row]:
        stem, _, norm = key.rpartition("_")
        call = next((c for c in self.calls if _is_backscal(c, stem, norm)), Call("ahbackscal", {}))
        map_key = key_of(call.text("expfile", next(iter(self.map_inputs), NONE)))
        if norm.upper() not in _NORMS:
            raise Untranslated(f"norm {norm}")
        region = self.folder.find(call.text("regfile", f"{stem}.reg"))
        events = self._sky_of(map_key)
        for said, limit, path in (
            ("same map", BACKSCAL_SAME_MAP, self.folder.find(f"{map_key}.fits")),
            ("own map", BACKSCAL_OWN_MAP, self.made.get(map_key)),
        ):
            request = {"region": region, "exposure_map": path, "normalisation": _NORMS[norm.upper()]}
            item = Wanted(key, "spectrum", region, events, request)
            ours = self.workshop.extracted([item])[id(item)] if path else NotMade("no map")
            if isinstance(ours, NotMade):
                yield Row(f"backscal {key}", f"BACKSCAL, {said}", math.inf, limit, f"not made: {ours}")
            else:
                found = fits.getheader(ours, "SPECTRUM")["BACKSCAL"]
                yield Row(f"backscal {key}", f"BACKSCAL, {said}", relative(found, expected), limit)

    def _sky_of(self, map_key: str) -> tuple[Path, ...]:
        """Events on the same sky as a map."""
        if map_key in self.map_inputs:
            return tuple(Path(name) for name in self.map_inputs[map_key]["events"])
        for item in self.wanted.values():
            return item.events
        raise Untranslated("no event list is named")


def _told(product: str, quantity: str, rows: Iterator[Row]) -> Iterator[Row]:
    """Rows of a product; one that fails on the way ends in a row that says why."""
    try:
        yield from rows
    except Untranslated as exc:
        yield Row(product, quantity, note=f"not compared: {exc}")
    except NotMade as exc:
        yield Row(product, quantity, math.inf, note=f"not made: {exc}")
    except (LookupError, ValueError, TypeError, OSError) as exc:
        yield Row(product, quantity, math.inf, note=f"not of the same kind: {exc!r}")


def _refused(item: Wanted, reason: NotMade) -> Untranslated | NotMade:
    """The real tool takes the whole field where it cannot read a region; to refuse it is right."""
    if item.reference and item.request.get("region"):
        with fits.open(item.reference) as hdus:
            if not any(hdu.name.startswith("REG") for hdu in hdus):
                return Untranslated(f"the tool ignored its region; {reason}")
    return reason


def _factor(call: Call) -> int:
    x, y = call.number("xbinsize", 2), call.number("ybinsize", 0)
    if y not in (0, x):
        raise Untranslated("pixels that are not square")
    return round(x)


def _minimum(kind: str, value: str) -> int | None:
    """The least counts of a group; None for optimal bins."""
    if kind == "opt":
        return None
    if kind != "min":
        raise Untranslated(f"native groups are of least counts or optimal, not {kind} {value}")
    return round(float(value))


def _has_dead_time(*curves: Path) -> bool:
    return any(fits.getheader(path, "RATE").get("DEADC", 1.0) != 1 for path in curves)


def _is_backscal(call: Call, stem: str, norm: str) -> bool:
    return (
        call.tool == "ahbackscal"
        and Path(call.text("regfile")).stem == stem
        and call.text("norm", "EXPOSURE").upper() == norm.upper()
    )

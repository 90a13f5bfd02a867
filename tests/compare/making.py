"""The native engine's products for a comparison, each in a working folder."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from requests_of import Wanted

from tasks.core.errors import XtendflowError
from tasks.engines.native import exposure
from tasks.engines.native.derived import derive
from tasks.engines.native.extraction import extract

_LISTS = {"image": 0, "light curve": 1, "spectrum": 2}


class NotMade(Exception):
    """A product that the real tools made and the native engine did not."""


class Workshop:
    """Makes products in a folder of its own, and knows those it has made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def new(self) -> Path:
        """A name that no product has yet."""
        self._count += 1
        return self.folder / f"made{self._count}.fits"

    def extracted(self, wanted: Iterable[Wanted]) -> dict[int, Path | NotMade]:
        """Images, curves and spectra by `id` of what was wanted; those of the same events in one go."""
        groups: dict[tuple[Path, ...], list[Wanted]] = defaultdict(list)
        for item in wanted:
            groups[item.events].append(item)
        found: dict[int, Path | NotMade] = {}
        for group in groups.values():
            try:
                found |= self._extract(group)
            except (XtendflowError, ValueError):
                # One that cannot be made must not hide the others.
                for item in group:
                    found |= self._alone(item)
        return found

    def _alone(self, item: Wanted) -> dict[int, Path | NotMade]:
        try:
            return self._extract([item])
        except (XtendflowError, ValueError) as exc:
            return {id(item): NotMade(" ".join(str(exc).split()))}

    def _extract(self, group: list[Wanted]) -> dict[int, Path | NotMade]:
        lists: tuple[list[dict[str, Any]], ...] = ([], [], [])
        names: dict[int, Path] = {}
        for item in group:
            path = names[id(item)] = self.new()
            given = {key: self._linked(value) for key, value in item.request.items()}
            lists[_LISTS[item.kind]].append({"name": path.name, **given})
        events = [self._linked(path) for path in group[0].events]
        with contextlib.chdir(self.folder):
            report = extract(events, *lists, "none")
        return {
            id(item): names[id(item)]
            if names[id(item)].exists()
            else NotMade(report.not_made[names[id(item)].name])
            for item in group
        }

    def mapped(self, inputs: Mapping[str, Any], binnings: Iterable[int]) -> dict[int, Path]:
        """Exposure maps by binning."""
        names = {binning: self.new() for binning in sorted(set(binnings))}
        maps = {str(binning): str(path) for binning, path in names.items()}
        self._asked(lambda: exposure.make(**inputs, maps=maps, recipe="none"))
        return names

    def net_curve(self, source: Path, background: Path, scale: float, errors: str) -> Path:
        """A net light curve; the factor is handed over as BACKSCAL of two spectra."""
        path, spectra = self.new(), (self._backscal(scale), self._backscal(1.0))
        request = {"name": str(path), "source": str(source), "background": str(background), "errors": errors}
        request |= {"source_spectrum": str(spectra[0]), "background_spectrum": str(spectra[1])}
        return self._derived(path, net_curves=[request])

    def grouped(self, spectrum: Path, minimum: int | None, rmf: Path | None) -> Path:
        """A grouped spectrum; without a minimum it is grouped optimally."""
        path = self.new()
        request = {
            "name": str(path),
            "spectrum": str(spectrum),
            "grouping": "opt" if minimum is None else f"min:{minimum}",
            "rmf": str(rmf) if rmf else None,
            "background": None,
        }
        return self._derived(path, grouped=[request])

    def _derived(self, path: Path, **lists: Any) -> Path:
        given = {"rate_images": [], "net_curves": [], "grouped": []} | lists
        report = self._asked(lambda: derive(**given, recipe="none"))
        if path.exists():
            return path
        raise NotMade(report.not_made[str(path)])

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            with contextlib.chdir(self.folder):
                return ask()
        except (XtendflowError, ValueError) as exc:
            raise NotMade(" ".join(str(exc).split())) from exc

    def _linked(self, value: Any) -> Any:
        """Requests name files of the working folder: a path becomes the name of a link."""
        if not isinstance(value, Path):
            return value
        link = self.folder / value.name
        if not link.exists() or link.resolve() != value.resolve():
            self._count += link.exists()
            link = self.folder / (f"{self._count}_{value.name}" if link.exists() else value.name)
            link.symlink_to(value.resolve())
        return link.name

    def _backscal(self, value: float) -> Path:
        path = self.new()
        table = fits.BinTableHDU.from_columns([fits.Column("COUNTS", "J", array=np.ones(1))], name="SPECTRUM")
        table.header["BACKSCAL"] = value
        table.writeto(path)
        return path

"""Images, light curves and spectra by extractor: its calls, with every parameter that it asks for."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tasks.engines.heasoft.checks import Check, counts_agree, region_applied, weighted_map
from tasks.engines.heasoft.sequence import Calls, line_of
from tasks.engines.heasoft.spectra import EXPOSURE_MAP, NORMS, backscal_call
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.interface import StepInputs
from tasks.engines.native.fits_stream import opened
from tasks.engines.planning import links_to, names_of, products_of, specs_of
from tasks.library.call import Call
from tasks.library.dataset import recipe_hash
from tasks.library.manifest import Kind, Product, ProductSpec, Role
from tasks.library.orders import Wanted
from tasks.xtend.channels import Channels
from tasks.xtend.regions import read_region

Parameters = Mapping[str, str | int | float | bool]

_MINUTES: Final = 60.0
_AT_ONCE: Final = 4 << 20
_LIST: Final = "events.lis"
_NOTHING: Final[Parameters] = {
    "eventsout": "NONE", "imgfile": "NONE", "phafile": "NONE", "fitsbinlc": "NONE", "unbinlc": "NONE",
    "qdpfile": "NONE", "gtitxt": "NONE", "xronwn": "NONE", "regionfile": "NONE", "timefile": "NONE",
}  # fmt: skip
"""Files that are not made or read; some of these would else have names of their own."""
_COLUMNS: Final[Parameters] = {
    "xcolf": "X", "ycolf": "Y", "zcolf": "NONE", "tcol": "TIME", "ecol": "PI", "xcolh": "DETX",
    "ycolh": "DETY", "ccol": "NONE", "gcol": "NONE", "gti": "GTI", "gtinam": "GTI", "events": "EVENTS",
}  # fmt: skip
_WAYS: Final[Parameters] = {
    "exitnow": False, "adjustgti": False, "fullimage": True, "copyall": False, "clobber": True, "binf": 1,
    "binh": 1, "specbin": 1, "wtmapb": True, "wtmapfix": True, "binlc": 64.0, "lcthresh": 0.0,
    "lcstart": -1.0, "lctzero": True,
}  # fmt: skip


@dataclass(frozen=True)
class Events:
    """The event files as extractor is told of them.

    Parameters
    ----------
    files : tuple of str
        Their names in the working directory, in the order of the split.
    """

    files: tuple[str, ...]

    def filename(self, channels: Channels | None) -> str:
        """The parameter `filename`: a file, or a list of several, with the PI range (ends included).

        In the list itself extractor would not see the range, and leave CHANMIN and PHALCUT out of headers.
        """
        name = f"@{_LIST}" if len(self.files) > 1 else self.files[0]
        return f"{name}[PI={channels.low}:{channels.high}]" if channels else name

    def texts(self) -> dict[str, str]:
        """The list of several files, by its name."""
        return {_LIST: "".join(f"{file}\n" for file in self.files)} if len(self.files) > 1 else {}


def image_parameters(events: Events, channels: Channels | None, binning: int, output: str) -> Parameters:
    """Parameters of an image of the whole field."""
    return _parameters(filename=events.filename(channels), imgfile=output, binf=binning)


def light_curve_parameters(
    events: Events, channels: Channels | None, region: str, time_bin: float, threshold: float, output: str
) -> Parameters:
    """Parameters of a light curve: bins in seconds, those exposed for less than `threshold` left out."""
    return _parameters(
        filename=events.filename(channels),
        fitsbinlc=output,
        regionfile=region,
        binlc=time_bin,
        lcthresh=threshold,
    )


def spectrum_parameters(events: Events, region: str, output: str) -> Parameters:
    """Parameters of a spectrum: all channels, with the weighted map that xtdrmf reads."""
    return _parameters(filename=events.filename(None), phafile=output, regionfile=region)


def _parameters(**own: str | int | float | bool) -> Parameters:
    return {**_NOTHING, **_COLUMNS, **_WAYS, **own}


def prepare(zipped: dict[str, str], regions: list[str]) -> None:
    """Unpack event files, and see that extractor reads the regions as they are meant.

    Parameters
    ----------
    zipped : dict
        Gzipped file → name of the plain one.
    regions : list of str
        Region files: one that it cannot read would have it take the whole field.

    Raises
    ------
    BadInput
        When a region file is not one that HEASoft understands; it names the line.
    Permanent
        When an event file is broken.
    """
    for region in regions:
        read_region(Path(region))
    for name, plain in zipped.items():
        with opened(Path(name)) as stream, Path(plain).open("wb") as target:
            shutil.copyfileobj(stream, target, _AT_ONCE)


def plan(inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
    """The calls that make images, light curves and spectra: one of extractor for each, then the finish."""
    extraction = _Extraction(inputs, products)
    for number, spec in enumerate(specs_of(products, Kind.IMAGE)):
        extraction.image(spec, f"image{number}.fits")
    for number, spec in enumerate(specs_of(products, Kind.LIGHT_CURVE)):
        extraction.light_curve(spec, f"curve{number}.fits")
    for number, spec in enumerate(specs_of(products, Kind.SPECTRUM)):
        extraction.spectrum(spec, f"counts{number}.fits", f"spectrum{number}.fits")
    return extraction.finished(products)


class _Extraction:
    """The calls of one extraction so far, and what they share."""

    def __init__(self, inputs: StepInputs, products: Sequence[Wanted]) -> None:
        self._inputs = inputs
        self._lists = products_of(inputs, Kind.EVENTS)
        self._maps = products_of(inputs, Kind.EXPOSURE_MAP, binning=1)
        self._events = Events(tuple(f"events{number}.evt" for number in range(len(self._lists))))
        roles = {item.spec.role for item in products} - {Role.FIELD}
        self._regions = {
            role: products_of(inputs, Kind.REGION, role, frame="skypix")[0] for role in sorted(roles)
        }
        self._items: list[dict[str, Any]] = []
        self._calls = Calls()
        self._calls.add(self._prepare())

    def image(self, spec: ProductSpec, output: str) -> None:
        """An image of the field."""
        channels = _channels(spec)
        parameters = image_parameters(self._events, channels, spec.entry["binning"], output)
        self._extract(parameters, output, None, counts_agree(output))
        self._note(spec, output, self._calls.last)

    def light_curve(self, spec: ProductSpec, output: str) -> None:
        """A light curve of a region."""
        channels, threshold = _channels(spec), self._inputs.dataset.recipe.light_curves.exposure_threshold
        parameters = light_curve_parameters(
            self._events, channels, _short(spec.role), spec.entry["time_bin"], threshold, output
        )
        self._extract(parameters, output, spec.role, region_applied(output))
        self._note(spec, output, self._calls.last)

    def spectrum(self, spec: ProductSpec, counted: str, scaled: str) -> None:
        """A spectrum of a region; with an exposure map its BACKSCAL goes by exposure, else by pixels."""
        parameters = spectrum_parameters(self._events, _short(spec.role), counted)
        checks = region_applied(counted), counts_agree(counted), weighted_map(counted)
        self._extract(parameters, counted, spec.role, *checks)
        extracted = self._calls.last
        if not self._maps:
            self._note(spec, counted, extracted)
            return
        recipe = self._inputs.dataset.recipe
        self._calls.add(
            backscal_call(
                counted,
                scaled,
                _short(spec.role),
                norm=NORMS[recipe.spectra.backscal],
                links={
                    _short(spec.role): self._path(self._regions[spec.role]),
                    EXPOSURE_MAP: self._path(self._maps[0]),
                },
                after=self._calls.after(counted),
                chatter=recipe.heasoft.chatter,
            )
        )
        self._note(spec, scaled, extracted, self._calls.last, files=f"{EXPOSURE_MAP} is {self._maps[0].name}")

    def finished(self, products: Sequence[Wanted]) -> list[Call]:
        """All calls, the finish at the end."""
        files = [item["file"] for item in self._items]
        self._calls.add(
            Call(
                function="tasks.engines.heasoft.finishing:finish",
                parameters={
                    "products": self._items,
                    "recipe": recipe_hash(self._inputs.dataset.recipe),
                    "events": [product.name for product in self._lists],
                },
                inputs=links_to(self._inputs, [*self._lists, *self._regions.values()]),
                after=self._calls.after(*files),
                outputs=names_of(products),
                timeout=60 * _MINUTES,
            )
        )
        return self._calls.calls

    def _prepare(self) -> Call:
        """Check regions before a tool reads one, and unpack events once instead of in every call."""
        zipped = {f"{name}.gz": name for name in self._events.files if self._source(name)[1]}
        return Call(
            function="tasks.engines.heasoft.extractor:prepare",
            parameters={"zipped": zipped, "regions": [_short(role) for role in self._regions]},
            inputs={
                **{packed: self._source(name)[0] for packed, name in zipped.items()},
                **{_short(role): self._path(region) for role, region in self._regions.items()},
            },
            outputs=tuple(zipped.values()),
            timeout=30 * _MINUTES,
        )

    def _source(self, name: str) -> tuple[str, bool]:
        """The published file behind a short name, and whether it is zipped."""
        product = self._lists[self._events.files.index(name)]
        return self._path(product), product.name.endswith(".gz")

    def _path(self, product: Product) -> str:
        return str(self._inputs.locate(product))

    def _extract(
        self,
        parameters: Parameters,
        output: str,
        role: Role | None,
        *checks: Check,
    ) -> None:
        sources = {name: self._source(name) for name in self._events.files}
        plain = {name: path for name, (path, packed) in sources.items() if not packed}
        region = {_short(role): self._path(self._regions[role])} if role else {}
        self._calls.add(
            tool_call(
                "extractor",
                parameters,
                inputs={**plain, **region},
                after=self._calls.after(*self._events.files),
                texts=self._events.texts(),
                outputs=[output],
                checks=checks,
                chatter=self._inputs.dataset.recipe.heasoft.chatter,
                timeout=60 * _MINUTES,
            )
        )

    def _note(self, spec: ProductSpec, file: str, *made_by: Call, files: str = "") -> None:
        """Remember what the finish has to do."""
        self._items.append(
            {
                "name": spec.name,
                "file": file,
                "kind": spec.kind,
                "channels": spec.entry.get("channels"),
                "region": self._regions[spec.role].name if spec.role in self._regions else None,
                "history": [*map(line_of, made_by), *([files] if files else [])],
                # Images, and the weighted maps before spectra, hold counts.
                "unit": None if spec.kind == Kind.LIGHT_CURVE else "count",
            }
        )


def _channels(spec: ProductSpec) -> Channels | None:
    given = spec.entry["channels"]
    return Channels(*given) if given else None


def _short(role: Role) -> str:
    """A region file's name in a working directory."""
    return f"{role}.reg"

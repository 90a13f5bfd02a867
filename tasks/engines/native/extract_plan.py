"""The products that an order of `xtendflow extract` leads to, and what their makers are told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from astropy.io import fits

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.engines.native.axes import Axis, axes_of, sky_wcs
from tasks.engines.native.events import read_header
from tasks.engines.native.extract_names import BandChoice, Names, is_xtend, names_for
from tasks.engines.native.extract_order import Grouping, Order
from tasks.engines.native.images import image_shape
from tasks.engines.native.responses import EBounds, channels_of_band, read_ebounds
from tasks.library.manifest import Kind, Role
from tasks.library.names import grouped_spectrum
from tasks.library.recipe import Exposure
from tasks.xtend.channels import Channels, channels
from tasks.xtend.regions import Region, read_region

EXPOSURE: Final = Exposure()
"""How exposure maps are made: the recipe's defaults."""
_COLUMNS: Final = ("X", "Y", "PI")


@dataclass(frozen=True)
class Item:
    """A product to make.

    Parameters
    ----------
    kind, role : Kind, Role
        What it is.
    name : str
        Its file.
    request : dict
        What its maker is told besides the name; files are named as they are called while working.
    channels, binning, time_bin, grouping
        What the listing says of it.
    """

    kind: Kind
    role: Role
    name: str
    request: dict[str, Any]
    channels: Channels | None = None
    binning: int | None = None
    time_bin: float | None = None
    grouping: Grouping | None = None

    def listing(self, directory: Path) -> dict[str, Any]:
        """The item as JSON, once it lies in a directory."""
        return {
            "kind": self.kind.value,
            "role": self.role.value,
            "channels": list(self.channels) if self.channels else None,
            "binning": self.binning,
            "time_bin": self.time_bin,
            "grouping": str(self.grouping) if self.grouping else None,
            "path": str(directory.absolute() / self.name),
        }


@dataclass(frozen=True)
class Plan:
    """The products of an order, in the order in which they are listed."""

    order: Order
    bands: tuple[BandChoice, ...]
    names: Names
    links: Mapping[Role, str]
    rmf: str | None

    def items(self) -> Iterator[Item]:
        """All products."""
        yield from self._maps()
        yield from self._images()
        yield from self._light_curves()
        yield from self._spectra()

    @property
    def binnings(self) -> tuple[int, ...]:
        """Binnings of the images; 1 when nothing else is asked for."""
        others = self.order.binnings or self.order.regions or self.order.time_bins
        return tuple(dict.fromkeys(self.order.binnings)) if others else (1,)

    def _maps(self) -> Iterator[Item]:
        if self.order.ehk:
            for binning in sorted(
                {*self.binnings, *((1,) if self.order.regions or not self.binnings else ())}
            ):
                yield Item(Kind.EXPOSURE_MAP, Role.FIELD, self._map(binning), {}, binning=binning)

    def _images(self) -> Iterator[Item]:
        for band in self.bands:
            for binning in self.binnings:
                name, cut = self.names.image(band, binning), _cut(band)
                request: dict[str, Any] = {"channels": cut, "binning": binning}
                yield Item(Kind.IMAGE, Role.FIELD, name, request, band.channels, binning)
                if self.order.ehk:
                    made_of = {"image": name, "exposure_map": self._map(binning)}
                    request = {**made_of, "minimum_fraction": EXPOSURE.minimum_fraction}
                    rate = self.names.rate_image(band, binning)
                    yield Item(Kind.RATE_IMAGE, Role.FIELD, rate, request, band.channels, binning)

    def _light_curves(self) -> Iterator[Item]:
        roles = list(self.links) or [Role.FIELD]
        for band in self.bands:
            for time_bin in dict.fromkeys(self.order.time_bins):
                for role in roles:
                    yield self._light_curve(role, band, time_bin)
                if len(roles) > 1:
                    yield self._net(band, time_bin)

    def _light_curve(self, role: Role, band: BandChoice, time_bin: float) -> Item:
        request = {
            "channels": _cut(band),
            "region": self.links.get(role),
            "time_bin": time_bin,
            "threshold": self.order.threshold,
        }
        name = self._curve(role, band, time_bin)
        return Item(Kind.LIGHT_CURVE, role, name, request, band.channels, time_bin=time_bin)

    def _net(self, band: BandChoice, time_bin: float) -> Item:
        request = {
            "source": self._curve(Role.SOURCE, band, time_bin),
            "background": self._curve(Role.BACKGROUND, band, time_bin),
            "source_spectrum": self.names.spectrum(Role.SOURCE),
            "background_spectrum": self.names.spectrum(Role.BACKGROUND),
        }
        name = self._curve(Role.NET, band, time_bin)
        return Item(Kind.LIGHT_CURVE, Role.NET, name, request, band.channels, time_bin=time_bin)

    def _spectra(self) -> Iterator[Item]:
        for role, link in self.links.items():
            request = {"region": link, "exposure_map": self._map(1) if self.order.ehk else None}
            yield Item(Kind.SPECTRUM, role, self.names.spectrum(role), request)
        if self.order.grouping:
            spectrum, minimum = self.names.spectrum(Role.SOURCE), self.order.grouping.minimum
            name = grouped_spectrum(spectrum, "opt" if minimum is None else "min", minimum)
            grouped: dict[str, Any] = {
                "spectrum": spectrum,
                "minimum": minimum,
                "rmf": None if minimum else self.rmf,
            }
            yield Item(Kind.GROUPED_SPECTRUM, Role.SOURCE, name, grouped, grouping=self.order.grouping)

    def _map(self, binning: int) -> str:
        return self.names.exposure_map(EXPOSURE.delta_arcmin, EXPOSURE.numphi, binning)

    def _curve(self, role: Role, band: BandChoice, time_bin: float) -> str:
        return self.names.light_curve(role, band, self.order.threshold, time_bin)


def plan(order: Order, links: Mapping[Role, str], rmf: str | None) -> Plan:
    """What an order leads to, as far as header, regions and response tell.

    Parameters
    ----------
    order : Order
        The order.
    links : mapping of Role to str
        What the region files are called while working.
    rmf : str or None
        What the response is called.

    Raises
    ------
    BadInput
        When the order cannot be meant for this event list.
    Permanent
        When the event list or the response cannot be read.
    """
    header = read_header(order.events)
    axes = axes_of(header, _COLUMNS, order.events.name)
    missing = [name for name in _COLUMNS if name not in axes]
    if missing:
        raise BadInput(f"{order.events.name} gives no range (TLMIN, TLMAX) of {', '.join(missing)}")
    if order.ehk and not is_xtend(header):
        raise BadInput("exposure maps (--ehk, --bad-pixels) are made for Xtend only")
    for binning in order.binnings:
        image_shape((axes["X"], axes["Y"]), binning)
    wcs = sky_wcs(axes["X"], axes["Y"], order.events.name)
    regions: dict[Role, Region] = {role: read_region(path) for role, path in order.regions.items()}
    names = names_for(order.events, header, wcs, regions.get(Role.SOURCE), regions.get(Role.BACKGROUND))
    ebounds = _ebounds(order.rmf, axes["PI"], order.events.name) if order.rmf else None
    made = Plan(order, tuple(_bands(order, header, axes["PI"], ebounds)), names, links, rmf)
    files = [item.name for item in made.items()]
    if len(set(files)) < len(files):
        raise BadInput(
            "two of the products asked for would have one name: give each band, bin and region once"
        )
    return made


def _ebounds(rmf: Path, pi: Axis, events: str) -> EBounds:
    """The channels of a response, which must be those of the events."""
    ebounds = read_ebounds(rmf)
    if ebounds.channel.size != pi.size:
        raise BadInput(f"{rmf.name} has {ebounds.channel.size} channels, the PI of {events} {pi.size}")
    return ebounds


def _bands(order: Order, header: fits.Header, pi: Axis, ebounds: EBounds | None) -> Iterator[BandChoice]:
    """Bands in the order asked for; the whole PI range when none was."""
    if not (order.channels or order.bands):
        yield BandChoice(Channels(pi.low, pi.high), whole=True)
    for selection in dict.fromkeys(order.channels):
        if selection.low > pi.high or selection.high < pi.low:
            raise BadInput(f"channels {selection.low}:{selection.high} lie outside PI {pi.low}:{pi.high}")
        yield BandChoice(selection)
    for band in dict.fromkeys(order.bands):
        yield BandChoice(_channels(band, header, ebounds), band)


def _channels(band: Band, header: fits.Header, ebounds: EBounds | None) -> Channels:
    if is_xtend(header):
        return channels(band)
    if ebounds is None:
        raise BadInput("--bands is for Xtend only; with other instruments give --rmf too, or use --channels")
    return channels_of_band(ebounds, float(band.low), float(band.high))


def _cut(band: BandChoice) -> list[int] | None:
    return None if band.whole else list(band.channels)

"""The products that an order of `xtendflow extract` leads to, and what their makers are told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from astropy.io import fits

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.engines.native.axes import Axis, axes_of, sky_wcs
from tasks.engines.native.events import read_header
from tasks.engines.native.extract_names import BandChoice, Names, is_xtend, names_for
from tasks.engines.native.extract_order import Order
from tasks.engines.native.files import read_image
from tasks.engines.native.grids import difference
from tasks.engines.native.images import image_shape
from tasks.engines.native.responses import EBounds, channels_of_band, read_ebounds
from tasks.library.manifest import Kind, Role
from tasks.library.names import grouped_spectrum
from tasks.xtend.channels import Channels, channels
from tasks.xtend.grouping import GroupingRule
from tasks.xtend.regions import Region, read_region

_COLUMNS: Final = ("X", "Y", "PI")
_IDENTITY: Final = ("TELESCOP", "INSTRUME", "OBS_ID", "DATACLAS")


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
    grouping: GroupingRule | None = None

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
    """The products of an order, in the order in which they are listed.

    Parameters
    ----------
    order : Order
        The order.
    bands : tuple of BandChoice
        Its bands.
    names : Names
        Names of the products.
    links : mapping of Path to str
        What the files given are called while working.
    """

    order: Order
    bands: tuple[BandChoice, ...]
    names: Names
    links: Mapping[Path, str]

    def items(self) -> Iterator[Item]:
        """All products."""
        yield from self._maps()
        yield from self._images()
        yield from self._light_curves()
        yield from self._spectra()

    def _maps(self) -> Iterator[Item]:
        if not self.order.ehk:
            return
        binnings = set(self.order.binnings_of_images)
        for binning in sorted(binnings | {1} if self.order.regions or not binnings else binnings):
            yield Item(Kind.EXPOSURE_MAP, Role.FIELD, self._made_map(binning), {}, binning=binning)

    def _images(self) -> Iterator[Item]:
        for band in self.bands:
            for binning in self.order.binnings_of_images:
                name, cut = self.names.image(band, binning), _cut(band)
                request: dict[str, Any] = {"channels": cut, "binning": binning}
                yield Item(Kind.IMAGE, Role.FIELD, name, request, band.channels, binning)
                if exposure_map := self._map(binning):
                    made_of = {"image": name, "exposure_map": exposure_map}
                    request = {**made_of, "minimum_fraction": self.order.exposure.minimum_fraction}
                    rate = self.names.rate_image(band, binning)
                    yield Item(Kind.RATE_IMAGE, Role.FIELD, rate, request, band.channels, binning)

    def _light_curves(self) -> Iterator[Item]:
        roles = list(self.order.regions) or [Role.FIELD]
        for band in self.bands:
            for time_bin in dict.fromkeys(self.order.time_bins):
                for role in roles:
                    yield self._light_curve(role, band, time_bin)
                if len(roles) > 1:
                    yield self._net(band, time_bin)

    def _light_curve(self, role: Role, band: BandChoice, time_bin: float) -> Item:
        request = {
            "channels": _cut(band),
            "region": self._region(role),
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
            "errors": self.order.net_errors or "gaussian",
        }
        name = self._curve(Role.NET, band, time_bin)
        return Item(Kind.LIGHT_CURVE, Role.NET, name, request, band.channels, time_bin=time_bin)

    def _spectra(self) -> Iterator[Item]:
        for role in self.order.regions:
            request = {
                "region": self._region(role),
                "exposure_map": None if self.order.by_pixels else self._map(1),
                "normalisation": self.order.normalisation,
            }
            yield Item(Kind.SPECTRUM, role, self.names.spectrum(role), request)
        if rule := self.order.grouping:
            spectrum = self.names.spectrum(Role.SOURCE)
            grouped: dict[str, Any] = {
                "spectrum": spectrum,
                "grouping": str(rule),
                "rmf": self.links[self.order.rmf] if self.order.rmf and rule.needs_response else None,
                "background": self.names.spectrum(Role.BACKGROUND) if rule.needs_background else None,
            }
            name = grouped_spectrum(spectrum, rule.kind, rule.least)
            yield Item(Kind.GROUPED_SPECTRUM, Role.SOURCE, name, grouped, grouping=rule)

    def _map(self, binning: int) -> str | None:
        """The exposure map of a binning; a given one is not binned."""
        if self.order.exposure_map:
            return self.links[self.order.exposure_map] if binning == 1 else None
        return self._made_map(binning) if self.order.ehk else None

    def _made_map(self, binning: int) -> str:
        exposure = self.order.exposure
        return self.names.exposure_map(exposure.delta_arcmin, exposure.numphi, binning)

    def _region(self, role: Role) -> str | None:
        path = self.order.regions.get(role)
        return self.links[path] if path else None

    def _curve(self, role: Role, band: BandChoice, time_bin: float) -> str:
        return self.names.light_curve(role, band, self.order.threshold, time_bin)


def plan(order: Order, links: Mapping[Path, str]) -> Plan:
    """What an order leads to, as far as header, regions and response tell.

    Parameters
    ----------
    order : Order
        The order.
    links : mapping of Path to str
        What the files given are called while working.

    Raises
    ------
    BadInput
        When the order cannot be meant for this event list.
    Permanent
        When the event list, the exposure map or the response cannot be read.
    """
    events, header = order.events[0], _header(order.events)
    axes = axes_of(header, _COLUMNS, events.name)
    missing = [name for name in _COLUMNS if name not in axes]
    if missing:
        raise BadInput(f"{events.name} gives no range (TLMIN, TLMAX) of {', '.join(missing)}")
    if order.ehk and not is_xtend(header):
        raise BadInput("exposure maps (--ehk, --bad-pixels) are made for Xtend only")
    for binning in order.binnings:
        image_shape((axes["X"], axes["Y"]), binning)
    if order.exposure_map:
        _check_map(order.exposure_map, axes["X"], axes["Y"], events.name)
    wcs = sky_wcs(axes["X"], axes["Y"], events.name)
    regions: dict[Role, Region] = {role: read_region(path) for role, path in order.regions.items()}
    names = names_for(events, header, wcs, regions.get(Role.SOURCE), regions.get(Role.BACKGROUND))
    ebounds = _ebounds(order.rmf, axes["PI"], events.name) if order.rmf else None
    made = Plan(order, tuple(_bands(order, header, axes["PI"], ebounds)), names, links)
    files = [item.name for item in made.items()]
    if len(set(files)) < len(files):
        raise BadInput(
            "two of the products asked for would have one name: give each band, bin and region once"
        )
    return made


def _header(files: Sequence[Path]) -> fits.Header:
    """Header of the first file, when the others are of the same dataset."""
    headers = [read_header(path) for path in files]
    for path, header in zip(files, headers, strict=True):
        for key in _IDENTITY:
            ours, first = header.get(key), headers[0].get(key)
            if ours != first:
                raise BadInput(
                    f"{path.name} is not of the dataset of {files[0].name}: its {key} is {ours}, not {first}"
                )
    return headers[0]


def _check_map(path: Path, x: Axis, y: Axis, events: str) -> None:
    """See that a given exposure map lies on the unbinned sky pixels of the events."""
    sky = fits.Header({"NAXIS1": x.size, "NAXIS2": y.size})
    for number, axis in enumerate((x, y), start=1):
        sky[f"CTYPE{number}"] = axis.ctype
        sky[f"CRPIX{number}"] = axis.crpix - (axis.low - 1)
        sky[f"CRVAL{number}"], sky[f"CDELT{number}"] = axis.crval, axis.cdelt
    if unlike := difference(read_image(path)[1], sky):
        raise BadInput(f"{path.name} does not lie on the sky pixels of {events}: {unlike}")


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

"""What is fitted: a spectrum in groups, its background, and the response that leads there."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.fitting.response import Response
from tasks.fitting.spectrum import Spectrum
from tasks.xtend.cautions import Caution, caution
from tasks.xtend.grouping import (
    Grouping,
    GroupingRule,
    group_minimum,
    group_optimal,
    group_optimal_minimum,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_BAD: Final = (1, 5)
"""QUALITY of channels that are bad whatever the grouping; others, such as 2, speak of the file's groups."""
_ROUNDING: Final = 1e-5
"""Energies of channels are kept in single precision."""


@dataclass(frozen=True, eq=False)
class Observation:
    """Groups of channels in a band.

    Parameters
    ----------
    low, high : ndarray, shape (g,)
        Nominal energies of the groups in keV.
    counts : ndarray, shape (g,)
        Of the source spectrum.
    errors : ndarray, shape (g,), or None
        Standard deviations where the file gives its own.
    counted : bool
        Whether source and background are counts, which Poisson statistics hold for.
    background : ndarray, shape (g,), or None
        Counts of the background spectrum.
    scaled, scaled_variance : ndarray, shape (g,)
        The background in units of the source spectrum, and its variance.
    ratio : ndarray, shape (g,)
        EXPOSURE × AREASCAL × BACKSCAL of the background over that of the source; 1 without background.
    exposure : float
        Of the source spectrum in seconds.
    energy_low, energy_high : ndarray, shape (m,)
        Energy bins in keV of the photons that reach the groups.
    start : ndarray of int, shape (g,)
        Where the elements of the response of each group begin; each has one at least.
    row : ndarray of int, shape (k,)
        Energy bin of each element.
    value : ndarray, shape (k,)
        Counts of the group for one photon/cm²/s of the bin.
    has_area : bool
        Whether the response knows an effective area.
    cautions : tuple of Caution
        What is to be known of it.
    """

    low: Floats
    high: Floats
    counts: Floats
    errors: Floats | None
    counted: bool
    background: Floats | None
    scaled: Floats
    scaled_variance: Floats
    ratio: Floats
    exposure: float
    energy_low: Floats
    energy_high: Floats
    start: Integers
    row: Integers
    value: Floats
    has_area: bool
    cautions: tuple[Caution, ...] = ()

    def fold(self, photons: Floats) -> Floats:
        """Counts of the groups, shape (g,), for photons/cm²/s in the energy bins, shape (m,)."""
        return np.asarray(np.add.reduceat(self.value * photons.take(self.row), self.start))


def observe(
    spectrum: Spectrum,
    response: Response,
    band: Band,
    *,
    background: Spectrum | None = None,
    group: GroupingRule | None = None,
) -> Observation:
    """Bring spectrum, background and response together.

    Groups are formed over all channels; those whose channels lie wholly inside the band take part, as XSPEC
    keeps them after `ignore **-LOW HIGH-**`. Channels of bad QUALITY take no part.

    Parameters
    ----------
    spectrum : Spectrum
        Source, with its background in it.
    response : Response
        Of the source spectrum.
    band : Band
        In keV.
    background : Spectrum, optional
        Takes the groups of the source.
    group : GroupingRule, optional
        How to group anew; the file's own GROUPING and QUALITY when left out.

    Raises
    ------
    BadInput
        When the files do not belong together, or nothing is in the band.
    """
    offset, cautions = _offset(spectrum, response)
    if background is not None:
        _same_channels(spectrum, background)
    inside = offset + np.arange(spectrum.channel.size)
    flags = _flags(spectrum, background, response.fwhm[inside], group)
    place = np.cumsum(np.concatenate([[True], flags.grouping[1:] != -1])) - 1
    good = flags.quality == 0
    used = _inside(place, good, response.e_min[inside], response.e_max[inside], band)
    if not used.any():
        raise BadInput(f"{spectrum.name} has no group of good channels wholly inside {band} keV")
    return _gathered(spectrum, background, response, inside, place, used, cautions)


def _offset(spectrum: Spectrum, response: Response) -> tuple[int, tuple[Caution, ...]]:
    """Where in the response the spectrum's first channel lies."""
    first, count = int(spectrum.channel[0]), spectrum.channel.size
    in_all, start = response.channel.size, int(response.channel[0])
    if (spectrum.channels_in_all or count) != in_all or count > in_all:
        raise BadInput(
            f"{response.name} has {in_all} channels and {spectrum.name} "
            f"{spectrum.channels_in_all or count}: they do not belong together"
        )
    if start <= first and first + count <= start + in_all:
        return first - start, ()
    if count < in_all:
        raise BadInput(
            f"{response.name} begins at channel {start} and {spectrum.name} at {first}: "
            "they do not belong together"
        )
    sentence = (
        f"The channels of the spectrum begin at {first} and those of the response at {start}; "
        "as there are as many, they were taken in order."
    )
    return 0, (caution("channel-offset", sentence),)


def _same_channels(spectrum: Spectrum, background: Spectrum) -> None:
    if background.channel.size != spectrum.channel.size:
        raise BadInput(
            f"the background {background.name} has {background.channel.size} channels and "
            f"{spectrum.name} {spectrum.channel.size}"
        )
    if background.channel[0] != spectrum.channel[0]:
        raise BadInput(
            f"the background {background.name} begins at channel {background.channel[0]} and "
            f"{spectrum.name} at {spectrum.channel[0]}"
        )


def _flags(
    spectrum: Spectrum, background: Spectrum | None, fwhm: Integers, rule: GroupingRule | None
) -> Grouping:
    """Groups and quality; a new grouping keeps of the old quality only what is bad in any case."""
    if rule is None:
        return Grouping(spectrum.grouping, spectrum.quality)
    if rule.needs_background and background is None:
        raise BadInput(f"a grouping {rule} goes by a background spectrum, and there is none")
    bad = np.isin(spectrum.quality, _BAD)
    counted = background if rule.needs_background and background is not None else spectrum
    counts, least = np.where(bad, 0, np.rint(counted.counts)), rule.least or 1
    if rule.kind == "opt":
        flags = group_optimal(counts, fwhm)
    elif rule.kind == "optmin":
        flags = group_optimal_minimum(counts, fwhm, least)
    else:
        flags = group_minimum(counts, least)
    return Grouping(flags.grouping, np.where(bad, spectrum.quality, flags.quality))


def _inside(
    place: Integers, good: NDArray[np.bool_], e_min: Floats, e_max: Floats, band: Band
) -> NDArray[np.bool_]:
    """Which channels are used, shape (n,): good ones of groups whose good channels lie inside the band."""
    low, high = float(band.low) * (1 - _ROUNDING), float(band.high) * (1 + _ROUNDING)
    outside = good & ((e_min < low) | (e_max > high))
    cut = np.bincount(place, outside, minlength=int(place[-1]) + 1) > 0
    return np.asarray(good & ~cut[place])


def _gathered(
    spectrum: Spectrum,
    background: Spectrum | None,
    response: Response,
    inside: Integers,
    place: Integers,
    used: NDArray[np.bool_],
    cautions: tuple[Caution, ...],
) -> Observation:
    """Sums over the groups, numbered anew from 0."""
    number = np.unique(place[used], return_inverse=True)[1]
    groups = int(number[-1]) + 1

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(number, values[used], minlength=groups), np.float64)

    ones = np.ones(spectrum.channel.size)
    scale = spectrum.weight / background.weight if background is not None else ones
    behind = background.counts if background is not None else 0 * ones
    noise = background.errors**2 if background is not None and background.errors is not None else behind
    low, high = np.full(groups, np.inf), np.zeros(groups)
    np.minimum.at(low, number, response.e_min[inside][used])
    np.maximum.at(high, number, response.e_max[inside][used])
    start, row, value = _elements(spectrum, response, inside[used], number, used)
    rows, row = np.unique(row, return_inverse=True)
    return Observation(
        low=low,
        high=high,
        counts=total(spectrum.counts),
        errors=np.sqrt(total(spectrum.errors**2)) if spectrum.errors is not None else None,
        counted=spectrum.counted and (background is None or background.counted),
        background=total(behind) if background is not None else None,
        scaled=total(scale * behind),
        scaled_variance=total(scale**2 * noise),
        ratio=total(1 / scale) / total(ones),
        exposure=spectrum.exposure,
        energy_low=response.low[rows],
        energy_high=response.high[rows],
        start=start,
        row=row,
        value=value,
        has_area=response.has_area,
        cautions=cautions,
    )


def _elements(
    spectrum: Spectrum, response: Response, columns: Integers, number: Integers, used: NDArray[np.bool_]
) -> tuple[Integers, Integers, Floats]:
    """Elements of the response summed over the channels of each group, in counts, group by group."""
    group_of = np.full(response.channel.size, -1)
    group_of[columns] = number
    live = np.zeros(response.channel.size)
    live[columns] = spectrum.exposure * spectrum.areascal[used]
    group = group_of[response.column]
    taken = np.flatnonzero(group >= 0)
    row, group = response.row[taken], group[taken]
    value = response.value[taken] * response.area[row] * live[response.column[taken]]
    # A group that no photon reaches gets an element of 0.
    groups, energies = np.arange(int(number[-1]) + 1), response.low.size
    pairs, element = np.unique(
        np.concatenate([group * energies + row, groups * energies]), return_inverse=True
    )
    total = np.bincount(element, np.concatenate([value, np.zeros(groups.size)]))
    return np.searchsorted(pairs, groups * energies), pairs % energies, np.asarray(total, np.float64)

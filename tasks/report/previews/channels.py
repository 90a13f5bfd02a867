"""The picture of energy against PI channel: the RMF's EBOUNDS with the bands of the products on it."""

from pathlib import Path
from typing import Final

import numpy as np

from tasks.core.errors import NoData
from tasks.core.identifiers import Band
from tasks.library.manifest import Kind, Manifest
from tasks.report.previews.canvas import (
    BACKGROUND_COLOUR,
    FONT,
    SMALL_FONT,
    SOURCE_COLOUR,
    Floats,
    Picture,
    new_figure,
    save,
)
from tasks.report.previews.files import is_simulated, read_table
from tasks.report.words import band_words
from tasks.xtend.channels import EV_PER_CHANNEL, Channels, energies_kev, why_other_channels

_LEAST_KEV: Final = 12.0
"""The picture reaches as far as the bands, and this far at least."""

Bands = dict[Band, Channels]


def draw_channels(manifest: Manifest, directory: Path, out: Path) -> Picture:
    """Draw the nominal energy of each channel, with the bands of images and light curves. A `Draw`.

    There is none without an RMF.
    """
    found = manifest.find(Kind.RMF)
    if not found:
        raise NoData("there is no RMF that tells energies of channels")
    table = read_table(directory / found[0].name, "EBOUNDS", ("CHANNEL", "E_MIN", "E_MAX"))
    channel, low, high = (table.columns[name] for name in ("CHANNEL", "E_MIN", "E_MAX"))
    bands = bands_of(manifest)
    _draw(channel, (low + high) / 2, bands, out, simulated=is_simulated(table.keywords))
    why = why_other_channels(channel, low, high)
    agreed = f"agrees with {EV_PER_CHANNEL} eV per channel" if why is None else why
    listed = "; ".join(f"{band_words(str(band))} is {low}–{high}" for band, (low, high) in bands.items())
    return Picture(
        alt="Energy against PI channel by EBOUNDS of the RMF, which rises to "
        f"{np.max(high, initial=0):.3g} keV in channel {np.max(channel, initial=0):.0f}, with {len(bands)} "
        "bands marked.",
        caption=f"The RMF {agreed}. Bars mark the channels of the bands, both ends included: "
        f"{listed or 'there is none'}.",
    )


def bands_of(manifest: Manifest) -> Bands:
    """The bands of images and light curves and their channels, by energy."""
    kinds = (Kind.IMAGE, Kind.RATE_IMAGE, Kind.LIGHT_CURVE)
    products = [product for kind in kinds for product in manifest.find(kind)]
    found = {
        Band.parse(product.entry["band"]): Channels(*product.entry["channels"])
        for product in products
        if {"band", "channels"} <= product.entry.keys()
    }
    return dict(sorted(found.items(), key=lambda item: (item[0].low, item[0].high)))


def _draw(channel: Floats, energy: Floats, bands: Bands, out: Path, *, simulated: bool) -> None:
    figure = new_figure(5.4, simulated=simulated)
    axes = figure.subplots()
    top = max([_LEAST_KEV, *(energies_kev(selection)[1] for selection in bands.values())])
    shown = energy <= top
    axes.plot(channel[shown], energy[shown], color=SOURCE_COLOUR, linewidth=2, label="EBOUNDS of the RMF")
    for number, (band, selection) in enumerate(bands.items()):
        low, high = energies_kev(selection)
        # Side by side below the line, for bands may overlap.
        place = top * (number + 0.5) / (2 * len(bands))
        label = None if number else "channels of the bands"
        axes.plot(
            selection, [place] * 2, color=BACKGROUND_COLOUR, linewidth=3, marker="|", markersize=12,
            label=label,
        )  # fmt: skip
        axes.annotate(
            band_words(str(band)), (selection.high, place), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=SMALL_FONT,
        )  # fmt: skip
        axes.plot(selection, [low, high], linestyle="none", marker="o", color=BACKGROUND_COLOUR)
    axes.set_xlim(0, np.max(channel[shown], initial=1) * 1.02)
    axes.set_ylim(0, top * 1.02)
    axes.set_xlabel("PI channel", fontsize=FONT)
    axes.set_ylabel("Energy (keV)", fontsize=FONT)
    axes.tick_params(labelsize=SMALL_FONT)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper left", ncols=2, fontsize=SMALL_FONT, frameon=False)
    save(figure, out)

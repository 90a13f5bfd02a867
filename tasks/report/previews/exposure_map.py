"""The preview of an exposure map."""

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from tasks.core.errors import NoData
from tasks.library.manifest import Manifest
from tasks.report.choice import exposure_product
from tasks.report.previews.canvas import Picture
from tasks.report.previews.files import is_simulated, read_image
from tasks.report.previews.sky import Colours, draw_sky, marked_words, marks_of, sky_of

_KILO: Final = 1000.0


def draw_exposure_map(manifest: Manifest, directory: Path, out: Path) -> Picture:
    """Draw the exposure map of a dataset. A `Draw`.

    There is none without a map, or when it is empty.
    """
    product = exposure_product(manifest)
    if product is None:
        raise NoData("there is no exposure map")
    pixels, keywords = read_image(directory / product.name)
    exposed = pixels > 0
    largest = float(np.nanmax(pixels, initial=0.0)) / _KILO
    if not largest > 0:
        raise NoData("no pixel of the exposure map is exposed")
    sky = sky_of(directory / product.name, keywords, int(product.entry["binning"]))
    marks = marks_of(manifest, directory, sky)
    shown = np.where(exposed, pixels / _KILO, np.nan)
    colours = Colours(Normalize(0.0, largest), MaxNLocator(6).tick_values(0.0, largest), "ks")
    simulated = is_simulated(keywords)
    drawn = draw_sky(shown, exposed, sky, marks, colours, "Exposure map", out, simulated=simulated)
    target = manifest.target.name if manifest.target else "the field"
    share = float((pixels[exposed] / _KILO > largest / 2).mean())
    return Picture(
        alt=f"Exposure map of {target} on the sky with RA and Dec axes: {largest:.3g} ks at most, and more "
        f"than half of that in {share:.0%} of the exposed pixels.{marked_words(drawn)}",
        caption=" ".join(
            ["Seconds of good time for each place on the sky, without vignetting; linear colour scale; grey "
             "is not exposed, or masked.", *marks.problems]
        ),
    )  # fmt: skip

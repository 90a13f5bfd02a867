"""Fields of a simulated detector with known sources."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pytest

from tasks.xtend.field import Field, calibration_circles
from tasks.xtend.geometry import (
    CALIBRATION_CIRCLES,
    CCD_ORIGIN,
    CCD_SIZE,
    DET_SIZE,
    PIXEL_ARCMIN,
    PIXEL_ARCSEC,
    SKY_SIZE,
    DetPixels,
    SkyPixels,
    det_to_sky,
    sky_to_det,
)
from tasks.xtend.nominal import Nominal

SECONDS = 20_000.0
PROFILES = ((0.35, 6.0), (0.65, 74.0))
"""Shares and core radii (arcsec) of the two King profiles that photons are drawn from."""
Star = tuple[float, float, float]


@lru_cache(maxsize=8)
def live(window: bool) -> np.ndarray:
    """Which DET pixels collect photons, those of the calibration sources with them."""
    mask = np.zeros((DET_SIZE, DET_SIZE), bool)
    for ccd, (x, y) in CCD_ORIGIN.items():
        if window and ccd not in (0, 1):
            continue
        first, wide = (454, 80) if window else (0, CCD_SIZE)
        mask[y - 1 : y - 1 + CCD_SIZE, x - 1 + first : x - 1 + first + wide] = True
        # Rows of charge injection are columns of the image.
        for row in range(34, CCD_SIZE, 80):
            if first <= row < first + wide - 4:
                mask[y - 1 : y - 1 + CCD_SIZE, x - 1 + row : x - 1 + row + 4] = False
    return mask


@lru_cache(maxsize=8)
def exposure(window: bool, nominal: Nominal) -> np.ndarray:
    good = live(window).copy()
    axis = np.arange(1.0, DET_SIZE + 1)
    for x, y, radius in CALIBRATION_CIRCLES:
        good &= (axis - x) ** 2 + ((axis - y) ** 2)[:, None] > radius**2
    sky = np.arange(1.0, SKY_SIZE + 1)
    det = sky_to_det(SkyPixels(sky[None, :], sky[:, None]), nominal.pa)
    x, y = np.rint(det.x).astype(int), np.rint(det.y).astype(int)
    inside = (x >= 1) & (x <= DET_SIZE) & (y >= 1) & (y <= DET_SIZE)
    seen = inside & good[np.where(inside, y, 1) - 1, np.where(inside, x, 1) - 1]
    return seen.astype(np.float32) * np.float32(SECONDS)


def scattered(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets in pixels of photons of a point source."""
    shares, cores = zip(*PROFILES, strict=True)
    fraction = rng.random(count)
    core = np.array(cores)[rng.choice(2, count, p=shares)] / PIXEL_ARCSEC
    radius, angle = core * np.sqrt(fraction / (1 - fraction)), rng.uniform(0, 2 * np.pi, count)
    return radius * np.cos(angle), radius * np.sin(angle)


@pytest.fixture(scope="session")
def make_field() -> Callable[..., Field]:
    """Makes a field: `stars` of (DETX, DETY, counts), `clusters` with a core of 1.5′, particle background."""

    def make(
        stars: Sequence[Star] = (),
        clusters: Sequence[Star] = (),
        window: bool = False,
        pa: float = 30.0,
        level: float = 0.011,
        seed: int = 1,
    ) -> Field:
        rng, mask = np.random.default_rng(seed), live(window)
        nominal = Nominal(150.0, 2.2, pa)
        pixels = np.flatnonzero(mask)
        pixels = pixels[rng.integers(0, pixels.size, rng.poisson(level * pixels.size))]
        places = [(pixels % DET_SIZE + 1.0, pixels // DET_SIZE + 1.0)]
        for x, y, counts in stars:
            dx, dy = scattered(rng, rng.poisson(counts))
            places.append((x + dx, y + dy))
        for x, y, counts in clusters:
            dx, dy = scattered(rng, rng.poisson(counts))
            # A beta model of slope 2/3, out to 7′.
            radius = 1.5 / PIXEL_ARCMIN * np.sqrt((1 - 0.8 * rng.random(dx.size)) ** -2 - 1)
            angle = rng.uniform(0, 2 * np.pi, dx.size)
            places.append((x + dx + radius * np.cos(angle), y + dy + radius * np.sin(angle)))
        # The calibration sources shine, too.
        for x, y, _ in CALIBRATION_CIRCLES:
            places.append(tuple(at + rng.uniform(-60, 60, 3000) for at in (x, y)))
        det = [np.concatenate(axis) for axis in zip(*places, strict=True)]
        x, y = (np.clip(np.rint(axis), 0, DET_SIZE + 1).astype(int) for axis in det)
        kept = np.pad(mask, 1)[y, x]
        jitter = rng.uniform(-0.5, 0.5, (2, int(kept.sum())))
        sky = det_to_sky(DetPixels(x[kept] + jitter[0], y[kept] + jitter[1]), pa)
        counts = np.zeros((SKY_SIZE, SKY_SIZE), np.int32)
        np.add.at(counts, (np.rint(sky.y).astype(int) - 1, np.rint(sky.x).astype(int) - 1), 1)
        return Field(nominal, exposure(window, nominal), counts, SECONDS, calibration_circles(nominal))

    return make


@pytest.fixture(scope="session")
def at_det() -> Callable[..., tuple[float, float]]:
    """RA and Dec of a DET position in a field."""

    def world(field: Field, x: float, y: float) -> tuple[float, float]:
        sky = det_to_sky(DetPixels(np.array(x), np.array(y)), field.nominal.pa)
        ra, dec = field.nominal.world(sky)
        return float(ra), float(dec)

    return world

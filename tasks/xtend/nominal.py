"""The nominal aspect of an observation: where its SKY pixels lie on the sky."""

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS

from tasks.xtend.geometry import PIXEL_DEG, SKY_CENTRE, Floats, SkyPixels


@dataclass(frozen=True)
class Nominal:
    """The aspect that the SKY pixels of an observation are made for.

    Parameters
    ----------
    ra, dec : float
        RA_NOM, DEC_NOM in degrees: the sky position of SKY pixel (1215.5, 1215.5).
    pa : float
        PA_NOM in degrees: position angle, north through east, of +DETY.
    """

    ra: float
    dec: float
    pa: float

    def wcs(self) -> WCS:
        """Celestial WCS of the unbinned SKY pixels (FK5, tangent projection)."""
        wcs = WCS(naxis=2)
        wcs.wcs.crpix = [SKY_CENTRE, SKY_CENTRE]
        wcs.wcs.crval = [self.ra, self.dec]
        wcs.wcs.cdelt = [-PIXEL_DEG, PIXEL_DEG]
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.cunit = ["deg", "deg"]
        wcs.wcs.radesys = "FK5"
        wcs.wcs.equinox = 2000.0
        wcs.wcs.set()
        return wcs

    def sky(self, ra: Floats | float, dec: Floats | float) -> SkyPixels:
        """SKY pixels of positions in degrees (FK5, J2000), in the shape of these."""
        x, y = self.wcs().wcs_world2pix(np.asarray(ra, float), np.asarray(dec, float), 1)
        return SkyPixels(x, y)

    def world(self, sky: SkyPixels) -> tuple[Floats, Floats]:
        """RA and Dec in degrees (FK5, J2000) of SKY pixels, in the shape of these."""
        ra, dec = self.wcs().wcs_pix2world(sky.x, sky.y, 1)
        return ra, dec

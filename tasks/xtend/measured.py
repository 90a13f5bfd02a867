"""What is measured of a dataset that tells which traps it is in."""

from dataclasses import dataclass

from tasks.xtend.data_class import Mode


@dataclass(frozen=True)
class Measured:
    """What is measured of a dataset; None where it is not known.

    Parameters
    ----------
    mode : Mode
        How its data class observes; None when the class is unknown.
    live_fraction : float
        Live time over the time that good time spans when the gaps between frames are closed.
    span_s, longest_gap_s : float
        From the first good second to the last, and the longest gap between, in seconds.
    events_caldb : str
        CALDBVER of the events; empty when they do not say it.
    caldb : str
        The CALDB that is here.
    adopted : bool
        Whether the events are the archive's, not reprocessed.
    wander_arcsec : float
        How far the pointing went from its mean in good time.
    events : int
        In the cleaned list.
    outlier_pixels, outlier_events : int
        DET pixels with far too many events, and the events in these.
    exposure_s : float
        Live seconds of the spectra.
    source_counts : int
        Events of the source spectrum.
    net_counts : float
        Those less the background's, where there is a background.
    source_radius_arcmin : float
        Of the source circle.
    neighbours : float
        Counts of other sources in the source circle, over the target's.
    background_brightness : float
        ct/s/arcmin² of the background spectrum.
    extent, extent_error : float
        Light outside of the target's core over that of a point source, 1 for a point, and its error.
    extended_category : bool
        Whether the catalogue's class of the target is one of extended objects.
    """

    mode: Mode | None = None
    live_fraction: float | None = None
    span_s: float | None = None
    longest_gap_s: float | None = None
    events_caldb: str | None = None
    caldb: str | None = None
    adopted: bool = True
    wander_arcsec: float | None = None
    events: int | None = None
    outlier_pixels: int | None = None
    outlier_events: int | None = None
    exposure_s: float | None = None
    source_counts: int | None = None
    net_counts: float | None = None
    source_radius_arcmin: float | None = None
    neighbours: float | None = None
    background_brightness: float | None = None
    extent: float | None = None
    extent_error: float | None = None
    extended_category: bool = False

    @property
    def rate(self) -> float | None:
        """Events of the source region per live second."""
        if self.source_counts is None or not self.exposure_s:
            return None
        return self.source_counts / self.exposure_s

"""What to make: the recipe, a frozen and validated model read from TOML and shown as a form."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.core.words import in_words
from tasks.xtend.channels import Edges, channels

Bands = Annotated[tuple[Band, ...], Field(description="Energy bands in keV, each written LOW-HIGH.")]
Binnings = Annotated[
    tuple[Annotated[int, Field(ge=1, le=64)], ...],
    Field(description="How many sky pixels of 1.768″ are summed per axis."),
]

_VERSION = r"^[A-Za-z0-9][A-Za-z0-9.:/_ -]{0,199}$"


def _bands(*texts: str) -> tuple[Band, ...]:
    return tuple(Band.parse(text) for text in texts)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Images(_Part):
    """Counts images, good time applied."""

    bands: Bands = _bands("0.6-2", "2-10", "0.4-2", "0.6-10")
    binnings: Binnings = (1, 4)


class Exposure(_Part):
    """Exposure maps and the images divided by them."""

    delta_arcmin: Annotated[
        float, Field(gt=0, description="Width of an off-axis step of the attitude, in arcmin.")
    ] = 20.0
    numphi: Annotated[int, Field(ge=0, le=360, description="Azimuth wedges of the first ring.")] = 1
    mask_calibration: Annotated[
        bool,
        Field(description="Whether calibration sources count as not exposed; rate images never show them."),
    ] = True
    binnings: Binnings = (1, 4)
    minimum_fraction: Annotated[
        float,
        Field(gt=0, le=1, description="Rate images are blank below this fraction of the maximum exposure."),
    ] = 0.05


class LightCurves(_Part):
    """Light curves of source, background and their difference."""

    bands: Bands = _bands("0.6-2", "2-6", "6-10")
    time_bin: Annotated[float, Field(gt=0, description="Length of a bin in seconds.")] = 200.0
    exposure_threshold: Annotated[
        float, Field(ge=0, le=1, description="Bins exposed for less than this fraction are left out.")
    ] = 0.0
    net_errors: Annotated[
        Literal["gaussian", "linear"],
        Field(
            description="Errors of net curves, f being the ratio of BACKSCAL: gaussian is "
            "√(σ_s² + (f·σ_b)²), linear √(σ_s² + f·σ_b²); err_mode 2 and 1 of lcmath."
        ),
    ] = "gaussian"


class Spectra(_Part):
    """Spectra over all channels."""

    group_minimum: Annotated[
        int, Field(ge=1, le=1_000_000, description="Counts that each group must reach.")
    ] = 1
    backscal: Annotated[
        Literal["exposure", "maximum"],
        Field(
            description="What BACKSCAL divides the exposure in a region by: the whole exposure, or the "
            "exposure map's maximum in the region; norm EXPOSURE and MAX of ahbackscal."
        ),
    ] = "exposure"


class Source(_Part):
    """Where source events are taken: a circle at the target."""

    radius_arcmin: Annotated[float, Field(gt=0, le=15, description="Radius in arcmin.")] = 2.0


class Background(_Part):
    """Where background events are taken: the best exposed of a ring of circles around the target."""

    radius_arcmin: Annotated[float, Field(gt=0, le=15, description="Radius of each circle in arcmin.")] = 3.0
    distance_arcmin: Annotated[
        float, Field(gt=0, le=25, description="Distance of the circles' centres from the target.")
    ] = 8.0
    candidates: Annotated[int, Field(ge=1, le=72, description="How many circles stand on the ring.")] = 16
    minimum_fraction: Annotated[
        float,
        Field(gt=0, le=1, description="No background is taken when less of the best circle is exposed."),
    ] = 0.25


EngineName = Literal["auto", "heasoft", "native"]


class Engines(_Part):
    """Engines of single steps; a step without one is done as `engine` says."""

    processing: Annotated[
        EngineName | None, Field(description="Of calibration and screening, or adoption of cleaned events.")
    ] = None
    exposure: Annotated[EngineName | None, Field(description="Of exposure maps.")] = None
    regions: Annotated[EngineName | None, Field(description="Of region files.")] = None
    extraction: Annotated[EngineName | None, Field(description="Of images, light curves and spectra.")] = None
    derived: Annotated[
        EngineName | None, Field(description="Of rate images, net light curves and grouped spectra.")
    ] = None
    responses: Annotated[EngineName | None, Field(description="Of RMFs and ARFs.")] = None


class HEASoft(_Part):
    """How the HEASoft tools are run; only steps of that engine look at it."""

    version: Annotated[
        str | None,
        Field(
            pattern=_VERSION,
            description="Only this version of HEASoft, such as 6.36; without it the newest there is.",
        ),
    ] = None
    caldb: Annotated[
        str | None,
        Field(
            pattern=_VERSION,
            description="Only this version of CALDB, as xtendflow doctor shows it or its date; without it "
            "the newest there is.",
        ),
    ] = None
    chatter: Annotated[int, Field(ge=0, le=5, description="How much the tools tell in the log.")] = 1
    seed: Annotated[
        int, Field(gt=0, le=2**31 - 1, description="Seed of random numbers, so that a run can be repeated.")
    ] = 7
    calc_modegti: Annotated[
        Literal["auto", "yes", "no"],
        Field(
            description="Whether xtdpipeline works out good times of each mode; auto does for window and "
            "burst modes, and where the archive has none."
        ),
    ] = "auto"
    flickering: Annotated[
        Literal["none", "searchflickpix", "xtdpixclip"],
        Field(description="Tool that finds further flickering pixels, for events and exposure maps."),
    ] = "none"
    efficiency_energy_kev: Annotated[
        float | None,
        Field(gt=0, le=24, description="Makes an efficiency map of this energy (keV) besides."),
    ] = None
    hours: Annotated[
        float, Field(gt=0, le=240, description="Time limit of xtdpipeline and xaarfgen in hours.")
    ] = 12.0


class Responses(_Part):
    """RMF and ARF of the source spectrum."""

    rmf: Annotated[str | None, Field(min_length=1, description="A given RMF instead of one of our own.")] = (
        None
    )
    arf: Annotated[str | None, Field(min_length=1, description="A given ARF instead of one of our own.")] = (
        None
    )
    source_type: Annotated[
        Literal["POINT", "FLATCIRCLE", "BETAMODEL", "IMAGE"],
        Field(description="Shape of the source that xaarfgen traces."),
    ] = "POINT"
    flat_radius_arcmin: Annotated[
        float, Field(gt=0, le=60, description="Radius of a FLATCIRCLE in arcmin.")
    ] = 10.0
    beta: Annotated[
        tuple[float, float, float],
        Field(description="Of a BETAMODEL: core radius in arcmin, beta, outer radius in arcmin."),
    ] = (0.5, 0.6, 5.0)
    image: Annotated[
        str | None, Field(min_length=1, description="Of the source type IMAGE: the image's path.")
    ] = None
    numphoton: Annotated[
        int, Field(ge=1, le=10**9, description="Photons that are traced per energy and off-axis step.")
    ] = 300_000
    minphoton: Annotated[
        int, Field(ge=1, le=10**9, description="Photons that must reach the region at each energy.")
    ] = 100
    erange: Annotated[
        tuple[float, float, float, float],
        Field(
            description="Of xaarfgen, in keV: lowest and highest energy of the ARF, and the band that "
            "weights off-axis steps (0, 0: none)."
        ),
    ] = (0.3, 18.0, 0.0, 0.0)
    fit_band_kev: Annotated[
        tuple[float, float], Field(description="The energies that an ARF has to cover, in keV.")
    ] = (0.5, 10.0)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.source_type == "IMAGE" and self.image is None:
            raise ValueError("the source type IMAGE needs an image")
        if min(self.beta) <= 0:
            raise ValueError("the three numbers of beta must be positive")
        lowest, highest, *weighting = self.erange
        if not 0 < lowest < highest or not (0 <= weighting[0] < weighting[1] or weighting == [0, 0]):
            raise ValueError("erange is LOWEST HIGHEST LOW HIGH, each pair rising (0, 0: no weighting)")
        if not lowest <= self.fit_band_kev[0] < self.fit_band_kev[1] <= highest:
            raise ValueError("fit_band_kev is LOW HIGH and lies within the first two numbers of erange")
        return self


class Archive(_Part):
    """How closely the archive is followed; decides no product."""

    look_again_days: Annotated[
        float,
        Field(
            ge=0,
            le=3650,
            description="Days after which the files of a finished observation are compared with the "
            "archive's listing again, by size and ETag.",
        ),
    ] = 7.0


class Recipe(_Part):
    """Everything that decides what is made and how; a store belongs to one recipe name."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$", description="A store holds products of one recipe name."),
    ] = "standard"
    engine: Annotated[
        EngineName,
        Field(description="How steps are done; auto takes HEASoft where it is installed, else native."),
    ] = "auto"
    engines: Engines = Engines()
    edges: Annotated[
        Edges, Field(description="Whether neighbouring bands share the channel at their common edge.")
    ] = "shared"
    images: Images = Images()
    exposure: Exposure = Exposure()
    light_curves: LightCurves = LightCurves()
    spectra: Spectra = Spectra()
    source: Source = Source()
    background: Background = Background()
    responses: Responses = Responses()
    heasoft: HEASoft = HEASoft()
    archive: Archive = Archive()

    @field_validator("images", "exposure", "light_curves")
    @classmethod
    def _distinct(cls, part: _Part) -> _Part:
        for name in ("bands", "binnings"):
            entries = [str(entry) for entry in getattr(part, name, ())]
            if len(set(entries)) < len(entries):
                raise ValueError(f"{name} name the same entry twice, so two products would have one name")
        return part

    @model_validator(mode="after")
    def _bands_have_channels(self) -> Self:
        for band in (*self.images.bands, *self.light_curves.bands):
            try:
                channels(band, self.edges)
            except BadInput as exc:
                raise ValueError(str(exc)) from exc
        return self

    @model_validator(mode="after")
    def _background_clears_source(self) -> Self:
        if self.background.distance_arcmin < self.background.radius_arcmin + self.source.radius_arcmin:
            raise ValueError("the background circles overlap the source: raise background.distance_arcmin")
        return self


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises
    ------
    BadInput
        When the file cannot be read, is no TOML, or holds a key or value that a recipe does not have.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise BadInput(f"the recipe {path} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise BadInput(f"the recipe {path} is no TOML: {exc}") from exc
    except ValidationError as exc:
        raise BadInput(f"the recipe {path} does not hold: {in_words(exc)}") from exc

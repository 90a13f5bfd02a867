"""How steps are done, and how closely the archive is followed."""

from typing import Annotated, Literal

from pydantic import Field

from tasks.library.recipe.part import Part

_VERSION = r"^[A-Za-z0-9][A-Za-z0-9.:/_ -]{0,199}$"

EngineName = Literal["auto", "heasoft", "native"]


class Engines(Part):
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
    fit: Annotated[EngineName | None, Field(description="Of fits: XSPEC with heasoft, else Sherpa.")] = None


class HEASoft(Part):
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
        Field(
            description="Tool that finds further flickering pixels, for events and exposure maps. "
            "searchflickpix takes the core of a bright source for some, too: not for point sources. "
            "xtdpixclip looks where, and from how many counts on, its own parameter file has it."
        ),
    ] = "none"
    efficiency_energy_kev: Annotated[
        float | None,
        Field(gt=0, le=24, description="Makes an efficiency map of this energy (keV) besides."),
    ] = None
    hours: Annotated[
        float, Field(gt=0, le=240, description="Time limit of xtdpipeline and xaarfgen in hours.")
    ] = 12.0


class Archive(Part):
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

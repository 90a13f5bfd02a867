"""Region files of source, background and calibration sources."""

from typing import Any, Literal, get_args

from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.orders.order import Maker, Order, hashes


def order(dataset: Dataset, manifest: Manifest) -> Order:
    """Source and background in both frames, and the calibration sources."""
    make, obsid = Maker(dataset, Step.REGIONS), dataset.obsid
    target = manifest.steps[Step.PROCESSING].facts["target"]
    source: dict[str, Any] = {"target": target, "source": dataset.recipe.source}
    background = {**source, "background": dataset.recipe.background}
    roles: list[tuple[Role, Literal["src", "back"], dict[str, Any]]] = [
        (Role.SOURCE, "src", source),
        (Role.BACKGROUND, "back", background),
    ]
    wanted = [
        make.want(
            Kind.REGION,
            role,
            names.region(obsid, target["name"], frame, short),
            *_exposed_area(manifest),
            entry={"frame": frame},
            **parameters,
        )
        for role, short, parameters in roles
        for frame in get_args(names.Frame)
    ]
    calibration = make.want(
        Kind.REGION,
        Role.CALIBRATION,
        names.calibration_region(obsid),
        *hashes(manifest, Kind.EVENTS),
        *(_flagged(manifest) if dataset.engine_of(Step.REGIONS).name == "heasoft" else ()),
        entry={"frame": "radec"},
    )
    return Order((*wanted, calibration))


def _flagged(manifest: Manifest) -> tuple[str, ...]:
    """What HEASoft's calibration sources are compared with."""
    return hashes(manifest, Kind.BAD_PIXELS)


def _exposed_area(manifest: Manifest) -> tuple[str, ...]:
    """What decides where the detector is exposed: the map, else bad pixels and events."""
    return hashes(manifest, Kind.EXPOSURE_MAP, binning=1) or (
        *hashes(manifest, Kind.BAD_PIXELS),
        *hashes(manifest, Kind.EVENTS),
    )

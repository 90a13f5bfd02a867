"""Region files of source, background and calibration sources."""

from pathlib import Path
from typing import Any, Final, Literal, get_args

from tasks.core.errors import EnvironmentFault
from tasks.library import names
from tasks.library.dataset import Dataset
from tasks.library.fingerprint import file_sha256, fingerprint
from tasks.library.manifest import Kind, Manifest, Role, Step
from tasks.library.orders.order import Maker, Order, hashes
from tasks.library.recipe import Recipe

_SHORT: Final[dict[Role, Literal["src", "back"]]] = {Role.SOURCE: "src", Role.BACKGROUND: "back"}


def order(dataset: Dataset, manifest: Manifest) -> Order:
    """Source and background in both frames, and the calibration sources."""
    make, obsid = Maker(dataset, Step.REGIONS), dataset.obsid
    target = manifest.steps[Step.PROCESSING].facts["target"]
    given = {role: file_sha256(path) for role, path in given_regions(dataset).items()}
    source: dict[str, Any] = {
        "target": target,
        "source": dataset.recipe.source.model_dump(mode="json", exclude={"region_folder"}),
        "given": given.get(Role.SOURCE),
    }
    # A background by rule keeps clear of the source, whatever that is.
    background = {"background": dataset.recipe.background, "given background": given.get(Role.BACKGROUND)}
    parameters = {Role.SOURCE: source, Role.BACKGROUND: {**source, **background}}
    wanted = [
        make.want(
            Kind.REGION,
            role,
            names.region(obsid, target["name"], frame, short),
            *_exposed_area(manifest),
            *hashes(manifest, Kind.EVENTS),
            entry={"frame": frame},
            **parameters[role],
        )
        for role, short in _SHORT.items()
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


def given_regions(dataset: Dataset) -> dict[Role, Path]:
    """The region files of the recipe's folder that override the rules for a dataset, where there are any.

    One for the data class comes before one for the whole observation.

    Raises
    ------
    EnvironmentFault
        When the folder is not on this host.
    """
    if dataset.recipe.source.region_folder is None:
        return {}
    folder = Path(dataset.recipe.source.region_folder).absolute()
    if not folder.is_dir():
        raise EnvironmentFault(f"the recipe's folder of regions {folder} is not on this host")
    found = {}
    for role, short in _SHORT.items():
        tries = (f"{dataset.obsid}_{dataset.dataclass}_{short}.reg", f"{dataset.obsid}_{short}.reg")
        paths = [folder / name for name in tries if (folder / name).is_file()]
        if paths:
            found[role] = paths[0]
    return found


def given_folder(recipe: Recipe) -> str | None:
    """Hash over names and contents of all region files in the recipe's folder; None without a folder.

    Where the folder is not there it is that of an empty one: who works with it will say so.
    """
    if recipe.source.region_folder is None:
        return None
    paths = sorted(Path(recipe.source.region_folder).glob("*.reg"))
    return fingerprint([(path.name, file_sha256(path)) for path in paths if path.is_file()])


def _flagged(manifest: Manifest) -> tuple[str, ...]:
    """What HEASoft's calibration sources are compared with."""
    return hashes(manifest, Kind.BAD_PIXELS)


def _exposed_area(manifest: Manifest) -> tuple[str, ...]:
    """What decides where the detector is exposed, besides the events: the map, else bad pixels."""
    return hashes(manifest, Kind.EXPOSURE_MAP, binning=1) or hashes(manifest, Kind.BAD_PIXELS)

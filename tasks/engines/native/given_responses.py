"""Responses of the recipe or the archive, checked and published, and what needs a response."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tasks.core.errors import BadInput, Permanent
from tasks.core.identifiers import DataClass
from tasks.engines.native.files import column, read_hdus
from tasks.engines.native.grouping import Beside, write_grouped
from tasks.engines.native.headers import write_product
from tasks.engines.native.loaders import write_loader
from tasks.engines.native.responses import read_ebounds, read_energies, read_fwhm, why_not_covering
from tasks.library.call import Report
from tasks.library.names import in_header
from tasks.xtend.cautions import Caution, caution
from tasks.xtend.channels import why_other_channels
from tasks.xtend.data_class import why_other_class
from tasks.xtend.grouping import GroupingRule

_OURS: Final = {"TELESCOP": "XRISM", "INSTRUME": "XTEND"}
_SHARE_OF_BIN: Final = 0.05
"""How far energies of an ARF may lie from those of the RMF, in widths of the bin."""


def make(
    rmf: Mapping[str, str] | None,
    arf: Mapping[str, Any] | None,
    grouped: Sequence[Mapping[str, Any]],
    loaders: Sequence[Mapping[str, Any]],
    identity: Mapping[str, Any],
    recipe: str,
) -> Report:
    """Publish given responses, and make what needs a response, in the current directory.

    Parameters
    ----------
    rmf : dict or None
        `name`, `file` (its name here), `source` (what it is called elsewhere), `origin` (`given` or
        `archive`).
    arf : dict or None
        The same, and `rmf` (which it goes with) and `kev` (the range it has to cover).
    grouped : sequence of dict
        `name`, `spectrum`, `grouping`, `rmf`, `background`, `arf` (the last three or None).
    loaders : sequence of dict
        `name`, `files`, `others`, `kev`.
    identity : mapping
        Keywords that say whose data the products are, for those that do not; DATACLAS is the dataset's.
    recipe : str
        The recipe's hash.

    Returns
    -------
    Report
        `not_made` where the archive's RMF cannot be used, and of all that needs it. `file_cautions`:
        `rmf-other-class`.

    Raises
    ------
    BadInput
        When a response of the recipe cannot be used.
    """
    not_made: dict[str, str] = {}
    cautions: dict[str, tuple[Caution, ...]] = {}
    if rmf:
        try:
            cautions[rmf["name"]] = _take_rmf(rmf, identity, recipe)
        except Permanent as exc:
            if rmf["origin"] == "given":
                raise BadInput(
                    f"responses.rmf of the recipe, {rmf['source']}, cannot be used: {exc}"
                ) from exc
            not_made[rmf["name"]] = f"the archive's RMF cannot be used: {exc}"
    if arf and (arf["rmf"] is None or arf["rmf"] in not_made):
        not_made[arf["name"]] = "there is no RMF that gives its energies"
    elif arf:
        try:
            _take_arf(arf, identity, recipe)
        except Permanent as exc:
            raise BadInput(f"responses.arf of the recipe, {arf['source']}, cannot be used: {exc}") from exc
    for item in grouped:
        if why := _group(item, not_made, recipe):
            not_made[item["name"]] = why
    for item in loaders:
        lost = [name for name in item["files"].values() if name in not_made]
        if lost:
            not_made[item["name"]] = f"{lost[0]} was not made"
        else:
            write_loader(Path(item["name"]), item["files"], item["others"], item["kev"])
    return Report(not_made=not_made, file_cautions={name: told for name, told in cautions.items() if told})


def check_rmf(path: Path) -> Mapping[str, Any]:
    """See that a file is a response of Xtend on the channels of the events.

    Returns
    -------
    mapping
        Its header: keywords of all extensions together.

    Raises
    ------
    Permanent
        When it is not.
    """
    bounds = read_ebounds(path)
    if why := why_other_channels(bounds.channel, bounds.low, bounds.high):
        raise Permanent(f"{path.name} {why}")
    # Every row of the matrix is looked at.
    read_fwhm(path)
    return _header(path)


def check_arf(path: Path, rmf: Path, low: float, high: float) -> None:
    """See that a file is an effective area of Xtend with the energies of an RMF, from `low` to `high` keV.

    Raises
    ------
    Permanent
        When it is not.
    """
    begin, end, area = (
        column(read_hdus(path, ["SPECRESP"])[0], name, path).astype(float)
        for name in ("ENERG_LO", "ENERG_HI", "SPECRESP")
    )
    if why := why_not_covering(begin, end, area, low, high):
        raise Permanent(f"{path.name} {why}")
    bounds = read_energies(rmf)
    if begin.shape != bounds[0].shape:
        raise Permanent(f"{path.name} has {begin.size} energies and {rmf.name} {bounds[0].size}")
    allowed = _SHARE_OF_BIN * (bounds[1] - bounds[0])
    # The very first bound is often moved away from 0, in one of the two files only.
    off = np.maximum(np.abs(end - bounds[1]), np.append(0.0, np.abs(begin - bounds[0])[1:]))
    if np.any(~(off <= allowed)):
        raise Permanent(f"{path.name} has not the energies of {rmf.name}")
    _header(path)


def _header(path: Path) -> Mapping[str, Any]:
    """Keywords of all extensions together, the first that says one counts; of another instrument an error."""
    together: dict[str, Any] = {}
    for hdu in reversed(read_hdus(path)):
        together |= {key: hdu.header[key] for key in hdu.header if key not in ("COMMENT", "HISTORY", "")}
    for key, ours in _OURS.items():
        said = str(together.get(key, ours)).strip().upper()
        if said != ours:
            raise Permanent(f"{path.name} is no response of Xtend: its {key} is {said}")
    return together


def _take_rmf(rmf: Mapping[str, str], identity: Mapping[str, Any], recipe: str) -> tuple[Caution, ...]:
    header = check_rmf(Path(rmf["file"]))
    _publish(rmf, header, identity, recipe)
    dataclass = DataClass(identity["DATACLAS"])
    if why := why_other_class(dataclass, header, rmf["source"]):
        sentence = (
            f"This RMF was not made for the data class {dataclass} ({why}): other CCDs or read-out modes "
            "may have another resolution."
        )
        return (caution("rmf-other-class", sentence),)
    return ()


def _take_arf(arf: Mapping[str, Any], identity: Mapping[str, Any], recipe: str) -> None:
    check_arf(Path(arf["file"]), Path(arf["rmf"]), *arf["kev"])
    _publish(arf, _header(Path(arf["file"])), identity, recipe)


def _publish(
    item: Mapping[str, Any], header: Mapping[str, Any], identity: Mapping[str, Any], recipe: str
) -> None:
    """Write a response under its product's name; numbers stay as they are."""
    made = f", made by {header['CREATOR']}" if "CREATOR" in header else ""
    origin = {"given": "given by the recipe", "archive": "of the archive"}[item["origin"]]
    hdus = read_hdus(Path(item["file"]))
    write_product(Path(item["name"]), hdus, identity, [f"{origin}: {item['source']}{made}"], recipe)


def _group(item: Mapping[str, Any], not_made: Mapping[str, str], recipe: str) -> str | None:
    """Write a grouped spectrum; why not, where the data do not allow it."""
    if item["rmf"] is None or item["rmf"] in not_made:
        return "there is no RMF"
    rule, background = GroupingRule.parse(item["grouping"]), item["background"]
    beside = Beside(Path(item["rmf"]), Path(background) if background else None)
    linked = {"RESPFILE": in_header(item["rmf"]), "ANCRFILE": in_header(item["arf"])}
    try:
        write_grouped(Path(item["name"]), Path(item["spectrum"]), rule, recipe, beside, linked)
    except Permanent as exc:
        return str(exc)
    return None

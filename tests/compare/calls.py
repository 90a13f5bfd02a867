"""What the real tools were asked for: the calls that a reference folder lists, and the files they name."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits

NONE = "none"
_SUFFIX = re.compile(r"(\[.*\]|\+\d+)$")
_PI_RANGE = re.compile(r"PI\s*=\s*(\d+)(?:\s*:\s*(\d+))?", re.IGNORECASE)
_PI_TEST = re.compile(r"\(?PI\s*>=\s*(\d+)\s*&&\s*PI\s*<=\s*(\d+)\)?", re.IGNORECASE)


class Untranslated(Exception):
    """A call that has no counterpart in the native engine, or that this comparison does not understand."""


@dataclass(frozen=True)
class Call:
    """One call of a real tool.

    Parameters
    ----------
    tool : str
        Its name.
    parameters : dict
        Lower-case name → value; the list of a tool without names stands under `arguments`.
    """

    tool: str
    parameters: Mapping[str, Any]

    def text(self, name: str, default: str = NONE) -> str:
        """A parameter without the marks of clobbering; `none` in lower case when it says so."""
        value = str(self.parameters.get(name, default)).strip().lstrip("!")
        return NONE if value.lower() in (NONE, "") else value

    def number(self, name: str, default: float) -> float:
        """A numeric parameter."""
        return float(self.parameters.get(name, default))

    def flag(self, name: str, default: bool) -> bool:
        """A parameter that is yes or no."""
        value = self.parameters.get(name, default)
        return (
            value if isinstance(value, bool) else str(value).strip().lower() in ("yes", "y", "true", "t", "1")
        )


class Folder:
    """A folder of reference data.

    What is not in it is looked for in the folder that it adds to: `alpha` beside `alpha-extras`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.name = self.path.name
        self.figures = self._json("reference.json")
        base = self.path.with_name(self.name.partition("-")[0])
        self._places = [self.path, base] if base != self.path and base.is_dir() else [self.path]

    def calls(self) -> list[Call]:
        """The calls that `reference.json` or `calls.json` lists, or those that the products tell of."""
        listed = self._json("calls.json") or self.figures.get("calls", [])
        if isinstance(listed, dict):
            listed = listed.get("calls", [])
        return [_call(item) for item in listed] or list(self._calls_of_products())

    def find(self, name: str) -> Path:
        """A file by the name that a call gives it, gzipped or not."""
        plain = _SUFFIX.sub("", name.strip().lstrip("!")).removesuffix(".gz")
        for place in self._places:
            for base in (place / plain, place / Path(plain).name, place / "ref" / Path(plain).name):
                for path in (base, base.with_name(f"{base.name}.gz")):
                    if path.is_file():
                        return path
        raise Untranslated(f"{plain} is not there")

    def kept(self, key: str) -> dict[str, Any]:
        """The figures of a product that `reference.json` keeps."""
        return {**self.figures.get("images", {}).get(key, {}), **self.figures.get("counts", {}).get(key, {})}

    def only(self, *patterns: str) -> Path:
        """The one file of a kind, where a call names a temporary copy."""
        for place in self._places:
            found = sorted({path for pattern in patterns for path in place.glob(pattern)})
            if len(found) == 1:
                return found[0]
            if found:
                raise Untranslated(f"which of {', '.join(path.name for path in found)} was used is not said")
        raise Untranslated(f"no {patterns[0]} is there")

    def event_lists(self) -> list[Path]:
        """Event lists, those of this folder first."""
        return [path for place in self._places for path in sorted(place.glob("*.evt*"))]

    def _json(self, name: str) -> Any:
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _calls_of_products(self) -> Iterator[Call]:
        for path in sorted((self.path / "ref").glob("*.fits*")):
            yield _call_of(path, [region.stem for region in sorted(self.path.glob("*.reg"))])


def events_of(folder: Folder, name: str) -> tuple[tuple[Path, ...], list[int] | None]:
    """The event files that an extractor's `filename` stands for, and the cut in PI they share."""
    if name.startswith("@"):
        names = folder.find(name[1:]).read_text(encoding="utf-8").split()
    else:
        names = re.split(r"[,\s]+(?![^\[]*\])", name.strip())
    cuts = {_cut(one) for one in names}
    if len(cuts) > 1:
        raise Untranslated("its files have different cuts")
    (cut,) = cuts
    return tuple(folder.find(one.partition("[")[0]) for one in names), list(cut) if cut else None


def _cut(name: str) -> tuple[int, int] | None:
    """The PI range in a file name with filters, `file[EVENTS][PI=100:334]`."""
    found = None
    for text in re.findall(r"\[([^\]]*)\]", name):
        if text.strip().upper() in ("EVENTS", "1"):
            continue
        match = _PI_RANGE.fullmatch(text.strip()) or _PI_TEST.fullmatch(text.strip())
        if match is None or found is not None:
            raise Untranslated(f"the cut [{text}]")
        low, high = match.groups()
        found = int(low), int(high or low)
    return found


def _call(item: Mapping[str, Any]) -> Call:
    given = item.get("parameters", {})
    named = given if isinstance(given, Mapping) else {"arguments": given}
    return Call(str(item["tool"]), {str(key).lower(): value for key, value in named.items()})


def _call_of(path: Path, regions: list[str]) -> Call:
    """The extractor call that made a product, from what its headers and its name tell."""
    with fits.open(path) as hdus:
        header, table = hdus[0].header, hdus[min(1, len(hdus) - 1)].header
        has_region = any(hdu.name.startswith("REG") for hdu in hdus)
    given: dict[str, Any] = {"filename": table.get("FILIN001", header.get("FILIN001", NONE))}
    words = re.split(r"[_.]", path.name)
    given["regionfile"] = next((f"{name}.reg" for name in regions if name in words and has_region), NONE)
    product = f"ref/{path.name.removesuffix('.gz')}"
    if table.get("EXTNAME") == "RATE":
        given |= {"fitsbinlc": product, "binlc": table["TIMEDEL"], "lcthresh": table["MINFREXP"]}
        given["pi"] = [table["PHALCUT"], table["PHAHCUT"]]
    elif table.get("EXTNAME") == "SPECTRUM":
        given |= {"phafile": product}
    else:
        given |= {"imgfile": product, "binf": header["IMGBIN"]}
        given["pi"] = [header["CHANMIN"], header["CHANMAX"]] if "CHANMIN" in header else None
    if cut := given.pop("pi", None):
        given["filename"] += f"[PI={cut[0]}:{cut[1]}]"
    return Call("extractor", given)

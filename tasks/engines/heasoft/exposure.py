"""Exposure maps by xaexpmap, and fimgbin for binned ones: their calls."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tasks.core.errors import SoftwareFault
from tasks.engines.heasoft.exposure_maps import BAD_PIXELS, MAP
from tasks.engines.heasoft.right_ascension import near_zero_hours
from tasks.engines.heasoft.sequence import Calls, line_of
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.interface import StepInputs
from tasks.engines.planning import facts_of, names_of, products_of
from tasks.library.call import Call
from tasks.library.dataset import recipe_hash
from tasks.library.manifest import Kind
from tasks.library.orders import Wanted
from tasks.library.recipe import Exposure
from tasks.xtend.nominal import Nominal

EHK: Final = "ehk.fits"
CONTINUOUS: Final = "continuous.ehk"
GOOD_TIME: Final = "good.gti"
PIXELS: Final = "pixels.fits"
RAW_EFFICIENCY: Final = "raw_efficiency.fits"
EFFICIENCY: Final = "efficiency.fits"
_MINUTES: Final = 60.0

Parameters = Mapping[str, str | int | float | bool]


def map_parameters(
    recipe: Exposure,
    good_time: str,
    pixels: str | None,
    output: str,
    energy_kev: float | None = None,
    *,
    ehk: str = EHK,
) -> Parameters:
    """Parameters of xaexpmap.

    Parameters
    ----------
    recipe : Exposure
        Division of the attitude, and whether calibration sources are masked.
    good_time : str
        The file with the good time.
    pixels : str or None
        List of flickering pixels.
    output : str
        The map.
    energy_kev : float, optional
        Makes an efficiency map of this energy; without it an exposure map, which knows no vignetting and
        which ARFs are made from.
    ehk : str, optional
        The file with the attitude.
    """
    given: dict[str, str | int | float | bool] = {
        "ehkfile": ehk,
        "gtifile": good_time,
        "instrume": "XTEND",
        "badimgfile": BAD_PIXELS,
        "pixgtifile": pixels or "NONE",
        "outfile": output,
        "outmaptype": "EXPOSURE",
        "delta": recipe.delta_arcmin,
        "numphi": recipe.numphi,
        "stopsys": "SKY",
        "instmap": "CALDB",
        "maskcalsrc": recipe.mask_calibration,
        "clobber": True,
    }
    if energy_kev is None:
        return given
    return given | {"outmaptype": "EFFICIENCY", "specmode": "MONO", "energy": energy_kev}


def binning_parameters(binning: int, output: str) -> Parameters:
    """Parameters of fimgbin: the mean of blocks of float pixels; without `average` it would add them up."""
    return {
        "infile": MAP,
        "outfile": output,
        "xbinsize": binning,
        "ybinsize": binning,
        "datatype": "e",
        "overflow": False,
        "nullval": 0.0,
        "average": True,
        "copyprime": True,
        "copyall": False,
        "clobber": True,
    }


def plan(inputs: StepInputs, products: Sequence[Wanted]) -> list[Call]:
    """The calls that make exposure maps at the binnings wanted, and the efficiency map where it is wanted.

    Raises
    ------
    SoftwareFault
        When the dataset lacks an EHK file or a bad-pixel image.
    """
    making = _Making(inputs)
    binnings = {item.spec.entry["binning"]: item for item in products if item.spec.kind == Kind.EXPOSURE_MAP}
    if binnings:
        making.exposure(sorted(binnings))
    efficiency = [item for item in products if item.spec.kind == Kind.EFFICIENCY_MAP]
    for _ in efficiency:
        making.efficiency()
    files = {item.spec.name: completed(binning) for binning, item in binnings.items()}
    files |= {item.spec.name: EFFICIENCY for item in efficiency}
    return making.finished(products, files)


def completed(binning: int) -> str:
    """A map's name before the finish."""
    return f"exposure{binning}.fits"


def left_by_tools(file: str) -> tuple[str, ...]:
    """What the tools made of which a map before the finish comes."""
    if file == EFFICIENCY:
        return (RAW_EFFICIENCY,)
    return (MAP, file.replace("exposure", "binned"))


class _Making:
    """The calls of one exposure step so far, and what they share."""

    def __init__(self, inputs: StepInputs) -> None:
        self._inputs, self._recipe = inputs, inputs.dataset.recipe
        self._events = products_of(inputs, Kind.EVENTS)
        images, ehk = products_of(inputs, Kind.BAD_PIXELS), inputs.dataset.inputs.ehk
        if ehk is None or not images:
            raise SoftwareFault("an exposure map was ordered without an EHK file or a bad-pixel image")
        self._paths = {EHK: str(inputs.downloads / ehk), BAD_PIXELS: str(inputs.locate(images[0]))}
        self._links = {
            f"events{number}.evt": str(inputs.locate(item)) for number, item in enumerate(self._events)
        }
        self._calls = Calls()
        self._lists = products_of(inputs, Kind.FLICKERING)
        self._good_time, self._ehk = next(iter(self._links)), EHK
        if len(self._links) > 1:
            self._unite()
        nominal = Nominal(**facts_of(inputs)["nominal"])
        if near_zero_hours(nominal):
            self._make_continuous(nominal.ra)

    def exposure(self, binnings: Sequence[int]) -> None:
        """The unbinned map, its binned means, and their headers."""
        self._map(MAP, None)
        binned = {binning: f"binned{binning}.fits" for binning in binnings if binning > 1}
        for binning, output in binned.items():
            self._calls.add(
                tool_call(
                    "fimgbin",
                    binning_parameters(binning, output),
                    after=self._calls.after(MAP),
                    outputs=[output],
                    chatter=self._recipe.heasoft.chatter,
                    timeout=30 * _MINUTES,
                )
            )
        self._calls.add(
            Call(
                function="tasks.engines.heasoft.exposure_maps:complete",
                parameters={
                    "maps": {str(binning): completed(binning) for binning in binnings},
                    "binned": {str(binning): output for binning, output in binned.items()},
                    "events": list(self._links),
                    "ehk": EHK,
                    "mask_calibration": self._recipe.exposure.mask_calibration,
                },
                inputs={**self._links, **self._paths},
                after=self._calls.after(MAP, *binned.values()),
                outputs=tuple(map(completed, binnings)),
                timeout=30 * _MINUTES,
            )
        )

    def efficiency(self) -> None:
        """The map of vignetting and quantum efficiency at the recipe's energy."""
        self._map(RAW_EFFICIENCY, self._recipe.heasoft.efficiency_energy_kev)
        self._calls.add(
            Call(
                function="tasks.engines.heasoft.exposure_maps:identify",
                parameters={"map_file": RAW_EFFICIENCY, "events": list(self._links), "output": EFFICIENCY},
                inputs=self._links,
                after=self._calls.after(RAW_EFFICIENCY),
                outputs=(EFFICIENCY,),
                timeout=30 * _MINUTES,
            )
        )

    def finished(self, products: Sequence[Wanted], files: Mapping[str, str]) -> list[Call]:
        """All calls, the finish at the end."""
        self._calls.add(
            Call(
                function="tasks.engines.heasoft.finishing:finish",
                parameters={
                    "products": [
                        {
                            "name": item.spec.name,
                            "file": files[item.spec.name],
                            "kind": item.spec.kind,
                            "history": list(self._history(files[item.spec.name])),
                            "unit": "s" if item.spec.kind == Kind.EXPOSURE_MAP else None,
                        }
                        for item in products
                    ],
                    "recipe": recipe_hash(self._inputs.dataset.recipe),
                },
                after=self._calls.after(*files.values()),
                outputs=names_of(products),
                timeout=30 * _MINUTES,
            )
        )
        return self._calls.calls

    def _history(self, file: str) -> Iterator[str]:
        """What the tools did for a map."""
        if self._ehk == CONTINUOUS:
            yield f"{CONTINUOUS}: the attitude file, its right ascensions going on below 0 and above 360"
        for call in self._calls.calls:
            if "tool" in call.parameters and set(call.outputs) & set(left_by_tools(file)):
                yield line_of(call)

    def _unite(self) -> None:
        """One file with the good time of all files of the split."""
        self._good_time = GOOD_TIME
        self._calls.add(
            Call(
                function="tasks.engines.heasoft.exposure_maps:unite",
                parameters={"events": list(self._links), "output": GOOD_TIME},
                inputs=self._links,
                outputs=(GOOD_TIME,),
                timeout=30 * _MINUTES,
            )
        )

    def _make_continuous(self, ra: float) -> None:
        """An attitude that can be averaged as numbers."""
        self._ehk = CONTINUOUS
        self._calls.add(
            Call(
                function="tasks.engines.heasoft.right_ascension:make_continuous",
                parameters={"ehk": EHK, "output": CONTINUOUS, "ra": ra},
                inputs={EHK: self._paths[EHK]},
                outputs=(CONTINUOUS,),
                timeout=30 * _MINUTES,
            )
        )

    def _map(self, output: str, energy_kev: float | None) -> None:
        pixels = {PIXELS: str(self._inputs.locate(self._lists[0]))} if self._lists else {}
        given = {**self._paths, **self._links, **pixels}
        taken = [self._ehk, self._good_time, BAD_PIXELS, *pixels]
        self._calls.add(
            tool_call(
                "xaexpmap",
                map_parameters(
                    self._recipe.exposure,
                    self._good_time,
                    next(iter(pixels), None),
                    output,
                    energy_kev,
                    ehk=self._ehk,
                ),
                inputs={name: given[name] for name in taken if name in given},
                after=self._calls.after(self._ehk, self._good_time),
                outputs=[output],
                chatter=self._recipe.heasoft.chatter,
                timeout=120 * _MINUTES,
            )
        )

"""The fit of a dataset's spectrum, for the runner to call in a child process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.fitting.fit import fit
from tasks.fitting.inputs import read_files
from tasks.fitting.pyxspec import XspecModel, fit_with_xspec
from tasks.library.call import Report
from tasks.library.spectral.model import Model
from tasks.library.spectral.result import FitResult, Statistic

_NONE = Path("none")


def fit_spectrum(
    *,
    name: str,
    fitter: Literal["sherpa", "xspec"],
    files: Mapping[str, str],
    model: str,
    band: str,
    freeze: Mapping[str, float],
    start: Mapping[str, float],
    bounds: Mapping[str, tuple[float, float]],
    statistic: Statistic | None,
    grouping: str,
    abundances: str,
) -> Report:
    """Fit a model to a spectrum in the current directory, and leave the result there as JSON.

    Parameters
    ----------
    name : str
        The file to write: a `FitResult`, with what a plot shows.
    fitter : {"sherpa", "xspec"}
        Who fits.
    files : dict
        `spectrum`, `rmf` and, where there are such, `background` and `arf`; what the spectrum's header names
        does not count.
    model, band, freeze, start, bounds, statistic, abundances
        As the recipe's part `fit`.
    grouping : str
        How the spectrum is grouped.

    Returns
    -------
    Report
        The result without its plot as the fact `fit`, its cautions on the file; `not_made` where the data do
        not allow a fit.

    Raises
    ------
    EnvironmentFault
        When what fits is not installed.
    SoftwareFault
        When XSPEC does not do what is expected of it.
    """
    paths = {key: Path(files[key]) if key in files else _NONE for key in ("background", "rmf", "arf")}
    selected = Band.parse(band)
    try:
        data = read_files(Path(files["spectrum"]), **paths)
        if fitter == "xspec":
            asked = XspecModel(model, abundances, freeze, start, bounds)
            result = fit_with_xspec(data, asked, selected, statistic=statistic, given=paths)
        else:
            built = Model.build(model, frozen=freeze, start=start, bounds=bounds, abundances=abundances)
            result = fit(data, built, selected, statistic=statistic)
    except BadInput as exc:
        return Report(not_made={name: str(exc)})
    return _report(name, result.model_copy(update={"grouping": grouping}))


def _report(name: str, result: FitResult) -> Report:
    Path(name).write_text(result.model_dump_json(indent=1), encoding="utf-8")
    return Report(
        facts={"fit": result.model_dump(mode="json", exclude={"curve", "cautions"})},
        file_cautions={name: result.cautions},
    )

"""The page's section on the fit: parameters, ranges and units as people read them, and when there is none."""

import pytest

from tasks.core.errors import SoftwareFault
from tasks.library.manifest import Kind, Role, Step
from tasks.report.fit import fit_section, unit_words
from tasks.xtend.cautions import caution, severe


@pytest.fixture
def page(dataset, parse):
    """The page of a dataset with a fit; gives its report and what it says."""

    def made(**changes):
        dataset.fit(**changes)
        dataset.manifest()
        report = dataset.page()
        return report, parse((dataset.folder / "index.html").read_text(encoding="utf-8"))

    return made


def test_parameters_with_ranges_and_units(dataset):
    dataset.fit()
    section = fit_section(dataset.manifest())
    assert section.model == "phabs*powerlaw"
    assert [(row.name, row.value, row.ends, row.unit) for row in section.rows] == [
        ("phabs.nH", "0.07", "frozen", "10²² cm⁻²"),
        ("powerlaw.PhoIndex", "1.753", "1.701 to 1.806", ""),
        ("powerlaw.norm", "1.988 × 10⁻⁵", "1.9 × 10⁻⁵ to ?", "photons / (keV cm² s) at 1 keV"),
    ]
    assert section.facts == {
        "statistic": "wstat 61.23 for 58 degrees of freedom, 1.06 each",
        "data": "12,345 counts in 60 groups within 0.5–10 keV, grouped opt",
        "flux": "3.41 × 10⁻¹² erg/cm²/s in 0.5–10 keV, absorption included",
        "abundances": "angr",
        "fitted by": "Sherpa 4.19.0, periodictable 2.0.2",
    }


def test_the_page_shows_it(page):
    report, shown = page()
    assert "fit.png" not in report.not_made
    [image] = shown.images
    assert image["alt"] == (
        "Spectrum of M 87 with the model phabs*powerlaw, 0.5–10 keV, and residuals: wstat 61.2 for 58 "
        "degrees of freedom."
    )
    for said in (
        "Model phabs*powerlaw",
        "powerlaw.PhoIndex 1.753 1.701 to 1.806",
        "90 % range",
        "risen by 2.706",
        "wstat 61.23 for 58 degrees of freedom",
        "Sherpa 4.19.0",
    ):
        assert said in shown.text
    # The fact is shown as that section alone.
    assert shown.text.count("61.23") == 1


def test_cautions_stand_by_the_fit(page):
    told = severe("fit-not-converged", "The fit did not converge: <b>why</b>."), caution("poor-fit", "Poor.")
    _, shown = page(cautions=told, converged=False)
    assert shown.text.count("The fit did not converge: <b>why</b>.") == 2
    assert shown.text.count("Poor.") == 2


def test_without_an_effective_area_there_is_no_flux(dataset):
    dataset.fit(flux=None)
    assert fit_section(dataset.manifest()).facts["flux"] == "none without an effective area"


def test_without_a_fit_nothing_is_said_of_one(dataset):
    assert fit_section(dataset.manifest()) is None


def test_a_manifest_that_does_not_tell_is_a_fault_of_ours(dataset):
    dataset.add(Kind.FIT, Role.SOURCE, "source-fit.json", "{}")
    with pytest.raises(SoftwareFault, match=r"does not tell what source-fit\.json holds"):
        fit_section(dataset.manifest())
    dataset.fit()
    made = dataset.manifest()
    record = made.steps[Step.FIT].model_copy(update={"facts": {"fit": {"model": "powerlaw"}}})
    with pytest.raises(SoftwareFault, match="does not tell"):
        fit_section(made.model_copy(update={"steps": {Step.FIT: record}}))


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("", ""),
        ("keV", "keV"),
        ("1e39 erg/s / (10 kpc)^2", "10³⁹ erg/s / (10 kpc)²"),
        ("3.02e-15 / (4 pi D^2) int n_e n_I dV", "3.02 × 10⁻¹⁵ / (4 pi D²) int n_e n_I dV"),
    ],
)
def test_units(unit, words):
    assert unit_words(unit) == words

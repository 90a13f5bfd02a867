"""What a recipe says of fits is checked before anything is run, without Sherpa and without XSPEC."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.core.identifiers import Band
from tasks.library.recipe import Fit, Recipe, read_recipe
from tasks.library.spectral.components import COMPONENTS
from tasks.library.spectral.xspec_names import XSPEC_ONLY


def test_no_fit_is_made_unless_asked_for():
    fit = Recipe().fit
    assert (fit.model, fit.band, fit.grouping, fit.despite) == (None, Band.parse("0.5-10"), "opt", ())


def test_what_is_asked_for():
    asked = {
        "model": "phabs*(powerlaw+gaussian)",
        "band": "0.7-8",
        "freeze": {"gaussian.Sigma": 0},
        "start": {"powerlaw.phoindex": 2},
        "bounds": {"gaussian.LineE": (6.3, 6.5)},
        "statistic": "cstat",
        "despite": ("extended-target",),
    }
    fit = Recipe.model_validate({"fit": asked}).fit
    assert Recipe.model_validate_json(Recipe(fit=fit).model_dump_json()).fit == fit
    assert fit.bounds == {"gaussian.LineE": (6.3, 6.5)}


@pytest.mark.parametrize(
    "lines",
    [
        'freeze = {"phabs.nH" = 0.07}\nbounds = {"powerlaw.PhoIndex" = [1, 3]}',
        "freeze.phabs.nH = 0.07\nbounds.powerlaw.PhoIndex = [1, 3]",
        '[fit.freeze]\nphabs.nH = 0.07\n[fit.bounds]\n"powerlaw.PhoIndex" = [1, 3]',
    ],
)
def test_names_of_parameters_need_no_quotation_marks(tmp_path, lines):
    path = tmp_path / "recipe.toml"
    path.write_text(f'[fit]\nmodel = "phabs*powerlaw"\n{lines}\n')
    fit = read_recipe(path).fit
    assert (fit.freeze, fit.bounds) == ({"phabs.nH": 0.07}, {"powerlaw.PhoIndex": (1, 3)})


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"model": "phabs*(powerlaw"}, "a bracket is not closed"),
        ({"model": "phabs*bogus"}, "there is no model component bogus: known are bbody, bremss"),
        ({"model": "phabs"}, "it only absorbs"),
        ({"model": ""}, "at least 1 character"),
        ({"model": "powerlaw", "freeze": {"powerlaw.index": 2}}, "powerlaw has no parameter powerlaw.index"),
        ({"model": "phabs*powerlaw", "start": {"phabs.nH": -1}}, "phabs.nH cannot be -1: it lies between 0"),
        ({"model": "powerlaw", "bounds": {"powerlaw.PhoIndex": (3, 1)}}, "upside down"),
        ({"model": "powerlaw", "bounds": {"powerlaw.PhoIndex": (1,)}}, "fit.bounds"),
        (
            {"model": "powerlaw", "freeze": {"powerlaw.PhoIndex": 2, "powerlaw.norm": 1}},
            "nothing is left to fit",
        ),
        ({"model": "powerlaw", "freeze": {"powerlaw.norm": float("nan")}}, "finite number"),
        ({"model": "powerlaw", "freeze": {"a": {"b": {"c": 1}}}}, "fit.freeze"),
        ({"model": "powerlaw", "freeze": ["powerlaw.norm"]}, "fit.freeze"),
        ({"model": "powerlaw", "band": "7-2"}, "fit.band"),
        ({"model": "powerlaw", "statistic": "cash"}, "fit.statistic"),
        ({"model": "powerlaw", "abundances": "gold"}, "fit.abundances"),
        ({"model": "powerlaw", "despite": ("pile-up",)}, "fit.despite"),
        ({"model": "powerlaw", "grouping": "min:0"}, "fit.grouping"),
        ({"model": "powerlaw", "grouping": "min:7"}, "spectra.grouping does not name it"),
        ({"models": "powerlaw"}, "fit.models"),
        # XSPEC's own: what is known of such an expression is checked all the same.
        ({"model": "tbabs*apec)"}, "')' is not expected there"),
        ({"model": "tbabs*(apec+phabs)"}, "only emission can be added"),
        ({"model": "tbabs*powerlaw", "freeze": {"powerlaw.index": 2}}, "has no parameter powerlaw.index"),
        ({"model": "tbabs*apec", "freeze": {"vapec.kT": 2}}, "has no parameter vapec.kT"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(part, said):
    with pytest.raises(ValidationError) as refused:
        Recipe.model_validate({"fit": part})
    told = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in refused.value.errors()]
    assert any(said in line for line in told)


@given(first=st.sampled_from(sorted(XSPEC_ONLY)), second=st.sampled_from(sorted(XSPEC_ONLY)))
def test_models_that_only_xspec_has_may_be_asked_for(first, second):
    text = f"{first}*({second}+powerlaw)"
    fit = Fit(model=text, freeze={f"{first}.any": 1.0, "powerlaw.PhoIndex": 2.0})
    assert fit.model == text


def test_names_of_the_grouped_spectra_are_those_of_the_fit():
    recipe = {"spectra": {"grouping": ("bmin:3",)}, "fit": {"model": "powerlaw", "grouping": "bmin:3"}}
    assert Recipe.model_validate(recipe).fit.grouping == "bmin:3"
    # Where nothing is fitted it does not matter.
    Recipe.model_validate({"spectra": {"grouping": ("min:5",)}})


def test_nothing_that_fits_is_imported_for_it():
    code = (
        "import sys; from tasks.library.recipe import Fit; Fit(model='phabs*powerlaw'); "
        "sys.exit(any(name.split('.')[0] in ('sherpa', 'periodictable', 'xspec') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_every_component_can_be_asked_for():
    emission = [name for name, one in COMPONENTS.items() if one.kind == "additive"]
    assert Fit(model=f"phabs*({'+'.join(emission)})").model

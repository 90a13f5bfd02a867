from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.core.errors import BadInput
from tasks.core.identifiers import Band
from tasks.library.recipe import Images, Recipe, read_recipe


@pytest.fixture
def read(tmp_path):
    def from_text(text):
        path = tmp_path / "recipe.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_recipe(path)

    return from_text


def test_the_defaults_are_the_science_choices(read):
    recipe = read("")
    assert recipe == Recipe()
    assert [str(band) for band in recipe.images.bands] == ["0.6-2.0", "2.0-10.0", "0.4-2.0", "0.6-10.0"]
    assert [str(band) for band in recipe.light_curves.bands] == ["0.6-2.0", "2.0-6.0", "6.0-10.0"]
    assert recipe.images.binnings == recipe.exposure.binnings == (1, 4)
    assert (recipe.exposure.delta_arcmin, recipe.exposure.numphi, recipe.exposure.minimum_fraction) == (
        20,
        1,
        0.05,
    )
    assert (recipe.light_curves.time_bin, recipe.light_curves.exposure_threshold) == (200, 0)
    assert (recipe.source.radius_arcmin, recipe.spectra.grouping) == (2, ("min:1", "opt"))
    assert recipe.exposure.mask_calibration
    assert (recipe.light_curves.net_errors, recipe.spectra.backscal) == ("gaussian", "exposure")
    assert (recipe.name, recipe.engine, recipe.edges) == ("standard", "auto", "shared")


def test_a_file_changes_what_it_names(read):
    recipe = read(
        """
        name = "hard"
        edges = "disjoint"
        [images]
        bands = ["4-12", {low = "0.5", high = 2}]
        [source]
        radius_arcmin = 1
        """
    )
    assert recipe.images.bands == (Band.parse("4-12"), Band(low=Decimal("0.5"), high=Decimal(2)))
    assert recipe.images.binnings == (1, 4)
    assert recipe.source.radius_arcmin == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("colour = 'red'", "colour: Extra inputs"),
        ("[images]\nbinings = [1]", "images.binings: Extra inputs"),
        ("[images]\nbands = ['2-0.6']", "images.bands.0: the band 2.0-0.6 is upside down"),
        ("[images]\nbands = ['2-2']", "upside down or empty"),
        ("[images]\nbands = ['-1-2']", "images.bands.0"),
        ("[images]\nbands = ['x']", "images.bands.0"),
        ("[images]\nbands = ['nan-2']", "images.bands.0"),
        ("[images]\nbands = ['0.6-inf']", "images.bands.0"),
        ("[images]\nbands = ['30-40']", "holds no channel"),
        ("[images]\nbands = ['1e400-1e401']", "finite number of keV"),
        ("edges = 'disjoint'\n[images]\nbands = ['2-2.001']", "holds no channel"),
        ("[light_curves]\nbands = ['30-40']", "holds no channel"),
        ("[images]\nbands = ['0.6-2', '0.60-2.0']", "images: bands name the same entry twice"),
        ("[exposure]\nbinnings = [4, 4]", "exposure: binnings name the same entry twice"),
        ("[images]\nbinnings = [0]", "images.binnings.0"),
        ("[images]\nbinnings = [1.5]", "images.binnings.0"),
        ("[images]\nbinnings = [65]", "images.binnings.0"),
        ("[light_curves]\ntime_bin = 0", "light_curves.time_bin"),
        ("[light_curves]\ntime_bin = inf", "light_curves.time_bin"),
        ("[exposure]\ndelta_arcmin = inf", "exposure.delta_arcmin"),
        ("[source]\nradius_arcmin = nan", "source.radius_arcmin"),
        ("[light_curves]\nexposure_threshold = 1.1", "light_curves.exposure_threshold"),
        ("[spectra]\ngrouping = ['min:0']", "'min:0' is not a grouping"),
        (
            "[spectra]\ngrouping = ['optmin']",
            "'optmin' is not a grouping: give min:N, opt, optmin:N or bmin:N",
        ),
        ("[spectra]\ngrouping = ['opt:5']", "'opt:5' is not a grouping"),
        ("[spectra]\ngrouping = [25]", "spectra.grouping"),
        ("[spectra]\ngrouping = ['opt', 'opt']", "grouping names the same entry twice"),
        ("[source]\nminimum_fraction = 1.5", "source.minimum_fraction"),
        ("[source]\ncentre = 'brightest'", "source.centre: Input should be 'target' or 'peak'"),
        ("[source]\nshift_arcsec = 0", "source.shift_arcsec"),
        ("[source]\nregion_folder = ''", "source.region_folder"),
        ("[background]\ndistance_arcmin = 4", "background.distance_arcmin: Extra inputs"),
        ("[background]\nminimum_radius_arcmin = 0", "background.minimum_radius_arcmin"),
        ("[light_curves]\nnet_errors = 2", "light_curves.net_errors: Input should be 'gaussian' or 'linear'"),
        ("[spectra]\nbackscal = 'MAX'", "spectra.backscal: Input should be 'exposure' or 'maximum'"),
        ("engine = 'magic'", "engine: Input should be"),
        ("[engines]\nextraction = 'magic'", "engines.extraction: Input should be"),
        ("[engines]\ndownload = 'native'", "engines.download"),
        ("[heasoft]\nchatter = 6", "heasoft.chatter"),
        ("[heasoft]\nseed = 0", "heasoft.seed"),
        ("[heasoft]\nversion = ''", "heasoft.version"),
        ("[heasoft]\ncaldb = '; rm'", "heasoft.caldb"),
        ("[heasoft]\ncalc_modegti = true", "heasoft.calc_modegti"),
        ("[heasoft]\nflickering = 'yes'", "heasoft.flickering"),
        ("[heasoft]\nhours = 0", "heasoft.hours"),
        ("[heasoft]\nefficiency_energy_kev = 30", "heasoft.efficiency_energy_kev"),
        ("[responses]\nnumphotons = 1", "responses.numphotons"),
        ("[responses]\nnumphoton = 0", "responses.numphoton"),
        ("[responses]\nsource_type = 'IMAGE'", "IMAGE needs an image"),
        ("[responses]\nsource_type = 'IMAGE'\nimage = 'a.fits'", "needs the energies of its image"),
        ("[responses]\nbeta = [0.5, 0.6, 0]", "beta must be positive"),
        ("[responses]\nerange = [0.3, 18.0, 5.0, 2.0]", "erange is LOWEST HIGHEST LOW HIGH"),
        ("[responses]\nerange = [0.0, 18.0, 0.0, 0.0]", "erange is LOWEST HIGHEST LOW HIGH"),
        ("[responses]\nfit_band_kev = [0.2, 10.0]", "fit_band_kev is LOW HIGH"),
        ("edges = 'blurred'", "edges: Input should be"),
        ("name = '../x'", "name: String should match"),
        ("name = ''", "name: String should match"),
        ("name = 'two\\nlines'", "name: String should match"),
        ("source = 3", "source: Input should be"),
        ("name = ", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
    ],
)
def test_a_recipe_that_does_not_hold(read, tmp_path, text, why):
    with pytest.raises(BadInput) as caught:
        read(text)
    assert why in str(caught.value)
    assert str(tmp_path / "recipe.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_mistake_is_told_at_once(read):
    with pytest.raises(BadInput) as caught:
        read("colour = 1\n[images]\nbinnings = [0]")
    assert "colour: " in str(caught.value)
    assert "images.binnings.0: " in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.toml", "."])
def test_a_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(BadInput, match="cannot be read"):
        read_recipe(tmp_path / name)


def test_it_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().name = "other"


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(1, 200), min_size=2, max_size=5, unique=True).map(sorted),
    st.sampled_from(["shared", "disjoint"]),
)
def test_it_survives_json(tenths, edges):
    bands = tuple(Band(low=Decimal(low) / 10, high=Decimal(high) / 10) for low, high in pairwise(tenths))
    recipe = Recipe(images=Images(bands=bands), edges=edges)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_it_can_be_shown_as_a_form():
    form = Recipe.model_json_schema()
    assert set(form["properties"]) == set(Recipe.model_fields)
    assert form["$defs"]["Source"]["properties"]["radius_arcmin"]["description"] == "Radius in arcmin."

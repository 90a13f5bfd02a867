"""The recipe that comes with the simulated archive."""

from pathlib import Path

from tasks.archive.simulated.recipe import FITTED, RECIPE, recipe_of
from tasks.library.recipe import Recipe, read_recipe


def test_it_names_the_responses_that_ship_with_the_archive(simulated):
    recipe = read_recipe(simulated / RECIPE)
    arf = recipe.responses.arf
    assert arf.startswith("/")
    assert Path(arf.format(obsid=FITTED, dataclass="30000010")).is_file()
    assert recipe.fit.model == "phabs*powerlaw"
    # The same products as without it, and more: it works on the store of a sweep before.
    assert recipe.name == Recipe().name


def test_a_folder_of_any_name_makes_a_recipe(tmp_path):
    folder = tmp_path / 'de "mo" \\ é'
    folder.mkdir()
    (folder / RECIPE).write_text(recipe_of(folder), encoding="utf-8")
    assert read_recipe(folder / RECIPE).responses.arf.startswith(str(folder))

import pytest

from tasks.core.errors import BadInput
from tasks.library.ownership import claim_recipe, require_owned
from tasks.library.recipe import Recipe, Source


def test_a_new_store_is_claimed(store):
    claim_recipe(store, Recipe())
    assert Recipe.model_validate_json(store.read("recipe.json")) == Recipe()
    claim_recipe(store, Recipe())
    assert list(store.sizes()) == ["recipe.json"]


def test_another_content_under_the_same_name_is_taken(store):
    claim_recipe(store, Recipe())
    changed = Recipe(source=Source(radius_arcmin=1.0))
    claim_recipe(store, changed)
    assert Recipe.model_validate_json(store.read("recipe.json")) == changed


def test_another_name_is_refused(store):
    claim_recipe(store, Recipe(name="mine"))
    before = store.read("recipe.json")
    with pytest.raises(BadInput, match="'mine', so 'yours' needs a store of its own") as caught:
        claim_recipe(store, Recipe(name="yours"))
    assert "recipe.json" not in str(caught.value)
    assert store.read("recipe.json") == before


def test_a_recipe_of_an_older_version_keeps_its_store(directory_store):
    directory_store.replace("recipe.json", b'{"name": "standard", "what": "is this"}')
    claim_recipe(directory_store, Recipe())
    assert Recipe.model_validate_json(directory_store.read("recipe.json")) == Recipe()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_store_of_nobody_knows_whom(directory_store, content):
    directory_store.replace("recipe.json", content)
    with pytest.raises(BadInput, match="nobody knows whose store"):
        claim_recipe(directory_store, Recipe())
    assert directory_store.read("recipe.json") == content


def test_an_empty_place_is_no_store(store):
    with pytest.raises(BadInput, match=r"no sweep has written .*: it is no store") as caught:
        require_owned(store)
    assert "recipe.json" not in str(caught.value)
    claim_recipe(store, Recipe())
    require_owned(store)

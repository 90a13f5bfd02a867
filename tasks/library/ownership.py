"""A store belongs to one recipe name: two would delete each other's products."""

from pydantic_core import from_json

from tasks.core.errors import BadInput
from tasks.library.keys import RECIPE
from tasks.library.recipe import Recipe
from tasks.library.store import Store


def claim_recipe(store: Store, recipe: Recipe) -> None:
    """Write the recipe into a new store; make sure that an older one is made with a recipe of this name.

    The same name with other content is fine: the recipe was changed, and what it makes is now stale.

    Raises
    ------
    BadInput
        When the store belongs to a recipe of another name, or what it belongs to cannot be read.
    """
    content = recipe.model_dump_json(indent=1).encode()
    if store.swap(RECIPE, None, content):
        return
    found = store.read(RECIPE)
    if found == content:
        return
    name = _name(found or b"", store)
    if name != recipe.name:
        raise BadInput(
            f"the store {store.url(RECIPE).rpartition('/')[0]} holds products of the recipe {name!r}, "
            f"so {recipe.name!r} needs a store of its own"
        )
    store.replace(RECIPE, content)


def recipe_of(store: Store) -> Recipe | None:
    """The recipe that a store was last made with; None for a store that no sweep has written to.

    Raises
    ------
    BadInput
        When it cannot be read.
    """
    content = store.read(RECIPE)
    if content is None:
        return None
    try:
        return Recipe.model_validate_json(content)
    except ValueError as exc:
        raise BadInput(f"{store.url(RECIPE)} is no recipe that this version can read: {exc}") from exc


def require_owned(store: Store) -> None:
    """Make sure that this is a store, before an empty place is taken for one.

    Raises
    ------
    BadInput
        When no sweep has written there.
    """
    if store.read(RECIPE) is None:
        raise BadInput(f"no sweep has written {store.url(RECIPE).rpartition('/')[0]}: it is no store")


def _name(content: bytes, store: Store) -> str:
    try:
        return str(from_json(content)["name"])
    except (ValueError, KeyError, TypeError) as exc:
        raise BadInput(f"{store.url(RECIPE)} is no recipe, so nobody knows whose store this is") from exc

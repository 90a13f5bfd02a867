"""Which engines there are, and which one a recipe gets."""

from tasks.core.errors import BadInput
from tasks.engines.interface import Engine
from tasks.engines.native.engine import NativeEngine
from tasks.library.recipe import Recipe


def engine(name: str) -> Engine:
    """The engine of a name; `auto` is the best one that is installed.

    Raises
    ------
    BadInput
        When there is no such engine.
    """
    if name not in ("auto", NativeEngine.name):
        raise BadInput(f"there is no engine {name!r}: give auto or {NativeEngine.name}")
    return NativeEngine()


def resolved(recipe: Recipe) -> Recipe:
    """The recipe with the name of the engine that it gets here: from then on it means the same everywhere."""
    return recipe.model_copy(update={"engine": engine(recipe.engine).name})

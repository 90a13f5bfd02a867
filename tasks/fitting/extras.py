"""Packages that only fits need: the one place that imports them."""

from importlib import import_module
from typing import Any

from tasks.core.errors import EnvironmentFault


def extra(module: str) -> Any:
    """A module of an optional package.

    Raises
    ------
    EnvironmentFault
        When it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as exc:
        package = module.partition(".")[0]
        raise EnvironmentFault(
            f"a fit needs {package}, which is not installed: pip install 'xtendflow[sherpa]'"
        ) from exc

"""A double of heasoftpy 1.5 and of the tools behind it, for tests.

It is called as the real one, answers as the real one, changes the environment of its process as the real one,
and runs each tool in a process of its own. It knows the parameters of the tools and refuses what they would
refuse. What the tools write comes from the project's own native engine or is invented: **the double proves
plumbing and nothing else**; that two of its products agree says nothing about HEASoft.

`python -m heasoftpy FOLDER` makes a HEADAS of it: parameter files, and programs by name.
"""

from collections.abc import Callable

from .core import Config, HSPResult, HSPTask, HSPTaskException
from .version import __version__

__all__ = ["Config", "HSPResult", "HSPTask", "HSPTaskException", "__version__"]


def __getattr__(name: str) -> Callable[..., HSPResult]:
    """A tool as a function, as the real package generates them when it is installed."""
    from .parameters import TOOLS

    if name not in TOOLS:
        raise AttributeError(name)
    return lambda args=None, **kwargs: HSPTask(name)(args, **kwargs)

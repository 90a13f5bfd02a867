"""Keys: where something lies in a store, as a relative POSIX path."""

from tasks.core.errors import SoftwareFault

MANIFEST = "manifest.json"
PREVIOUS_MANIFEST = "manifest.previous.json"
DAMAGED_MANIFEST = "manifest.damaged.json"
ATTEMPTS = "attempts"
RECIPE = "recipe.json"
"""The recipe that a store is made by, at its top."""
LOG_TAIL = "log.txt"
"""The last lines of a failed observation's log, beside its page."""


def check_key(key: str) -> str:
    """The key itself, when it is safe to append to a directory or a bucket's prefix.

    Names that start with a dot are the store's own and no keys.

    Raises
    ------
    SoftwareFault
        When it is absolute, leaves the store, is hidden or holds a control character.
    """
    parts = key.split("/")
    if "\\" in key or not key.isprintable() or any(not part or part.startswith(".") for part in parts):
        raise SoftwareFault(f"{key!r} is no key of a store: give a relative path without hidden parts")
    return key

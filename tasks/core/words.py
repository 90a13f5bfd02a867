"""Machine-made messages in words for people, and without what they must not see."""

import re

from pydantic import ValidationError

# Keys of S3 hold slashes, so a password may; a port does not begin one.
_USER = re.compile(r"(?<=://)(?:[^/?#:\s]*:(?!\d+/)\S*|[^/?#\s]*)@")


def in_words(error: ValidationError) -> str:
    """Validation errors as one line: where, and what is wrong."""
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, item["loc"])), re.sub("^Value error, ", "", item["msg"]))))
        for item in error.errors()
    )


def without_password(text: str) -> str:
    """A text in which no address names a user or a password any more."""
    return _USER.sub("***@", text)

"""Machine-made messages in words for people."""

import re

from pydantic import ValidationError


def in_words(error: ValidationError) -> str:
    """Validation errors as one line: where, and what is wrong."""
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, item["loc"])), re.sub("^Value error, ", "", item["msg"]))))
        for item in error.errors()
    )

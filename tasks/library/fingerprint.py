"""Fingerprints: one hash over everything that decides what a product looks like."""

import hashlib
import json
from typing import Any

from pydantic_core import to_jsonable_python


def fingerprint(*parts: Any) -> str:
    """SHA-256 (64 hex digits) over JSON-able parts; the order of keys does not matter, that of parts does."""
    text = json.dumps(to_jsonable_python(parts), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

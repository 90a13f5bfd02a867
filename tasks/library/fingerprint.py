"""Hashes: fingerprints over everything that decides what a product looks like, and those of files."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python


def fingerprint(*parts: Any) -> str:
    """SHA-256 (64 hex digits) over JSON-able parts; the order of keys does not matter, that of parts does."""
    text = json.dumps(to_jsonable_python(parts), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (64 hex digits) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

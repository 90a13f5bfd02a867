"""Scratch folders for work that is not published yet."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tasks.library.site import Site


@contextmanager
def workplace(site: Site, label: str) -> Iterator[Path]:
    """A folder of this process's own, gone afterwards; its name tells what it is for."""
    directory = site.scratch / f"{label}-{uuid4().hex[:8]}"
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)

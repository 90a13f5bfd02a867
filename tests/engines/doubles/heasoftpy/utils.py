"""Private parameter files, as heasoftpy 1.5 gives them: for the process as a whole."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def local_pfiles(par_dir: str | None = None) -> str:
    folder = par_dir or tempfile.mkdtemp(suffix=".pfiles")
    Path(folder).mkdir(exist_ok=True)
    os.environ["PFILES"] = f"{folder};{os.environ['HEADAS']}/syspfiles"
    return folder


@contextmanager
def local_pfiles_context(par_dir: str | None = None) -> Iterator[None]:
    before = os.environ["PFILES"]
    folder = local_pfiles(par_dir)
    try:
        yield
    finally:
        os.environ["PFILES"] = before
        shutil.rmtree(folder)

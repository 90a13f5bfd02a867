"""Makes a HEADAS of the double: `python -m heasoftpy FOLDER`."""

import sys
from pathlib import Path

from .parameters import TOOLS, lines_of

VERSION = "6.36"
CALIBRATION_SOURCES = """\
# Region file format: DS9 version 4.1
physical
-circle(920,1530,92)
-circle(919,271,91)
"""


def make(headas: Path) -> None:
    (headas / "syspfiles").mkdir(parents=True)
    (headas / "bin").mkdir()
    (headas / "refdata").mkdir()
    (headas / "refdata" / "calsrc_XTD_det.reg").write_text(CALIBRATION_SOURCES)
    for tool in TOOLS:
        (headas / "syspfiles" / f"{tool}.par").write_text("\n".join(lines_of(tool)) + "\n")
        program = headas / "bin" / tool
        program.write_text("#!/bin/sh\necho 'a double: only heasoftpy runs it' >&2\nexit 1\n")
        program.chmod(0o755)
    version = headas / "bin" / "fversion"
    version.write_text(f"#!/bin/sh\necho 'HEASoft V{VERSION}'\n")
    version.chmod(0o755)


if __name__ == "__main__":
    make(Path(sys.argv[1]))

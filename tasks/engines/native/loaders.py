"""Scripts that load a spectrum with its responses and its background into XSPEC and Sherpa.

Names of products are longer than a FITS keyword can hold, and products lie in the folders of their steps.
So the scripts name the files, each of which there is once in a dataset's folder, and look for them when
they are run: whichever folder a file was published in, they find it, and more than one is an error.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tasks.core.errors import SoftwareFault

# XSPEC has an `error` of its own, so the script raises its error in another way.
_XSPEC: Final = """\
# Loads the spectrum of an Xtend dataset into XSPEC, in the dataset's folder or in the one of this file:
#   xspec - load.xcm
{others}
proc product {{name}} {{set found [glob -nocomplain -- */$name ../*/$name]; \
if {{[llength $found] != 1}} {{\
return -code error "[llength $found] files $name: go to the dataset's folder first"}}; \
return [lindex $found 0]}}
{commands}
"""
_SHERPA: Final = '''\
"""Loads the spectrum of an Xtend dataset into Sherpa: run it, or `%run load_sherpa.py` in IPython."""

from pathlib import Path

from sherpa.astro import ui

DATASET = Path(__file__).resolve().parent.parent


def product(name):
    """The path of a file of the dataset, whichever step's folder it lies in."""
    found = list(DATASET.glob(f"*/{{name}}"))
    if len(found) != 1:
        raise FileNotFoundError(f"{{len(found)}} files {{name}} in the folders of {{DATASET}}")
    return str(found[0])


{others}
{commands}
'''


def write_loader(
    target: Path, files: Mapping[str, str | None], others: Sequence[str], kev: Sequence[float]
) -> None:
    """Write a loader script.

    Parameters
    ----------
    target : Path
        `load.xcm` or `load_sherpa.py`; the suffix tells which.
    files : mapping
        `spectrum`, `rmf`, and `background` and `arf` (or None): names of products.
    others : sequence of str
        Other forms of the same spectrum, which are named in a comment.
    kev : (low, high)
        The energies that are used.

    Raises
    ------
    SoftwareFault
        When there is no script of this suffix.
    """
    makers = {".xcm": (_XSPEC, _xspec), ".py": (_SHERPA, _sherpa)}
    if target.suffix not in makers:
        raise SoftwareFault(f"there is no loader script of the form {target.name}")
    template, commands = makers[target.suffix]
    said = "\n".join(["# The same spectrum in other groups:", *(f"#   {name}" for name in others)])
    text = template.format(others=said if others else "#", commands="\n".join(commands(files, kev)))
    target.write_text(text, encoding="ascii")


def _xspec(files: Mapping[str, Any], kev: Sequence[float]) -> list[str]:
    return [
        f"data 1:1 [product {files['spectrum']}]",
        f"response 1:1 [product {files['rmf']}]",
        *([f"arf 1:1 [product {files['arf']}]"] if files["arf"] else []),
        *([f"backgrnd 1 [product {files['background']}]"] if files["background"] else []),
        "ignore bad",
        f"ignore **-{float(kev[0])} {float(kev[1])}-**",
        # With a background XSPEC takes W for it.
        "statistic cstat",
    ]


def _sherpa(files: Mapping[str, Any], kev: Sequence[float]) -> list[str]:
    return [
        f'ui.load_pha(1, product("{files["spectrum"]}"))',
        f'ui.load_rmf(1, product("{files["rmf"]}"))',
        *([f'ui.load_arf(1, product("{files["arf"]}"))'] if files["arf"] else []),
        *([f'ui.load_bkg(1, product("{files["background"]}"))'] if files["background"] else []),
        "if ui.get_data(1).quality is not None:",
        "    ui.ignore_bad(1)",
        'ui.set_analysis(1, "energy")',
        f"ui.notice_id(1, {float(kev[0])}, {float(kev[1])})",
        f'ui.set_stat("{"wstat" if files["background"] else "cstat"}")',
    ]

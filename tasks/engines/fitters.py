"""What can fit on this host: Sherpa, an extra of this package, and PyXspec, which comes with HEASoft."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final

from tasks.library.orders.fit import SHERPA, XSPEC

REGISTERED: Final = "fits"
"""The name under which the ledger keeps what hosts have."""
NEEDED: Final = {"native": (SHERPA, "periodictable"), "heasoft": (XSPEC,)}
"""What the fits of an engine depend on."""


def fitters() -> dict[str, str]:
    """What is installed, by name; neither is imported."""
    # XSPEC's version is that of HEASoft.
    found = {XSPEC: "installed"} if find_spec("xspec") else {}
    try:
        return found | {name: version(name) for name in NEEDED["native"]}
    except PackageNotFoundError:
        return found

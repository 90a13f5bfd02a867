"""What can be wrong with an archive, made on purpose."""

from pathlib import Path
from typing import Final

import numpy as np

from tasks.archive.simulated.programme import Observation

_KEPT_SHARE: Final = 0.6
_ENCRYPTED_BYTES: Final = 2048


def spoil(folder: Path, observation: Observation) -> None:
    """Do to an observation's files what its `fault` says.

    A class that nobody knows and missing good time are no matter of single bytes: those observations are made
    so.

    Parameters
    ----------
    folder : Path
        `{N}/{obsid}`.
    observation : Observation
        What was made there.
    """
    if observation.fault == "no-ehk":
        (folder / f"auxil/xa{observation.obsid}.ehk.gz").unlink()
    if observation.fault in ("truncated", "flipped"):
        (cleaned,) = folder.glob("xtend/event_cl/*_cl.evt.gz")
        content = cleaned.read_bytes()
        change = _truncated if observation.fault == "truncated" else _flipped
        cleaned.write_bytes(change(content))


def encrypt(folder: Path, observation: Observation, seed: int) -> None:
    """Replace every file by one of random bytes whose name ends in `.gpg`.

    The first line says that it is a simulation, so nothing decrypts it.
    """
    rng = np.random.default_rng([seed, int(observation.obsid)])
    for path in sorted(folder.rglob("*.gz")):
        path.unlink()
        noise = rng.integers(0, 256, _ENCRYPTED_BYTES, dtype=np.uint8).tobytes()
        path.with_name(f"{path.name}.gpg").write_bytes(b"SIMULATED, not a real encrypted file\n" + noise)


def _truncated(content: bytes) -> bytes:
    return content[: int(len(content) * _KEPT_SHARE)]


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]

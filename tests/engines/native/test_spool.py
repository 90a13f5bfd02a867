"""The spool gives back what was put in, from memory and from disk."""

from pathlib import Path

import numpy as np
import pytest

from tasks.engines.native import spool
from tasks.engines.native.spool import Spool


def filled(count: int) -> tuple[Spool, list[dict[str, np.ndarray]]]:
    made = Spool()
    chunks = [
        {"TIME": np.arange(5.0) + number, "X": np.full(5, number, np.int16), "PI": np.arange(5, dtype=">i4")}
        for number in range(count)
    ]
    for chunk in chunks:
        made.append(chunk)
    return made, chunks


@pytest.mark.parametrize("room", [0, 150, 1 << 20])
def test_chunks_come_back_in_order_as_often_as_wanted(
    room: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(spool, "_HELD", room)
    made, chunks = filled(6)
    for _ in range(2):
        found = list(made.chunks(("X", "TIME")))
        assert [list(chunk) for chunk in found] == [["X", "TIME"]] * 6
        for chunk, expected in zip(found, chunks, strict=True):
            assert chunk["X"].dtype == np.int16
            for name in ("X", "TIME"):
                assert np.array_equal(chunk[name], expected[name])
    assert list(tmp_path.iterdir()) == []


def test_an_empty_spool() -> None:
    assert list(Spool().chunks(("X",))) == []


def test_no_more_than_the_bound_is_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(spool, "_HELD", 150)
    made, _ = filled(6)
    assert sum(values.nbytes for chunk in made._held for values in chunk.values()) <= 150

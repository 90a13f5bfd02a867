import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.cli.main import main
from tasks.archive.simulated.catalogue import write_catalogue
from tasks.archive.simulated.programme import programme
from tasks.core.errors import Permanent
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.attempts import Attempt, write_attempt
from tasks.library.ledger import Ledger
from tasks.library.manifest import Kind, Manifest, NotMade, Product, Role, Step, StepRecord
from tasks.library.publication import manifest_bytes
from tasks.library.rows import Sighting, SweepRow
from tasks.library.store import open_store
from tasks.xtend.cautions import Caution, Severity

OBSID = ObsID("900001010")
DATACLASS = DataClass("30000010")
FAILED = ObsID("900011010")
TRAP = "[/bold] [red]not a colour[/red] [dML87] 563"


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit status, what it printed, and the names in its directory."""

    status: int
    out: str
    err: str
    written: tuple[str, ...]


@pytest.fixture
def here(tmp_path: Path, bare_host: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, an environment that says nothing, and no HEASoft."""
    for name in os.environ:
        if name.startswith(("XTENDFLOW_", "PREFECT_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def xtendflow(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """The whole command line, in this process."""

    def run(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["xtendflow", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int | None)
        return Ended(
            ended.value.code or 0, said.out, said.err, tuple(sorted(path.name for path in here.iterdir()))
        )

    return run


@pytest.fixture
def refused(xtendflow: Callable[..., Ended], here: Path) -> Callable[..., str]:
    """Runs a command that must be refused, as bad input if not told otherwise: the one line that it says."""

    def run(*words: object, status: int = 2) -> str:
        before = tuple(sorted(path.name for path in here.iterdir()))
        ended = xtendflow(*words)
        assert ended.status == status, ended
        assert ended.out == ""
        assert ended.err.startswith("xtendflow: ")
        assert ended.err.count("\n") == 1, ended.err
        assert "Traceback" not in ended.err
        assert ended.written == before
        return ended.err.removeprefix("xtendflow: ").rstrip("\n")

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive without files, whose catalogue is there."""
    folder = tmp_path / "archive"
    folder.mkdir()
    write_catalogue(folder / "xrismmastr.ecsv", programme(with_faults=False))
    return folder


@pytest.fixture
def swept(here: Path) -> Path:
    """What a sweep leaves: one observation that is done and one that failed, with names full of markup."""
    data = here / "sweep-data"
    data.mkdir()
    store, ledger = open_store(str(data / "store")), Ledger.open(f"sqlite:///{data}/ledger.sqlite")
    started = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
    done, failed = Standing(state=State.DONE), Standing.of(Permanent(f"damaged: {TRAP}"))
    ledger.note(Sighting(obsid, TRAP, "row", done, "new") for obsid in (OBSID, FAILED))
    for obsid, standing, datasets in ((OBSID, done, {DATACLASS: done}), (FAILED, failed, {})):
        attempt = Attempt(
            id=f"a{obsid}",
            obsid=obsid,
            started=started,
            ended=started,
            host="ground:1",
            engine="native",
            standing=standing,
            datasets=datasets,
            tries=3,
        )
        write_attempt(store, attempt)
        ledger.record_attempt(attempt)
    manifest = Manifest(
        obsid=OBSID,
        dataclass=DATACLASS,
        recipe="standard",
        steps={Step.EXTRACTION: StepRecord(fingerprint="0" * 64, engine="native", versions={}, calls=())},
        products=tuple(
            Product(
                step=Step.EXTRACTION,
                kind=Kind.IMAGE,
                role=Role.FIELD,
                name=f"{binning}.img",
                path=f"extraction-0/{binning}.img",
                size=1,
                sha256="0" * 64,
                fingerprint="0" * 64,
            )
            for binning in (1, 4)
        ),
        not_made=(NotMade(step=Step.DERIVED, kind=Kind.RATE_IMAGE, why=TRAP),),
        cautions=(Caution(id="trap", severity=Severity.CAUTION, sentence=TRAP),),
    )
    store.replace(f"{OBSID}/{DATACLASS}/manifest.json", manifest_bytes(manifest))
    ledger.record_manifest(manifest, done)
    ledger.record_sweep(SweepRow("night", started, started, "standard", {"done": 1, "failed": 1}))
    ledger.close()
    return data

"""Everything that is known of all observations, as the index and the observations' pages show it."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from tasks.core.identifiers import ObsID
from tasks.core.state import State
from tasks.library.fingerprint import fingerprint
from tasks.library.history import Tried, tried
from tasks.library.ledger import Ledger
from tasks.library.rows import DatasetRow, ObservationRow, Sighting
from tasks.library.store import Store
from tasks.library.summarising import results_of
from tasks.library.summary import Result
from tasks.report.site_catalogue import Facts, read_facts

_NEVER: Final = Tried()
_NOTHING: Final = Facts()
URGENT: Final = (State.FAILED, State.RUNNING, State.WAITING, State.SKIPPED, State.DONE)
"""States in the order in which they are looked at in the morning."""


@dataclass(frozen=True)
class Known:
    """One observation.

    Parameters
    ----------
    row : ObservationRow
        The ledger's.
    facts : Facts
        The catalogue's.
    datasets : tuple of DatasetRow
        The ledger's, in the order of data class.
    results : tuple of Result
        A row of the index each: the datasets, and the observation itself when it has none or stands
        otherwise than they do.
    tried : Tried
        How often it was attempted.
    """

    row: ObservationRow
    facts: Facts
    datasets: tuple[DatasetRow, ...]
    results: tuple[Result, ...]
    tried: Tried

    @property
    def obsid(self) -> ObsID:
        """Its number."""
        return self.row.obsid

    @property
    def target(self) -> str:
        """What was observed, as far as anybody says."""
        return self.row.name or self.facts.name

    def digest(self, *also: str) -> str:
        """Hash over everything that its page shows; the manifests come in by their fingerprints."""
        row = self.row
        datasets = [(item.dataclass, item.standing, item.manifest) for item in self.datasets]
        mine = (row.obsid, row.name, row.standing, row.why, row.attempts)
        return fingerprint(mine, self.facts, datasets, self.tried, also)


def known(store: Store, ledger: Ledger) -> tuple[Known, ...]:
    """Every observation that was ever found, in the order of ObsID."""
    facts, attempts = read_facts(store), tried(ledger)
    datasets: dict[ObsID, list[DatasetRow]] = defaultdict(list)
    for dataset in ledger.datasets():
        datasets[dataset.obsid].append(dataset)
    return tuple(
        _known(row, facts.get(obsid, _NOTHING), datasets[obsid], attempts.get(obsid, _NEVER))
        for obsid, row in ledger.observations().items()
    )


def _known(row: ObservationRow, facts: Facts, datasets: list[DatasetRow], attempts: Tried) -> Known:
    datasets.sort(key=lambda item: item.dataclass)
    seen = Sighting(row.obsid, row.name or facts.name, row.catalogue or "", row.standing, row.why)
    return Known(row, facts, tuple(datasets), tuple(results_of(seen, None, datasets)), attempts)

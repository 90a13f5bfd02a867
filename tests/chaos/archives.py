"""Archives that lie, and a store in a bucket: no corrupt byte may reach a product."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import lying
from buckets import BUCKET, S3, s3
from checker import read_manifests, truth
from killing import SWEEP_FLOW, signal_one
from likeness import differences
from lying import Bucket, Liar, WebPages, repacked
from place import Place
from recipes import plain
from stage import OBSIDS, PATIENT, Stage, check, settle

_SWEEPS = 5
"""With so many sweeps an archive that lies a third of the time is read, or nothing of it ever is."""


def archives(stage: Stage) -> Iterator[str]:
    """Sweep archives that lie until everything is done, and compare with an undisturbed sweep."""
    calm = stage.place("calm")
    yield from settle(stage, calm, plain(), *OBSIDS)
    number = 0
    with s3() as server:
        server.fill(stage.archive, "archive")
        while number < 2 or stage.seconds > 120:
            number += 1
            name = f"{'web' if number % 2 else 'bucket'}-{number}"
            with _web(stage) if number % 2 else _bucket(stage, server) as (liar, url, variables):
                place = replace(stage.place(name, **variables), archive=url)
                yield from _read(stage, place, liar)
            yield from _inputs(place.store, stage.archive)
            yield from differences(place.store, calm.store)


def in_short(stage: Stage) -> Iterator[str]:
    """One web server that lies, and one observation."""
    calm = stage.place("calm")
    yield from settle(stage, calm, plain(), OBSIDS[0])
    with _web(stage) as (liar, url, variables):
        place = replace(stage.place("web", **variables), archive=url)
        yield from _read(stage, place, liar, OBSIDS[0])
    yield from _inputs(place.store, stage.archive)
    yield from differences(place.store, calm.store)


@contextmanager
def _web(stage: Stage) -> Iterator[tuple[Liar, str, dict[str, str]]]:
    with lying.lying(WebPages(stage.archive), stage.random, stage.figures.faults) as liar:
        yield liar, f"http://127.0.0.1:{liar.port}", {}


@contextmanager
def _bucket(stage: Stage, server: S3) -> Iterator[tuple[Liar, str, dict[str, str]]]:
    origin = Bucket(server.port, BUCKET, server.client)
    with lying.lying(origin, stage.random, stage.figures.faults) as liar:
        yield liar, f"s3://{BUCKET}/archive", server.variables(liar.port)


def _read(stage: Stage, place: Place, liar: Liar, *obsids: str) -> Iterator[str]:
    """Sweep until nothing fails, at last with an honest archive."""
    for _ in range(_SWEEPS):
        stage.stand()
        command = place.sweep(plain(), *(obsids or OBSIDS), more=PATIENT)
        yield from stage.ended(command)
        if command.process.returncode == 0:
            break
        yield from truth(place.store, read_manifests(place.store))
    liar.honest = True
    yield from settle(stage, place, plain(), *(obsids or OBSIDS))


def _inputs(store: Path, archive: Path) -> Iterator[str]:
    """Files that the manifests name as inputs and the archive never had."""
    for dataset, manifest in read_manifests(store).items():
        obsid = manifest["obsid"]
        for item in manifest["inputs"]:
            content = (archive / obsid[0] / obsid / item["name"]).read_bytes()
            if item["sha256"] not in {
                sha256(version).hexdigest() for version in (content, repacked(content))
            }:
                yield f"{dataset}: {item['name']} is no file that the archive ever had"


def bucket_store(stage: Stage) -> Iterator[str]:
    """A store in a bucket, with sweeps that are killed; then one in peace."""
    with s3() as server:
        variables = {**server.variables(), "XTENDFLOW_STORE": f"s3://{BUCKET}/store"}
        place = stage.place("store", **variables)
        for _ in range(2):
            stage.stand()
            command = place.sweep(plain(), *OBSIDS[:2], more=PATIENT)
            signal_one(place, signal.SIGKILL, SWEEP_FLOW, after=stage.random.uniform(5, 12))
            stage.figures.kills["sweep, its flow"] += 1
            yield from stage.ended(command)
        last = place.sweep(plain(), *OBSIDS[:2], more=PATIENT)
        yield from stage.ended(last)
        if last.process.returncode:
            yield f"the undisturbed sweep ended {last.process.returncode} ({last.err})"
        copy = stage.folder / "copy"
        server.download("store", copy)
        yield from check(stage, place.having(XTENDFLOW_STORE=str(copy)))

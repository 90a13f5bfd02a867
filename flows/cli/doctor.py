"""`xtendflow doctor`: what is installed and reachable, and what to do about what is not."""

import contextlib
import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flows.cli.options import AsJson, console, has_ledger, read_settings
from tasks.core.errors import EnvironmentFault, XtendflowError
from tasks.core.settings import Settings
from tasks.core.words import without_password

if TYPE_CHECKING:
    from tasks.engines.heasoft.installation import Installation

_FREE_GB = 20


class Verdict(StrEnum):
    """How a finding is to be taken."""

    GOOD = "good"
    ABSENT = "absent"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    what : str
        Its name.
    verdict : Verdict
        `absent` is fine with the embedded default, `broken` is not.
    detail : str
        What was found.
    advice : str
        What to do about it; empty when it is good.
    """

    what: str
    verdict: Verdict
    detail: str
    advice: str = ""


def doctor(
    as_json: AsJson = False,
) -> None:
    """Say what is installed and reachable, and what to do about what is not.

    Ends with status 3 when something that every sweep needs is broken.
    """
    settings = read_settings()
    findings = [_python(), *_heasoft(), _fits(), _prefect_server(settings), _disk(settings), _store(settings)]
    findings += [_ledger(settings), _queue(settings), _sources(settings)]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings, settings)
    broken = [finding.what for finding in findings if finding.verdict == Verdict.BROKEN]
    if broken:
        raise EnvironmentFault(f"not ready: {', '.join(broken)}")


def _show(findings: list[Finding], settings: Settings) -> None:
    from rich.markup import escape
    from rich.table import Column, Table

    out = console()
    table = Table(box=None, pad_edge=False, show_header=False)
    colours = {Verdict.GOOD: "green", Verdict.ABSENT: "yellow", Verdict.BROKEN: "red"}
    for finding in findings:
        text = escape(finding.detail)
        if finding.advice:
            text += f"\n[dim]{escape(finding.advice)}[/dim]"
        table.add_row(
            f"[{colours[finding.verdict]}]{finding.verdict}[/]", f"[bold]{finding.what}[/bold]", text
        )
    out.print(table)
    out.print("\n[bold]Settings[/bold] (XTENDFLOW_… variables or xtendflow.toml)")
    shown = Table("", Column(overflow="fold"), "", box=None, pad_edge=False, show_header=False)
    for name, field in Settings.model_fields.items():
        shown.add_row(name, escape(_shown(name, settings)), f"[dim]{field.description}[/dim]")
    out.print(shown)


def _shown(name: str, settings: Settings) -> str:
    """A setting's value in force, without a password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    from tasks.library.database import shown

    if name == "store":
        return without_password(settings.store_url)
    if name == "ledger":
        try:
            return shown(make_url(settings.ledger_url))
        except ArgumentError:  # not repeated: it may hold a password
            return "(no SQLAlchemy URL)"
    # What follows a question mark may be a key, and no address here needs one.
    return without_password(str(getattr(settings, name))).partition("?")[0]


def _python() -> Finding:
    detail = (
        f"Python {platform.python_version()}, xtendflow {version('xtendflow')}, Prefect {version('prefect')}"
    )
    return Finding("Python", Verdict.GOOD, f"{detail} ({sys.executable})")


def _heasoft() -> list[Finding]:
    from tasks.engines.heasoft.installation import find_installation

    found, given = find_installation(), os.environ.get("HEADAS")
    come_with = "It comes with HEASoft (conda channel or source build), not from a Python package index."
    heasoft = (
        _tools(found)
        if found.headas
        else Finding(
            "HEASoft",
            Verdict.ABSENT,
            f"HEADAS is {f'{given}, no directory' if given else 'not set'}: the native engine is used",
            "To reprocess from unfiltered events, install HEASoft and source its headas-init.sh first.",
        )
    )
    heasoftpy = (
        Finding("heasoftpy", Verdict.GOOD, found.heasoftpy)
        if found.heasoftpy
        else Finding("heasoftpy", Verdict.ABSENT, "not importable by this Python", come_with)
    )
    return [heasoft, heasoftpy, _caldb(found)]


def _tools(found: "Installation") -> Finding:
    """Whether it has the tools of every step: one that is old, or built in part, lacks some."""
    from tasks.engines.heasoft.engine import COME_WITH, TOOLS

    told = f"{found.version or 'unknown version'} at {found.headas}"
    lacking = {step: absent for step, tools in TOOLS.items() if (absent := found.without(tools))}
    if not lacking:
        return Finding("HEASoft", Verdict.GOOD, told)
    missing = dict.fromkeys(tool for tools in lacking.values() for tool in tools)
    return Finding(
        "HEASoft",
        Verdict.ABSENT,
        f"{told} has no {', '.join(missing)}: it cannot do {', '.join(lacking)}",
        f"{COME_WITH}. Until it is complete auto means the native engine.",
    )


def _caldb(found: "Installation") -> Finding:
    from tasks.engines.heasoft.caldb import caldb_version

    if not found.caldb:
        return Finding(
            "CALDB",
            Verdict.ABSENT,
            "CALDB is not set: no responses can be made",
            "Set CALDB to a local copy or to https://nasa-heasarc.s3.amazonaws.com/caldb.",
        )
    try:
        version_there = caldb_version(found.caldb)
    except EnvironmentFault as exc:
        # Without the rest of HEASoft nothing asks for it.
        verdict = Verdict.ABSENT if found.lacking else Verdict.BROKEN
        return Finding("CALDB", verdict, str(exc), "Set CALDB to a copy that holds XRISM's Xtend data.")
    tables = [name for name in ("CALDBCONFIG", "CALDBALIAS") if not os.environ.get(name)]
    if tables and "://" in found.caldb:
        return Finding(
            "CALDB",
            Verdict.ABSENT,
            f"{version_there}, but {' and '.join(tables)} not set: tools find nothing at an address without",
            "Set them to copies of its software/tools/caldb.config and software/tools/alias_config.fits.",
        )
    told = version_there if found.caldb in version_there else f"{version_there} at {found.caldb}"
    return Finding("CALDB", Verdict.GOOD, told)


def _fits() -> Finding:
    from tasks.engines.fitters import fitters

    found = " and ".join(
        f"{name} {version}" for name, version in fitters().items() if name != "periodictable"
    )
    if found:
        return Finding("Fits", Verdict.GOOD, found)
    return Finding(
        "Fits",
        Verdict.ABSENT,
        "neither Sherpa nor PyXspec: no fit can be made",
        "pip install 'xtendflow[sherpa]', or make sherpa; PyXspec comes with HEASoft built with XSPEC.",
    )


def _queue(settings: Settings) -> Finding:
    """Which work queue this host can serve, and who has HEASoft by the ledger."""
    from tasks.engines.choice import DEFAULT_QUEUE, HEASOFT_QUEUE, installed
    from tasks.library.ledger import Ledger

    engines = {each.name for each in installed()}
    queues = f"{DEFAULT_QUEUE} and {HEASOFT_QUEUE}" if "heasoft" in engines else f"{DEFAULT_QUEUE} alone"
    known = ""
    if has_ledger(settings):
        try:
            with contextlib.closing(Ledger.open(settings.ledger_url)) as ledger:
                registered = ledger.registered_versions("heasoft")
        except XtendflowError:
            registered = ()  # the ledger's own line says what is wrong
        versions = sorted({each.get("heasoft", "unknown") for each in registered})
        known = f"; HEASoft that workers have registered: {', '.join(versions) or 'none'}"
    return Finding("Work queue", Verdict.GOOD, f"this host can serve {queues}{known}")


def _prefect_server(settings: Settings) -> Finding:
    from flows.server import Server, is_healthy, running

    given = os.environ.get("PREFECT_API_URL")
    if given and is_healthy(Server(given.rstrip("/"))):
        return Finding("Prefect server", Verdict.GOOD, f"{without_password(given)} answers")
    if given:
        advice = "Start that server, or unset PREFECT_API_URL to use a local one."
        return Finding("Prefect server", Verdict.BROKEN, f"{without_password(given)} does not answer", advice)
    server = running(settings.prefect_home)
    if server:
        return Finding("Prefect server", Verdict.GOOD, f"the local one is up: {server.ui}")
    return Finding(
        "Prefect server", Verdict.ABSENT, "none is up", "Every sweep starts a local one by itself."
    )


def _disk(settings: Settings) -> Finding:
    place = next(folder for folder in (settings.root, *settings.root.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free / 1e9
    if free >= _FREE_GB:
        return Finding("Disk", Verdict.GOOD, f"{free:.0f} GB free at {place}")
    advice = "An observation takes a few GB; free some space or set XTENDFLOW_DATA to a larger disk."
    return Finding("Disk", Verdict.ABSENT, f"{free:.1f} GB free at {place}", advice)


def _store(settings: Settings) -> Finding:
    from tasks.library.store import open_store

    try:
        store = open_store(settings.store_url)
        place = Path(settings.store_url)
        if "://" not in settings.store_url and not place.exists():
            return Finding("Store", Verdict.ABSENT, f"{place} is not there yet", "The first sweep makes it.")
        store.check()
    except XtendflowError as exc:
        advice = "Give another store (XTENDFLOW_STORE), or its rights and credentials."
        return Finding("Store", Verdict.BROKEN, str(exc), advice)
    return Finding("Store", Verdict.GOOD, f"{settings.store_url} can be written")


def _ledger(settings: Settings) -> Finding:
    from tasks.library.ledger import Ledger

    shown = _shown("ledger", settings)
    if not has_ledger(settings):
        return Finding("Ledger", Verdict.ABSENT, f"{shown} is not there yet", "The first sweep makes it.")
    try:
        Ledger.open(settings.ledger_url).close()
    except XtendflowError as exc:
        return Finding("Ledger", Verdict.BROKEN, str(exc), "See XTENDFLOW_LEDGER.")
    return Finding("Ledger", Verdict.GOOD, shown)


def _sources(settings: Settings) -> Finding:
    """A directory must be there (settings see to a table); what is elsewhere is not asked."""
    from tasks.archive.objects import open_archive

    shown = f"{_shown('archive', settings)}, catalogue {settings.catalogue}"
    try:
        open_archive(settings.archive).close()
    except XtendflowError as exc:
        return Finding("Archive", Verdict.BROKEN, str(exc), "See XTENDFLOW_ARCHIVE.")
    return Finding("Archive", Verdict.GOOD, f"{shown} (not asked where elsewhere)")

"""`xtendflow sweep`: one pass over the archive on a Prefect server."""

import contextlib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from flows.cli.dry_run import show_plan
from flows.cli.options import (
    Archive,
    AsJson,
    CatalogueName,
    EngineChoice,
    StepEngines,
    StoreUrl,
    has_ledger,
    read_settings,
    with_engines,
)
from flows.cli.supervising import supervised
from tasks.core.errors import BadInput, EnvironmentFault, Transient, XtendflowError
from tasks.core.identifiers import ObsID
from tasks.core.settings import Settings
from tasks.core.words import in_words

if TYPE_CHECKING:
    from tasks.archive.catalogue.interface import Query
    from tasks.archive.selection import Rules
    from tasks.library.recipe import Recipe

Checked = TypeVar("Checked", bound=BaseModel)

Only = Annotated[str | None, typer.Option(help="Only what is `failed`, `new` or `stale`.")]
Limit = Annotated[int | None, typer.Option(help="At most this many observations.")]
MaxAttempts = Annotated[
    int | None,
    typer.Option(help="Failed attempts after which an observation is left alone (5)."),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify", help="Compare everything with the archive's listings, and a store on S3 with the ledger."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be run, and why.")]


def sweep(
    target: Annotated[str | None, typer.Option(help="Observations around this target.")] = None,
    position: Annotated[
        tuple[float, float] | None, typer.Option(help="RA and Dec in degrees instead of a name.")
    ] = None,
    radius: Annotated[
        float | None, typer.Option(help="Search radius in arcmin (15; 34 for anything in the field).")
    ] = None,
    obsid: Annotated[list[str] | None, typer.Option(help="Only this ObsID (repeatable).")] = None,
    since: Annotated[str | None, typer.Option(help="Observed on this day (YYYY-MM-DD) or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Observed on this day or before.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="TOML file that says what to make.")] = None,
    engine: EngineChoice = None,
    step_engine: StepEngines = None,
    archive: Archive = None,
    catalogue: CatalogueName = None,
    store: StoreUrl = None,
    cores: Annotated[int | None, typer.Option(help="Child processes at once (all cores).")] = None,
    only: Only = None,
    limit: Limit = None,
    max_attempts: MaxAttempts = None,
    verify: Verify = False,
    dry_run: DryRun = False,
    keep_server: Annotated[
        bool, typer.Option("--keep-server", help="Leave the local Prefect server running.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find public observations, and make whatever is new or stale.

    Without a selection it takes the whole archive, and of what it finds it runs what is new, changed or
    failed. One named by --obsid is compared with the archive now, and is run also when it was left alone.
    A local Prefect server is started unless PREFECT_API_URL names one. Ends with status 0 when everything
    is done, 1 when something failed, 2 on bad input, 3 when server, catalogue, store or engine cannot be
    used, 130 when interrupted.
    """
    from tasks.library.recipe import Recipe, read_recipe

    settings = read_settings(archive=archive, catalogue=catalogue, store=store, cores=cores)
    ra, dec = position or (None, None)
    if radius is not None and target is None and position is None:
        raise BadInput("--radius needs a --target or a --position")
    query = _query(
        target=target,
        ra=ra,
        dec=dec,
        radius_arcmin=radius,
        obsids=tuple(map(ObsID, obsid or ())),
        since=_day(since),
        until=_day(until),
    )
    rules = _rules(only=only, limit=limit, max_attempts=max_attempts, verify=verify)
    chosen = with_engines(read_recipe(recipe) if recipe else Recipe(), engine, step_engine)
    _check_engines(settings, chosen)
    _check_places(settings, query)
    if dry_run:
        show_plan(settings, query, chosen, rules, as_json=as_json)
        return
    order = {
        "query": query.model_dump(mode="json"),
        "recipe": chosen.model_dump(mode="json"),
        "rules": rules.model_dump(mode="json"),
        "as_json": as_json,
    }
    raise typer.Exit(supervised(settings, order, keep=keep_server))


def _query(**given: Any) -> "Query":
    """What to look for, or one line that says what is wrong with it."""
    from tasks.archive.catalogue.interface import Query

    return _checked(Query, "the selection", given)


def _rules(**given: Any) -> "Rules":
    """Which of the observations found are run, or one line that says what is wrong with it."""
    from tasks.archive.selection import Rules

    return _checked(Rules, "what to run", given)


def _checked(model: type[Checked], what: str, given: dict[str, Any]) -> Checked:
    try:
        return model.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as exc:
        raise BadInput(f"{what} does not hold: {in_words(exc)}") from exc


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as exc:
        raise BadInput(f"{text!r} is no day: give YYYY-MM-DD, such as 2026-11-01") from exc


def _check_engines(settings: Settings, recipe: "Recipe") -> None:
    """Refuse a recipe that no host can follow, as far as this one and the ledger know."""
    from tasks.engines.choice import choose
    from tasks.library.ledger import Ledger

    registered: tuple[dict[str, str], ...] = ()
    if has_ledger(settings):
        with contextlib.closing(Ledger.open(settings.ledger_url)) as ledger:
            registered = ledger.registered_versions("heasoft")
    choose(recipe, registered)


def _check_places(settings: Settings, query: "Query") -> None:
    """Refuse places that cannot work before anything is started or written."""
    from tasks.archive.catalogue.interface import Query
    from tasks.archive.catalogue.opening import is_local, open_catalogue
    from tasks.archive.objects import open_archive
    from tasks.library.ledger import Ledger
    from tasks.library.store import open_store

    try:
        open_archive(settings.archive).close()
        # What is named must be there. A sweep over all of a table leaves reading it to discovery: to do so
        # twice would take a second more each night.
        if is_local(settings.catalogue) and query != Query():
            open_catalogue(settings.catalogue).find(query)
        open_store(settings.store_url).check()
    except (EnvironmentFault, Transient) as exc:
        raise EnvironmentFault(str(exc)) from exc
    except XtendflowError as exc:
        raise BadInput(str(exc)) from exc
    # Last, as this makes the file where the ledger is one.
    Ledger.open(settings.ledger_url).close()

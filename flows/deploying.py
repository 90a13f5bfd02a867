"""Deploying: what a Prefect server needs is put there once, and changed only where it differs.

`deployments/prefect.yaml` is the one list of deployments; Prefect's own `prefect deploy` reads it, too. What
people decide on the server stays as they left it: whether something is paused, a deployment's recipe, and a
work pool's template.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import yaml
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker

from flows.api import Api, connected
from flows.automations import notifications, watch
from tasks.core.errors import BadInput
from tasks.library.recipe import Recipe

_RECIPE = "recipe"
_WORD = re.compile(r"[A-Za-z0-9_-]+")


class Outcome(StrEnum):
    """What becomes of a thing on the server."""

    MADE = "made"
    CHANGED = "changed"
    LEFT = "left"


@dataclass(frozen=True)
class Change:
    """One thing on the server.

    Parameters
    ----------
    what : str
        Its kind and name.
    outcome : Outcome
        What becomes of it.
    detail : str
        What differs, or why it is left; empty when there is nothing to say.
    """

    what: str
    outcome: Outcome
    detail: str = ""


def deploy(
    pool: str, notify: str | None = None, recipe: Recipe | None = None, *, dry_run: bool = False
) -> tuple[Change, ...]:
    """Put work pool, deployments and automations on the server of `PREFECT_API_URL`.

    Parameters
    ----------
    pool : str
        Name of the work pool; one of the type process is made when it is not there.
    notify : str, optional
        Notification block whom failures are told, `TYPE/NAME` such as `slack-webhook/ops`.
    recipe : Recipe, optional
        What deployments make that are not told otherwise; without it each keeps the one that it has.
    dry_run : bool
        Say what would be done, and change nothing.

    Raises
    ------
    BadInput
        When there is no such block, or it cannot notify.
    EnvironmentFault
        When the server does not answer or refuses.
    """
    spec = specification()
    with connected(dry_run=dry_run) as to:
        block = None if notify is None else _block(to, notify)
        changes = [_put_pool(to, pool)]
        limits = {}
        for flow in sorted({_flow_name(item) for item in spec["deployments"] if "concurrency_limit" in item}):
            change, limits[flow] = _put_limit(to, flow, spec["deployments"])
            changes.append(change)
        given = {} if recipe is None else recipe.model_dump(mode="json")
        changes += [
            _put_deployment(to, item, _wanted(item, spec["pull"], pool, given), limits)
            for item in spec["deployments"]
        ]
        wanted = [watch(sorted({_flow_name(item) for item in spec["deployments"]}))]
        wanted += notifications(block) if block else []
        return (*changes, *(_put_automation(to, each) for each in wanted))


def specification() -> dict[str, Any]:
    """What `deployments/prefect.yaml` says."""
    found: dict[str, Any] = yaml.safe_load(_text("prefect.yaml"))
    return found


def form(entrypoint: str) -> dict[str, Any]:
    """The JSON schema of a flow's parameters: Prefect's pages make a form of it, its server enforces it."""
    found: dict[str, Any] = parameter_schema(load_flow_from_entrypoint(entrypoint)).model_dump(
        mode="json", exclude_unset=True
    )
    # Else a name that is misspelt would be accepted, and fail on a worker.
    return {**found, "additionalProperties": False}


def pool_template() -> dict[str, Any]:
    """The base job template of a work pool of the type process."""
    found: dict[str, Any] = json.loads(_text("pools/process.json"))
    return found


def _text(name: str) -> str:
    return files("deployments").joinpath(name).read_text(encoding="utf-8")


def _block(to: Api, name: str) -> str:
    """The id of a notification block."""
    kind, slash, own = name.partition("/")
    found = (
        to.find(f"/block_types/slug/{kind}/block_documents/name/{own}")
        if slash and _WORD.fullmatch(kind) and _WORD.fullmatch(own)
        else None
    )
    if found is None:
        raise BadInput(f"the Prefect server has no block {name!r}: give TYPE/NAME, such as slack-webhook/ops")
    if "notify" not in found["block_schema"]["capabilities"]:
        raise BadInput(f"the block {name!r} cannot notify anybody")
    return str(found["id"])


def _put_pool(to: Api, pool: str) -> Change:
    what, template = f"work pool {pool}", pool_template()
    found = to.find(f"/work_pools/{quote(pool)}")
    if found is None:
        to.send(
            "POST", "/work_pools/", {"name": pool, "type": ProcessWorker.type, "base_job_template": template}
        )
        return Change(what, Outcome.MADE)
    if found["type"] != ProcessWorker.type:
        return Change(what, Outcome.LEFT, f"its type is {found['type']}")
    if found["base_job_template"] == template:
        return Change(what, Outcome.LEFT)
    # A worker that came first has made the pool with Prefect's own.
    if found["base_job_template"] != ProcessWorker.get_default_base_job_template():
        return Change(what, Outcome.LEFT, "its template is somebody's own")
    to.send("PATCH", f"/work_pools/{quote(pool)}", {"base_job_template": template})
    return Change(what, Outcome.CHANGED, "base_job_template")


def _put_limit(to: Api, flow: str, items: Iterable[Mapping[str, Any]]) -> tuple[Change, str | None]:
    """The limit that all deployments of a flow share, and its id (None where a dry run makes none)."""
    (limit,) = {item["concurrency_limit"]["limit"] for item in items if _flow_name(item) == flow}
    name = _limit_name(flow)
    found = to.find(f"/v2/concurrency_limits/{name}")
    if found is None:
        made = to.send("POST", "/v2/concurrency_limits/", {"name": name, "limit": limit})
        return Change(f"concurrency limit {name}", Outcome.MADE), made and made["id"]
    if found["limit"] == limit:
        return Change(f"concurrency limit {name}", Outcome.LEFT), found["id"]
    to.send("PATCH", f"/v2/concurrency_limits/{name}", {"limit": limit})
    return Change(f"concurrency limit {name}", Outcome.CHANGED, "limit"), found["id"]


def _put_deployment(
    to: Api,
    item: Mapping[str, Any],
    wanted: dict[str, Any],
    limits: Mapping[str, str | None],
) -> Change:
    flow = _flow_name(item)
    what, schedules = f"deployment {flow}/{item['name']}", _schedules(item)
    shared = {"global_concurrency_limit_id": limits[flow]} if flow in limits else {}
    found = to.find(f"/deployments/name/{flow}/{item['name']}")
    if found is None:
        made = to.send("POST", "/flows/", {"name": flow})
        content = {"name": item["name"], "flow_id": made and made["id"], "schedules": schedules}
        to.send("POST", "/deployments/", {**wanted, **shared, **content})
        return Change(what, Outcome.MADE)
    wanted["parameters"] = _with_recipe(wanted["parameters"], found["parameters"].get(_RECIPE) or {})
    differing = {name: value for name, value in wanted.items() if not _agree(found.get(name), value)}
    if shared and (found["global_concurrency_limit"] or {}).get("name") != _limit_name(flow):
        differing |= shared
    if _essence(schedules) != _essence(found["schedules"]):
        differing["schedules"] = _as_active_as(schedules, found["schedules"])
    if not differing:
        return Change(what, Outcome.LEFT)
    if "work_queue_name" in differing or "work_pool_name" in differing:
        # Prefect looks for a queue in the pool that is given with it.
        differing |= {name: wanted[name] for name in ("work_pool_name", "work_queue_name")}
    to.send("PATCH", f"/deployments/{found['id']}", differing)
    return Change(what, Outcome.CHANGED, ", ".join(sorted(differing)))


def _flow_name(item: Mapping[str, Any]) -> str:
    return str(item["entrypoint"]).rpartition(".")[2]


def _limit_name(flow: str) -> str:
    return f"xtendflow-{flow}"


def _wanted(item: Mapping[str, Any], pull: list[Any], pool: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a deployment is on the server, as Prefect's API calls it, with the recipe if it takes one."""
    schema, own = form(item["entrypoint"]), item.get("parameters", {})
    takes = _RECIPE in schema["properties"]
    limit = item.get("concurrency_limit")
    strategy = {"collision_strategy": limit["collision_strategy"]} if limit else None
    return {
        "version": item["version"],
        "description": item["description"],
        "tags": item["tags"],
        "entrypoint": item["entrypoint"],
        "pull_steps": pull,
        "parameters": _with_recipe(own, recipe) if takes else own,
        "parameter_openapi_schema": schema,
        "enforce_parameter_schema": True,
        "concurrency_options": strategy,
        "work_pool_name": pool,
        "work_queue_name": item["work_pool"]["work_queue_name"],
        "job_variables": item["work_pool"]["job_variables"],
    }


def _with_recipe(parameters: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with a recipe, of which they may say some themselves."""
    return {**parameters, _RECIPE: {**recipe, **parameters.get(_RECIPE, {})}} if recipe else dict(parameters)


def _agree(found: Any, wanted: Any) -> bool:
    """Whether two values mean the same; what the server adds to an object of ours is empty."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return {name: value for name, value in found.items() if name in wanted or value is not None} == wanted
    return bool(found == wanted)


def _schedules(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "slug": each["slug"],
            "active": each.get("active", True),
            "schedule": {"cron": each["cron"], "timezone": each["timezone"]},
        }
        for each in item.get("schedules", ())
    ]


def _essence(schedules: Iterable[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    """What of schedules is ours to say; whether they are active is said on the server."""
    return {
        (each["slug"], each["schedule"].get("cron"), each["schedule"].get("timezone")) for each in schedules
    }


def _as_active_as(
    wanted: Iterable[dict[str, Any]], found: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    active = {each["slug"]: each["active"] for each in found}
    return [{**each, "active": active.get(each["slug"], each["active"])} for each in wanted]


def _put_automation(to: Api, wanted: Any) -> Change:
    what, content = f"automation {wanted.name}", wanted.model_dump(mode="json")
    found = to.search("/automations/filter", {"automations": {"name": {"any_": [wanted.name]}}, "limit": 1})
    if not found:
        to.send("POST", "/automations/", content)
        return Change(what, Outcome.MADE)
    there = type(wanted).model_validate(found[0])
    differing = [
        name
        for name in ("description", "tags", "trigger", "actions")
        if getattr(there, name) != getattr(wanted, name)
    ]
    if not differing:
        return Change(what, Outcome.LEFT)
    to.send("PUT", f"/automations/{found[0]['id']}", {**content, "enabled": there.enabled})
    return Change(what, Outcome.CHANGED, ", ".join(differing))

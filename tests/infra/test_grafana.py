"""Dashboards: what Grafana is given is sound, and its queries give the figures of `xtendflow status`."""

import importlib
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from sqlalchemy import text

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library import leases
from tasks.library.attempts import Attempt
from tasks.library.ledger import Ledger
from tasks.library.manifest import Kind, Manifest, Product, Role, Step, StepRecord
from tasks.library.rows import Sighting, SweepRow
from tasks.library.throughput import PERIODS, figures

NAMES = ("prefect", "sweeps")
FIRST = DataClass("30000010")
PERIOD_PANELS = {
    "Observations done": "observations",
    "Observations failed": "failed",
    "Observations skipped": "skipped",
    "Datasets done": "datasets",
    "Size of their products": "bytes",
    "Tasks started": "tries",
}

every_dashboard = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="session")
def dashboards(texts):
    return {
        file.removeprefix("grafana/dashboards/").removesuffix(".json"): json.loads(text)
        for file, text in texts.items()
        if file.startswith("grafana/dashboards/")
    }


@pytest.fixture(scope="session")
def sources(texts):
    """The data sources by their uid."""
    provisioned = yaml.safe_load(texts["grafana/provisioning/datasources/datasources.yaml"])
    return {source["uid"]: source for source in provisioned["datasources"]}


def macros(query, column_end, start):
    """A query as Grafana's PostgreSQL data source sends it."""
    limits = f"BETWEEN '{start.isoformat()}' AND '{column_end.isoformat()}'"
    query = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 {limits}", query)
    grouped = r'floor(extract(epoch from \1)/3600)*3600 AS "time"'
    query = re.sub(r"\$__timeGroupAlias\((\w+), '1h'\)", grouped, query)
    assert "$" not in query, query
    return query


def test_every_dashboard_is_looked_at(dashboards):
    assert set(dashboards) == set(NAMES)


def test_nothing_bears_the_name_of_something_else(dashboards):
    uids = [board["uid"] for board in dashboards.values()]
    assert len(set(uids)) == len(uids)
    assert all(re.fullmatch(r"[a-z0-9-]{1,40}", uid) for uid in uids)
    for board in dashboards.values():
        for key in ("id", "title"):
            values = [panel[key] for panel in board["panels"]]
            assert len(set(values)) == len(values), key
        for panel in board["panels"]:
            letters = [target["refId"] for target in panel["targets"]]
            assert len(set(letters)) == len(letters) > 0


@every_dashboard
def test_panels_lie_side_by_side(dashboards, name):
    taken = set()
    for panel in dashboards[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert 0 < place["w"] <= 24 - place["x"], panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    # No holes either: rows are full.
    assert len(taken) == 24 * (1 + max(y for _, y in taken)) or name == "prefect"


@every_dashboard
def test_panels_explain_themselves(dashboards, name):
    for panel in dashboards[name]["panels"]:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["type"] in ("stat", "table", "timeseries")
        assert panel["fieldConfig"]["defaults"]["unit"]


@every_dashboard
def test_data_sources_are_those_that_are_provisioned(dashboards, sources, name):
    for panel in dashboards[name]["panels"]:
        for used in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
            assert used == {"uid": used["uid"], "type": sources[used["uid"]]["type"]}


def test_data_sources_are_services_of_the_compose_file(sources, services):
    ledger, prometheus = sources["ledger"], sources["prometheus"]
    assert ledger["url"].partition(":")[0] in services
    assert prometheus["url"].removeprefix("http://").partition(":")[0] in services
    secret = ledger["secureJsonData"]["password"]
    assert secret == "$LEDGER_READER_PASSWORD"
    assert {secret.removeprefix("$")} <= services["grafana"]["environment"].keys()
    assert services["grafana"]["environment"]["LEDGER_READER_PASSWORD"] == "${LEDGER_READER_PASSWORD}"
    assert (ledger["user"], ledger["jsonData"]["database"]) == ("dashboards", "xtendflow")
    assert not any(source["editable"] for source in sources.values())


def test_dashboards_lie_where_grafana_looks(texts, services, dashboards):
    (provider,) = yaml.safe_load(texts["grafana/provisioning/dashboards/dashboards.yaml"])["providers"]
    mounted = [volume.split(":") for volume in services["grafana"]["volumes"]]
    places = {target: source for source, target, *_ in mounted}
    folder = provider["options"]["path"]
    assert places[folder] == "./grafana/dashboards"
    assert places["/etc/grafana/provisioning"] == "./grafana/provisioning"
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.removeprefix(f"{folder}/").removesuffix(".json") in dashboards


def test_grafana_has_no_password_of_its_own(services):
    given = services["grafana"]["environment"]
    for name in ("GF_SECURITY_ADMIN_PASSWORD", "GF_SECURITY_SECRET_KEY"):
        assert re.fullmatch(r"\$\{\w+:\?set it in infra/\.env\}", given[name])
    assert (given["GF_USERS_ALLOW_SIGN_UP"], given["GF_ANALYTICS_REPORTING_ENABLED"]) == ("false", "false")


def test_prometheus_asks_the_api(texts, services, dashboards):
    (job,) = yaml.safe_load(texts["grafana/prometheus.yaml"])["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["api:4200"]}]
    assert job["metrics_path"] == "/api/metrics"
    assert services["api"]["environment"]["PREFECT_SERVER_METRICS_ENABLED"] == "true"
    password = job["basic_auth"]["password_file"]
    assert f"> {password}" in services["prometheus"]["command"][0]
    assert any(
        mount.startswith(password.rpartition("/")[0] + ":") for mount in services["prometheus"]["tmpfs"]
    )
    queries = [item["expr"] for panel in dashboards["prefect"]["panels"] for item in panel["targets"]]
    assert all(f'{{job="{job["job_name"]}"}}' in query for query in queries)


def test_prefect_tells_what_is_asked_for(dashboards):
    """Its API tells what its process has registered."""
    importlib.import_module("prefect.server.utilities.worker_channel")
    registry = importlib.import_module("prometheus_client").REGISTRY
    known = {sample.name for metric in registry.collect() for sample in metric.samples} | {"up"}
    asked = {
        name
        for panel in dashboards["prefect"]["panels"]
        for item in panel["targets"]
        for name in re.findall(r"(\w+)\{job=", item["expr"])
    }
    assert len(asked) > 5
    assert asked <= known


def failed(step, kind="permanent"):
    return Standing(state=State.FAILED, kind=kind, reason="it's broken", step=step)


def manifest(obsid, size, seconds):
    product = Product(
        step=Step.EXTRACTION, kind=Kind.IMAGE, role=Role.FIELD, name="a.img", path="extraction-0/a.img",
        size=size, sha256="0" * 64, fingerprint="0" * 64,
    )  # fmt: skip
    record = StepRecord(fingerprint="0" * 64, engine="native", versions={}, calls=({"seconds": seconds},))
    return Manifest(
        obsid=obsid, dataclass=FIRST, recipe="standard", products=(product,), steps={Step.EXPOSURE: record}
    )


def attempt(obsid, now, ago, standing, tries, **values):
    """An attempt that ended some hours ago, and took two minutes for each hour."""
    end = now - timedelta(hours=ago)
    plain = {
        "id": f"a{obsid}-{len(values)}", "obsid": obsid, "started": end - timedelta(minutes=2 * ago),
        "ended": end, "host": "ground:1", "engine": "native", "standing": standing, "tries": tries,
    }  # fmt: skip
    return Attempt.model_validate(plain | values)


@pytest.fixture
def seeded(postgresql, monkeypatch):
    """A ledger on PostgreSQL with something of everything, and the moment to look at it."""
    ledger, now = Ledger.open(postgresql), datetime.now(UTC)
    done, skipped = Standing(state=State.DONE), Standing(state=State.SKIPPED, kind="no-data")
    obsids = [ObsID(f"{number:09d}") for number in range(20)]
    monkeypatch.setattr("tasks.library.ledger.now", lambda: now - timedelta(hours=30))
    waiting = Standing(state=State.WAITING)
    ledger.note(Sighting(each, f"it's {each}", "row", waiting, "new") for each in obsids)
    for number, obsid in enumerate(obsids[:9]):
        ago = 0.3 + 5 * number
        ledger.record_manifest(manifest(obsid, 1000 + number, 3.5 * number), done)
        ledger.record_attempt(attempt(obsid, now, ago, done, 8, datasets={FIRST: done}))
    for number, obsid in enumerate(obsids[9:14]):
        step = ("download", "exposure", None)[number % 3]
        ledger.record_attempt(attempt(obsid, now, 20.0, failed(step), 3, sweep="x"))
        ledger.record_attempt(attempt(obsid, now, 0.5, failed(step), 2))
    ledger.record_attempt(attempt(obsids[14], now, 3.0, skipped, 1))
    running = Standing(state=State.RUNNING)
    ledger.record_attempt(attempt(obsids[15], now, 1.5, running, 1, ended=None))
    leases.acquire(ledger, obsids[15], "ground:1", 600)
    ledger.record_sweep(SweepRow("night", now - timedelta(hours=1), None, "standard", {"done": 9}))
    yield ledger, now
    ledger.close()


@pytest.fixture
def ask(seeded, dashboards):
    """What a panel's queries answer for the time before now, as dictionaries."""
    ledger, now = seeded
    panels = {panel["title"]: panel for panel in dashboards["sweeps"]["panels"]}

    def answer(title, period=PERIODS["day"]):
        (target,) = panels[title]["targets"]
        query = macros(target["rawSql"], now, now - period)
        with ledger.reading() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]

    return answer


def single(rows):
    ((value,),) = (row.values() for row in rows)
    return value


@pytest.mark.system
@pytest.mark.postgresql
def test_queries_give_what_status_says(seeded, ask):
    ledger, now = seeded
    found = figures(ledger, now)
    for name, period in PERIODS.items():
        for title, field in PERIOD_PANELS.items():
            assert single(ask(title, period)) == getattr(found.throughput[name], field), (title, name)
    assert found.throughput["day"].bytes == sum(1000 + number for number in range(5))
    assert single(ask("All products")) == found.stored
    assert single(ask("Waiting")) == found.queue.waiting == 4
    assert single(ask("Running")) == found.queue.running == 1
    assert single(ask("Workers")) == 1
    assert [(row["kind"], row["step"], row["observations"]) for row in ask("Failures by kind and step")] == [
        (item.kind, item.step, item.number) for item in found.failures
    ]
    assert len(found.failures) == 3
    longest = {row["state"]: row for row in ask("Waiting and running for longest")}
    for state, stand in (("waiting", found.queue.oldest_waiting), ("running", found.queue.oldest_running)):
        row = longest[state]
        assert (row["obsid"], row["name"], row["since"]) == (stand.obsid, stand.name, stand.since)
        assert float(row["seconds"]) == pytest.approx((now - stand.since).total_seconds(), abs=60)
    durations = [
        (row["what"], row["number"], float(row["median"]), float(row["90 % within"]))
        for row in ask("Durations", PERIODS["week"])
    ]
    assert durations == [(item.what, item.number, item.median, item.p90) for item in found.durations]
    assert [item.what for item in found.durations] == ["observation", "exposure"]
    (attempts,) = ask("Attempts")
    assert attempts == {
        "attempts": found.retries.attempts,
        "repeated": found.retries.repeated,
        "tries": found.retries.tries,
    }
    assert found.retries.repeated == 5


@pytest.mark.system
@pytest.mark.postgresql
def test_lists_and_curves(seeded, ask):
    ledger, now = seeded
    rows = ask("Failed observations")
    known = {row.obsid: row for row in ledger.failed()}
    assert {row["obsid"] for row in rows} == set(known)
    for row in rows:
        standing = known[row["obsid"]].standing
        assert (row["kind"], row["step"], row["reason"]) == (standing.kind, standing.step, standing.reason)
    assert [row["id"] for row in ask("Last sweeps")] == ["night"]
    curves = ask("Observations an hour")
    period = figures(ledger, now).throughput["day"]
    for state, number in (("done", period.observations), ("failed", period.failed)):
        points = [row for row in curves if row["metric"] == state]
        assert sum(row["value"] for row in points) == number
        assert all(float(row["time"]) % 3600 == 0 for row in points)
    assert sum(row["products"] for row in ask("Products an hour")) == period.bytes


@pytest.mark.system
@pytest.mark.postgresql
def test_no_query_is_left_out(ask, dashboards):
    for panel in dashboards["sweeps"]["panels"]:
        rows = ask(panel["title"])
        assert rows, panel["title"]
        if panel["targets"][0]["format"] == "time_series":
            assert "time" in rows[0]

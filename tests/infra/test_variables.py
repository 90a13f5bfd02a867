"""Variables and addresses in the files of `infra/` are those that somebody knows."""

import importlib
import importlib.util
import re

import pytest

from tasks.core.settings import Settings

KNOWN_HOSTS = {
    "heasarc.gsfc.nasa.gov", "nasa-heasarc.s3.amazonaws.com", "localhost", "127.0.0.1", "api", "store",
    "prometheus", "prefect-server.prefect.svc", "prefect.example.org",
}  # fmt: skip


def named(texts, prefix):
    """Variables of a prefix, each with the files that name it."""
    found: dict[str, set[str]] = {}
    for file, text in texts.items():
        for name in re.findall(rf"\b{prefix}_[A-Z0-9_]*[A-Z0-9]\b", text):
            found.setdefault(name, set()).add(file)
    return found


def test_prefect_knows_its_variables(texts):
    settings = importlib.import_module("prefect.settings")
    ours = {name: files for name, files in named(texts, "PREFECT").items() if "_REDIS_" not in name}
    assert len(ours) > 20
    assert {name: files for name, files in ours.items() if not hasattr(settings, name)} == {}


def test_an_unknown_one_would_be_seen():
    assert not hasattr(importlib.import_module("prefect.settings"), "PREFECT_SERVER_DOKCET_URL")


def test_prefect_redis_knows_its_variables(texts):
    if importlib.util.find_spec("prefect_redis") is None:
        pytest.skip("prefect-redis is not installed")
    known = {
        f"{settings.model_config['env_prefix']}{field}".upper()
        for settings in (
            importlib.import_module("prefect_redis.client").RedisMessagingSettings,
            importlib.import_module("prefect_redis.cleanup_queue").RedisWorkerCleanupQueueSettings,
        )
        for field in settings.model_fields
    }
    ours = {name for name in named(texts, "PREFECT") if "_REDIS_" in name}
    assert ours
    assert ours <= known


def test_modules_of_prefect_redis_exist(services):
    if importlib.util.find_spec("prefect_redis") is None:
        pytest.skip("prefect-redis is not installed")
    modules = {
        value for value in services["api"]["environment"].values() if value.startswith("prefect_redis.")
    }
    assert len(modules) == 4
    assert all(importlib.util.find_spec(module) for module in modules)


def test_settings_know_their_variables(texts):
    known = {f"XTENDFLOW_{name.upper()}" for name in Settings.model_fields}
    ours = named(texts, "XTENDFLOW")
    assert {"XTENDFLOW_STORE", "XTENDFLOW_LEDGER", "XTENDFLOW_ARCHIVE", "XTENDFLOW_DATA"} <= ours.keys()
    assert {name: files for name, files in ours.items() if name not in known} == {}


def environments(services, manifests, stack):
    """What workers are told, wherever they run."""
    yield services["worker"]["environment"]
    yield from (item["data"] for item in manifests if item["kind"] == "ConfigMap")
    (container,) = stack["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    yield {item["Name"]: item["Value"] for item in container["Environment"]}


def test_settings_take_the_values(services, manifests, stack, monkeypatch):
    given = list(environments(services, manifests, stack))
    assert len(given) == 3
    for variables in given:
        for name, value in variables.items():
            if name.startswith("XTENDFLOW_"):
                monkeypatch.setenv(name, value if isinstance(value, str) else "s3://bucket/prefix")
        assert Settings().store.startswith("s3://")
        monkeypatch.undo()


def test_only_known_hosts_are_named(texts):
    found = {
        host: file
        for file, text in texts.items()
        for host in re.findall(r"\bhttps?://([A-Za-z0-9][\w.-]*[A-Za-z0-9])", text)
    }
    assert {host: file for host, file in found.items() if host not in KNOWN_HOSTS} == {}

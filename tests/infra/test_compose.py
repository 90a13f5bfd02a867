"""The compose file: each service is bounded, watched and without rights, and no secret stands in it."""

import re
import shutil
import subprocess

import pytest
import yaml

ONCE = "service_completed_successfully"
NAMES = (
    "postgres",
    "redis",
    "store",
    "bucket",
    "migrate",
    "api",
    "services",
    "deploy",
    "worker",
    "heasoft-worker",
    "prometheus",
    "grafana",
)
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")
SECRET = re.compile(r"PASSWORD|SECRET|KEY")

every_service = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def service(services, name):
    return services[name]


@pytest.fixture
def waited_for(services):
    """How each service is waited for by others."""
    found: dict[str, set[str]] = {}
    for item in services.values():
        for name, how in item.get("depends_on", {}).items():
            found.setdefault(name, set()).add(how["condition"])
    return found


def test_every_service_is_looked_at(services):
    assert set(services) == set(NAMES)


@every_service
def test_a_service_has_no_rights(service):
    user, _, group = service["user"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"} & service.keys()


@every_service
def test_a_service_is_bounded(service):
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[mg]", limits["memory"])
    assert limits["pids"] > 0


@every_service
def test_a_service_is_watched_or_ends_by_itself(service, name, waited_for):
    if service["restart"] == "no":
        assert waited_for[name] == {ONCE}
        assert "healthcheck" not in service
    else:
        check = service["healthcheck"]
        assert check["test"][0] in ("CMD", "CMD-SHELL")
        assert {"interval", "timeout", "retries", "start_period"} <= check.keys()
        assert waited_for.get(name, set()) <= {"service_healthy"}


@every_service
def test_what_a_service_needs_exists(service, compose, infra):
    assert service.get("depends_on", {}).keys() <= compose["services"].keys()
    assert set(service["networks"]) <= compose["networks"].keys()
    for volume in service.get("volumes", []):
        source, _, target = volume.partition(":")
        if source.startswith("."):
            assert (infra / source).exists()
            assert target.endswith(":ro")
        elif target:
            assert source in compose["volumes"]
    if build := service.get("build"):
        assert (infra / build["context"] / build["dockerfile"]).is_file()


def test_only_api_and_dashboards_are_reached_from_outside_and_by_this_host_alone(services):
    ports = {name: item["ports"] for name, item in services.items() if "ports" in item}
    assert ports == {
        "api": ["${API_ADDRESS:-127.0.0.1:4200}:4200"],
        "grafana": ["${GRAFANA_ADDRESS:-127.0.0.1:3000}:3000"],
    }
    closed = {name for name, item in services.items() if item["networks"] == ["inside"]}
    assert {"postgres", "redis", "store", "prometheus"} <= closed


def test_api_and_services_share_what_they_keep(services):
    api, background = (services[name]["environment"] for name in ("api", "services"))
    assert background.items() <= api.items()
    assert services["api"]["command"] == ["prefect", "server", "start", "--no-services"]
    assert services["services"]["command"] == ["prefect", "server", "services", "start"]
    memory = ("BROKER", "CACHE", "ORDERING", "LEASE_STORAGE", "QUEUE_STORAGE")
    kept = {name: value for name, value in background.items() if name.endswith(memory)}
    assert len(kept) == len(memory)
    assert all(value.startswith("prefect_redis.") for value in kept.values())
    assert background["PREFECT_SERVER_DOCKET_URL"].startswith("redis://")


def test_workers_and_whoever_deploys_mean_the_same_places(services):
    places = [
        {
            key: value
            for key, value in services[name]["environment"].items()
            if key.startswith(("XTENDFLOW", "AWS"))
        }
        for name in ("deploy", "worker", "heasoft-worker")
    ]
    assert places[0] == places[1] == places[2]
    assert {"XTENDFLOW_STORE", "XTENDFLOW_LEDGER", "XTENDFLOW_ARCHIVE"} <= places[0].keys()
    # The address of S3 counts for every bucket, so the archive cannot be read from AWS by it.
    assert "s3:" not in places[0]["XTENDFLOW_ARCHIVE"]
    queues = [services[name]["command"] for name in ("worker", "heasoft-worker")]
    assert [command[:5] for command in queues] == [
        ["worker.sh", "--pool", "xtendflow", "--work-queue", queue] for queue in ("default", "heasoft")
    ]
    assert services["worker"]["deploy"]["replicas"] > 1


def without_variables(text):
    return VARIABLE.sub("", text)


@every_service
def test_no_secret_is_written_down(service):
    for key, value in service["environment"].items():
        if SECRET.search(key):
            assert without_variables(value) == "", key
        if key.endswith("AUTH_STRING"):
            assert without_variables(value) == "admin:", key
        for password in re.findall(r"://[^/@:]*:([^@]*)@", value):
            assert without_variables(password) == "", key


def test_the_example_names_every_variable_and_no_secret(texts):
    used = {name: (kind, value) for name, kind, value in VARIABLE.findall(texts["compose.yaml"]) if kind}
    example = texts[".env.example"].splitlines()
    wanted = {line.partition("=")[0]: line.partition("=")[2] for line in example if re.match(r"\w+=", line)}
    optional = dict(
        line.removeprefix("# ").split("=", 1) for line in example if re.match(r"# \w+=\S+$", line)
    )
    assert wanted.keys() == {name for name, (kind, _) in used.items() if kind == "?"}
    assert set(wanted.values()) == {""}
    assert optional == {name: value for name, (kind, value) in used.items() if kind == "-"}
    assert {name for name, _, _ in VARIABLE.findall(texts["compose.yaml"])} == wanted.keys() | optional.keys()


def test_git_ignores_the_passwords(infra):
    assert "infra/.env" in (infra.parent / ".gitignore").read_text(encoding="utf-8").split()


def test_compose_takes_it(texts, infra, tmp_path):
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker client with its compose plugin is installed")
    filled = tmp_path / "env"
    filled.write_text(re.sub(r"^(\w+)=$", r"\1=abc", texts[".env.example"], flags=re.MULTILINE))
    done = subprocess.run(
        [
            docker,
            "compose",
            "--file",
            infra / "compose.yaml",
            "--env-file",
            filled,
            "--profile",
            "*",
            "config",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == set(NAMES)

"""No secret leaves the environment: not in what commands say, write, publish, or tell Prefect."""

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import make_url

from flows.server import prefect_server
from tasks.core.settings import Settings

pytestmark = pytest.mark.system

FAINT, TRUNCATED = "900004010", "900011010"
PASSWORD = "Geheim+Wort/7f3a"
ACCESS, SECRET = "AKIAGEHEIM7F3B", "Geheim/Schluessel+7f3c"
AUTH, KEY = "wache:Geheim-Wache-7f3d", "pnu_Geheim7f3e"
SECRETS = (PASSWORD, ACCESS, SECRET, AUTH.partition(":")[2], KEY)

PREFECT = {
    "PREFECT_SERVER_API_AUTH_STRING": AUTH,
    "PREFECT_API_AUTH_STRING": AUTH,
    "PREFECT_API_KEY": KEY,
}
S3 = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
ASKED = ("flow_runs", "task_runs", "logs", "artifacts", "deployments", "flows", "variables", "work_pools",
         "block_documents", "automations", "concurrency_limits")  # fmt: skip


def forms(secret: str) -> set[bytes]:
    """A secret as it is, and as addresses, JSON and HTTP headers write it."""
    plain = secret.encode()
    return {plain, quote(secret, safe="").encode(), quote(secret).encode(), base64.b64encode(plain)}


NEEDLES = {form for secret in (*SECRETS, AUTH) for form in forms(secret)}


def found(content: bytes | str) -> set[bytes]:
    """The secrets in some content."""
    content = content.encode() if isinstance(content, str) else content
    return {needle for needle in NEEDLES if needle in content}


def leaks(folder: Path) -> dict[str, set[bytes]]:
    """The files below a folder that hold a secret, in their content or their name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    told = {str(path): found(path.read_bytes()) | found(str(path)) for path in files}
    return {name: secrets for name, secrets in told.items() if secrets}


@pytest.fixture
def guarded(postgresql: str) -> Iterator[str]:
    """A ledger's URL of someone whom PostgreSQL asks for a password."""
    import psycopg

    user = f"keeper_{uuid4().hex[:8]}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        (place,) = connection.execute("SHOW hba_file").fetchone()
        rules = Path(place).read_text()
        Path(place).write_text(f"local all {user} scram-sha-256\n{rules}")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
        connection.execute(f"GRANT ALL ON SCHEMA public TO {user}")
    yield make_url(postgresql).set(username=user, password=PASSWORD).render_as_string(hide_password=False)
    Path(place).write_text(rules)


def objects(endpoint: str) -> Iterator[tuple[str, bytes]]:
    """Every object of the bucket."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with contextlib.closing(client):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="products"):
            for item in page["Contents"]:
                yield item["Key"], client.get_object(Bucket="products", Key=item["Key"])["Body"].read()


def test_the_needles_are_found():
    for secret in (*SECRETS, AUTH):
        assert found(f"postgresql://keeper:{secret}@host/db")
        assert found(base64.b64encode(secret.encode()))
    assert found("nothing to see") == set()


@pytest.mark.postgresql
def test_no_secret_leaves_the_environment(lonely, bucket, guarded, monkeypatch):
    place = lonely.with_variables(
        **bucket | S3 | PREFECT, XTENDFLOW_STORE="s3://products/xrism", XTENDFLOW_LEDGER=guarded
    )
    swept = place.sweep(FAINT, TRUNCATED)
    assert swept.status == 1, swept.err
    assert set(swept.states.values()) == {"done", "failed(permanent)"}
    said = [swept.err, json.dumps(swept.summary)]
    for words in (("status",), ("show", FAINT, "--json"), ("doctor", "--json"), ("ledger", "rebuild")):
        done = place.run(*words)
        assert done.returncode == 0, (words, done.stderr)
        said += [done.stdout, done.stderr]
    assert [found(text) for text in said] == [set()] * len(said)

    assert FAINT.encode() in (place.folder / "prefect/prefect.db").read_bytes(), "this is where it records"
    assert list(place.folder.glob("logs/*/*.log"))
    assert leaks(place.folder) == {}
    published = dict(objects(bucket["AWS_ENDPOINT_URL_S3"]))
    assert any(key.endswith("manifest.json") for key in published)
    assert any(key.endswith("index.html") for key in published)
    assert {key: found(content) for key, content in published.items() if found(content)} == {}

    # The server that the sweep had started asks for its password, and what it tells holds none.
    for name, value in PREFECT.items():
        monkeypatch.setenv(name, value)
    with prefect_server(Settings(data=place.folder)) as server:
        assert httpx.post(f"{server.api}/flow_runs/filter", json={}, trust_env=False).status_code == 401
        told = {what: everything(server.api, what) for what in ASKED}
    assert {len(told[what]) for what in ("flow_runs", "task_runs", "logs")}.isdisjoint({0})
    assert {what: found(json.dumps(items)) for what, items in told.items() if found(json.dumps(items))} == {}
    assert leaks(place.folder) == {}


def everything(api: str, what: str) -> list[dict]:
    """What the API gives out of a kind."""
    items: list[dict] = []
    while True:
        answer = httpx.post(
            f"{api}/{what}/filter",
            json={"limit": 200, "offset": len(items)},
            auth=tuple(AUTH.split(":")),
            timeout=60,
            trust_env=False,
        )
        portion = answer.raise_for_status().json()
        items += portion
        if len(portion) < 200:
            return items


@dataclass(frozen=True)
class Refusal:
    """What must be refused in one line: with these variables, with this status, naming this."""

    variables: dict[str, str]
    status: int
    told: str


@pytest.fixture
def refusal(place) -> Callable[..., None]:
    def check(words: tuple[str, ...], expected: Refusal) -> None:
        done = place.with_variables(**expected.variables).run(*words)
        assert (done.returncode, done.stdout) == (expected.status, ""), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert expected.told in done.stderr
        assert found(done.stderr) == set()

    return check


@pytest.mark.postgresql
def test_a_wrong_password_is_not_repeated(refusal, guarded, place):
    right = make_url(guarded)
    with_query = right.set(password=None).update_query_dict({"password": SECRET})
    for url in (right.set(password=SECRET), with_query):
        variables = {"XTENDFLOW_LEDGER": url.render_as_string(hide_password=False)}
        expected = Refusal(variables, 3, "password authentication failed")
        for words in (("sweep", "--obsid", FAINT), ("status",), ("show", FAINT)):
            refusal(words, expected)
        doctor = place.with_variables(**variables).run("doctor")
        assert doctor.returncode == 3
        assert found(doctor.stdout + doctor.stderr) == set()
    assert leaks(place.folder) == {}


@pytest.mark.parametrize(
    "expected",
    [
        Refusal({"XTENDFLOW_STORE": f"s3://{ACCESS}:{SECRET}@products/x"}, 2, "a store is"),
        Refusal({"XTENDFLOW_STORE": f"https://{ACCESS}:{SECRET}@products/x"}, 2, "a store is"),
        Refusal({"XTENDFLOW_ARCHIVE": f"https://me:{quote(SECRET, safe='')}@host/obs"}, 2, "the archive"),
        Refusal({"XTENDFLOW_ARCHIVE": f"https://me:{SECRET}@host/obs"}, 2, "the archive"),
        Refusal({"XTENDFLOW_ARCHIVE": f"https://host/obs?token={SECRET}"}, 2, "no plain web address"),
        Refusal({"XTENDFLOW_LEDGER": f"mysql://me:{SECRET}@host/db"}, 2, "the ledger is"),
        Refusal({"XTENDFLOW_LEDGER": f"postgres me:{SECRET}@host/db"}, 2, "no SQLAlchemy URL"),
        Refusal(
            {"PREFECT_API_URL": f"http://me:{quote(SECRET, safe='')}@127.0.0.1:9/api"}, 3, "does not answer"
        ),
        Refusal(
            {
                **S3,
                "AWS_ENDPOINT_URL_S3": f"http://{ACCESS}:{quote(SECRET, safe='')}@127.0.0.1:9",
                "AWS_EC2_METADATA_DISABLED": "true",
                "XTENDFLOW_STORE": "s3://products/x",
            },
            3,
            "s3://products/x",
        ),
    ],
    ids=lambda expected: f"{next(reversed(expected.variables))} {expected.told}",
)
def test_what_cannot_be_used_is_told_without_its_secret(refusal, place, expected):
    refusal(("sweep", "--obsid", FAINT), expected)
    doctor = place.with_variables(**expected.variables).run("doctor")
    assert found(doctor.stdout + doctor.stderr) == set()
    assert leaks(place.folder) == {}

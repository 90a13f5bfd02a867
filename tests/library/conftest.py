import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.attempts import Attempt
from tasks.library.fingerprint import fingerprint
from tasks.library.ledger import Ledger
from tasks.library.manifest import Kind, Manifest, ProductSpec, Role, Step, StepRecord
from tasks.library.publication import NewProduct
from tasks.library.store import Store, open_store

OBSID = ObsID("000128000")
DATACLASS = DataClass("30000010")
S3_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "something",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket on a real HTTP server, reached through the environment as a user would."""
    for name, value in S3_VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    name = f"products-{uuid4().hex}"
    # Made with the plainest of requests: a client takes a second to start.
    urlopen(Request(f"{s3_endpoint}/{name}", method="PUT")).close()  # noqa: S310
    return name


@pytest.fixture
def directory_store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "directory":
        url = str(tmp_path / "store")
    else:
        url = f"s3://{request.getfixturevalue('bucket')}/some/prefix"
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.system])]
)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    url: str = request.getfixturevalue("postgresql")
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger.open(ledger_url)
    yield opened
    opened.close()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., NewProduct]:
    """Makes a product's file in scratch; every call makes another content."""

    def product(name: str, of: object = 1, step: Step = Step.EXTRACTION, content: bytes = b"") -> NewProduct:
        file = tmp_path / "scratch" / uuid4().hex / name
        file.parent.mkdir(parents=True)
        file.write_bytes(content or f"{name} {of} {uuid4()}".encode())
        spec = ProductSpec(step=step, kind=Kind.IMAGE, role=Role.FIELD, name=name, entry={"binning": 4})
        return NewProduct(spec, fingerprint(name, of), file)

    return product


@pytest.fixture
def draft() -> Callable[..., Manifest]:
    """Makes a manifest to be; `of` stands for what decides its steps."""

    def manifest(of: object = 1, products: tuple = (), dataclass: str = DATACLASS) -> Manifest:
        record = StepRecord(
            fingerprint=fingerprint(of), engine="native", versions={"numpy": "2.4"}, calls=({"n": [1, 2]},)
        )
        return Manifest(
            obsid=OBSID,
            dataclass=DataClass(dataclass),
            recipe="0" * 64,
            steps={Step.EXTRACTION: record, Step.EXPOSURE: record},
            products=products,
        )

    return manifest


@pytest.fixture
def attempt() -> Callable[..., Attempt]:
    """Makes attempts that differ in what is given."""

    def record(**values: object) -> Attempt:
        standing = Standing(state=State.DONE)
        plain: dict[str, object] = {
            "id": uuid4().hex,
            "obsid": OBSID,
            "sweep": "night",
            "started": datetime(2026, 11, 21, 5, 30, tzinfo=UTC),
            "ended": datetime(2026, 11, 21, 5, 31, tzinfo=UTC),
            "host": "ground",
            "engine": "native",
            "versions": {"numpy": "2.4"},
            "basis": {"recipe": "a", "catalogue": "b"},
            "standing": standing,
            "datasets": {DATACLASS: standing},
            "flow_run_id": "f",
        }
        return Attempt.model_validate(plain | values)

    return record

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.core.settings import Settings


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """Nothing but what a test sets, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("XTENDFLOW_")]:
        monkeypatch.delenv(name)


def test_everything_lies_below_one_directory(tmp_path):
    settings = Settings()
    root = tmp_path / "sweep-data"
    assert settings.root == root
    assert settings.store_url == str(root / "store")
    assert settings.ledger_url == f"sqlite:///{root}/ledger.sqlite"
    assert (settings.downloads, settings.scratch) == (root / "downloads", root / "scratch")
    assert settings.prefect_home == root / "prefect"
    assert settings.cores >= 1
    assert list(tmp_path.iterdir()) == []


def test_arguments_come_before_the_environment_and_that_before_the_file(tmp_path, monkeypatch):
    (tmp_path / "xtendflow.toml").write_text('cores = 3\nstore = "s3://file/x"\ncatalogue = "table.ecsv"')
    monkeypatch.setenv("XTENDFLOW_CORES", "5")
    monkeypatch.setenv("XTENDFLOW_STORE", "s3://environment/x")
    settings = Settings(cores=7)
    assert (settings.cores, settings.store_url, settings.catalogue) == (7, "s3://environment/x", "table.ecsv")


@pytest.mark.parametrize("store", ["products", "./products"])
def test_a_relative_store_means_the_same_everywhere(tmp_path, monkeypatch, store):
    settings = Settings(store=store)
    url = settings.store_url
    monkeypatch.chdir("/")
    assert Path(url) == tmp_path / "products"
    assert settings.store_url == url


def test_a_given_ledger_is_taken_as_it_is():
    assert Settings(ledger="postgresql://host/name").ledger_url == "postgresql://host/name"


@pytest.mark.parametrize(
    ("name", "value"), [("CORES", "0"), ("CORES", "many"), ("LEASE_SECONDS", "4"), ("LEASE_SECONDS", "x")]
)
def test_a_variable_that_cannot_be_meant(monkeypatch, name, value):
    monkeypatch.setenv(f"XTENDFLOW_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_a_misspelt_entry_of_the_file(tmp_path):
    (tmp_path / "xtendflow.toml").write_text("stroe = 'x'")
    with pytest.raises(ValidationError, match="stroe"):
        Settings()


def test_they_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().cores = 2


def test_each_says_what_it_is_for():
    assert all(field.description for field in Settings.model_fields.values())

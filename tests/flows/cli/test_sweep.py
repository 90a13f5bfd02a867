"""What `xtendflow sweep` refuses before anything is started or written; ../test_sweep.py runs it."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from flows.cli import sweep as module
from tasks.archive.catalogue.interface import Query
from tasks.library.ledger import Ledger
from tasks.library.recipe import Engines, Recipe


@pytest.fixture
def places(archive: Path) -> tuple[str, ...]:
    return ("--archive", str(archive), "--catalogue", str(archive / "xrismmastr.ecsv"))


@pytest.fixture
def asked(xtendflow, places, monkeypatch) -> Callable[..., Query]:
    """The query that a command line comes to; nothing is run."""
    orders = []
    monkeypatch.setattr(module, "supervised", lambda settings, order, keep: orders.append(order) or 0)

    def query(*words: object) -> Query:
        ended = xtendflow("sweep", *places, *words)
        assert (ended.status, ended.err) == (0, "")
        return Query.model_validate(orders.pop()["query"])

    return query


@pytest.fixture
def recipe_of(xtendflow, places, monkeypatch) -> Callable[..., Recipe]:
    """The recipe that a command line comes to; nothing is run."""
    orders = []
    monkeypatch.setattr(module, "supervised", lambda settings, order, keep: orders.append(order) or 0)

    def recipe(*words: object) -> Recipe:
        ended = xtendflow("sweep", *places, *words)
        assert (ended.status, ended.err) == (0, "")
        return Recipe.model_validate(orders.pop()["recipe"])

    return recipe


def test_engines_on_the_command_line_go_before_those_of_the_recipe(recipe_of, tmp_path):
    assert recipe_of() == Recipe()
    assert recipe_of("--engine", "native").engine == "native"
    mine = tmp_path / "mine.toml"
    mine.write_text("engine = 'native'\n[engines]\nexposure = 'native'\nderived = 'native'")
    recipe = recipe_of("--recipe", mine, "--engine", "auto", "--step-engine", "derived=auto")
    assert recipe == Recipe(engine="auto", engines=Engines(exposure="native", derived="auto"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--engine", "magic"), "engine: Input should be 'auto', 'heasoft' or 'native'"),
        (("--step-engine", "extraction=magic"), "engines.extraction: Input should be"),
        (("--step-engine", "download=native"), "engines.download"),
        (("--step-engine", "extraction"), "--step-engine extraction: give STEP=ENGINE"),
        (("--step-engine", "derived=native", "--step-engine", "derived=auto"), "once a step"),
    ],
)
def test_an_engine_that_does_not_hold(refused, places, words, told):
    assert told in refused("sweep", *places, *words)


@pytest.mark.parametrize("words", [("--engine", "heasoft"), ("--step-engine", "responses=heasoft")])
def test_heasoft_that_is_not_here(xtendflow, places, words):
    ended = xtendflow("sweep", *places, *words)
    assert (ended.status, ended.out, ended.written) == (3, "", ())
    assert ended.err.startswith("xtendflow: the engine heasoft is asked for (")
    assert ended.err.count("\n") == 1
    for word in ("responses", "headas-init.sh", "heasoftpy", "CALDB", "xtendflow doctor"):
        assert word in ended.err


def test_heasoft_that_a_worker_has(recipe_of, swept):
    ledger = Ledger.open(f"sqlite:///{swept}/ledger.sqlite")
    ledger.register_versions(
        "worker", "heasoft", {"heasoft": "6.36", "heasoftpy": "1.5", "caldb": "20260115-a"}
    )
    ledger.close()
    assert recipe_of("--engine", "heasoft").engine == "heasoft"


@pytest.mark.parametrize("obsid", ["../../etc", "12345678", "1234567890", "", "00012800x", "٠٠٠١٢٨٠٠٠"])
def test_what_is_no_obsid(refused, places, obsid):
    assert "is not an ObsID" in refused("sweep", *places, "--obsid", "000128000", "--obsid", obsid)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        ("= 1", "is no TOML"),
        ("nmae = 'mine'", "nmae"),
        ("[imagse]\nbands = ['0.6-2']", "imagse"),
        ("[images]\nbands = ['2-0.6']", "upside down"),
        ("[images]\nbands = ['0.6']", "images.bands.0"),
        ("[images]\nbands = ['0.6-2', '0.60-2.0']", "twice"),
        ("[light_curves]\nbands = ['2-6', '2-6']", "twice"),
        ("[images]\nbinnings = [0]", "binnings"),
        ("[source]\nradius_arcmin = nan", "radius_arcmin"),
        ("name = '../../etc'", "name"),
        ("engine = 'heasfot'", "engine"),
    ],
)
def test_a_recipe_that_does_not_hold(refused, places, tmp_path, content, told):
    recipe = tmp_path / "mine.toml"
    if content is not None:
        recipe.write_text(content)
    message = refused("sweep", *places, "--recipe", recipe)
    assert str(recipe) in message
    assert told in message


@pytest.mark.parametrize("recipe", ["/", "\0"])
def test_a_recipe_that_is_no_file(refused, places, recipe):
    assert "recipe" in refused("sweep", *places, "--recipe", recipe)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--since", "2026-02-01", "--until", "2026-01-01"), "upside down"),
        (("--since", "yesterday"), "YYYY-MM-DD"),
        (("--until", "2026-02-30"), "YYYY-MM-DD"),
        (("--since", ""), "YYYY-MM-DD"),
        (("--target", ""), "target"),
        (("--target", "no such name at all"), "no such name at all"),
        (("--target", "SIM faint", "--radius", "0"), "radius"),
        (("--position", "10", "20", "--radius", "-1"), "radius"),
        (("--position", "10", "20", "--radius", "nan"), "radius"),
        (("--radius", "15"), "--radius"),
        (("--position", "10", "91"), "dec"),
        (("--position", "360", "0"), "ra"),
        (("--position", "nan", "0"), "ra"),
        (("--cores", "0"), "cores"),
    ],
)
def test_a_selection_that_does_not_hold(refused, places, words, told):
    assert told in refused("sweep", *places, *words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--archive", "ftp://host/data"), "ftp://"),
        (("--archive", "http://host/data"), "https"),
        (("--archive", ""), "--archive"),
        (("--catalogue", "/nowhere/at/all.ecsv"), "/nowhere/at/all.ecsv"),
        (("--catalogue", "xrismmastr"), "xrismmastr"),
        (("--catalogue", ""), "--catalogue"),
        (("--store", "s3://"), "s3://BUCKET/PREFIX"),
        (("--store", "s3://bucket/../other"), "s3://BUCKET/PREFIX"),
        (("--store", "gs://bucket/prefix"), "s3://BUCKET/PREFIX"),
        (("--store", ""), "--store"),
    ],
)
def test_a_place_that_is_none(refused, places, words, told):
    assert told in refused("sweep", *places, *words)


@pytest.mark.parametrize("content", ["", "no table", "# %ECSV 1.0\n# ---\n# datatype: []\nobsid\n1"])
def test_a_catalogue_that_is_no_table(refused, places, tmp_path, content):
    table = tmp_path / "mine.ecsv"
    table.write_text(content)
    assert str(table) in refused("sweep", *places, "--catalogue", table, "--obsid", "900004010")


def test_a_store_that_cannot_be_written(refused, places, tmp_path):
    """Below a file nobody can write, not even root."""
    (tmp_path / "file").write_text("not a folder")
    store = tmp_path / "file" / "store"
    assert "cannot be written" in refused("sweep", *places, "--store", store, status=3)


def test_data_that_cannot_be_written(refused, places, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XTENDFLOW_DATA", str(tmp_path / "file" / "data"))
    assert "cannot be written" in refused("sweep", *places, status=3)


def test_an_archive_that_is_not_mounted(refused, places):
    assert "/nowhere/at/all" in refused("sweep", *places, "--archive", "/nowhere/at/all", status=3)


def test_a_store_that_does_not_answer(refused, places, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    assert "127.0.0.1:9" in refused("sweep", *places, "--store", "s3://bucket/store", status=3)


def test_a_server_that_does_not_answer_is_no_bad_input(xtendflow, places, monkeypatch):
    for address in ("http://127.0.0.1:9/api", "http://[", "nonsense"):
        monkeypatch.setenv("PREFECT_API_URL", address)
        ended = xtendflow("sweep", *places)
        assert ended.status == 3
        assert ended.err == f"xtendflow: the Prefect server at {address} (PREFECT_API_URL) does not answer\n"


def test_what_is_asked_for(asked):
    assert asked() == Query()
    assert asked("--position", "0", "0") == Query(ra=0, dec=0)
    assert asked("--position", "0", "-30.5", "--radius", "34") == Query(ra=0, dec=-30.5, radius_arcmin=34)
    assert asked("--target", "SIM faint") == Query(target="SIM faint")
    assert asked("--obsid", "900001010", "--obsid", "000128000").obsids == ("900001010", "000128000")
    assert asked("--since", "2026-11-01", "--until", "2026-11-01") == Query(
        since=date(2026, 11, 1), until=date(2026, 11, 1)
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--only", "done"), "what to run does not hold: only: Input should be 'failed', 'new' or 'stale'"),
        (("--limit", "0"), "limit: Input should be greater than or equal to 1"),
        (("--max-attempts", "0"), "max_attempts: Input should be greater than or equal to 1"),
    ],
)
def test_rules_that_cannot_be_meant(refused, places, words, told):
    assert told in refused("sweep", *places, *words)


def test_rules_reach_the_sweep(xtendflow, places, monkeypatch):
    orders = []
    monkeypatch.setattr(module, "supervised", lambda settings, order, keep: orders.append(order) or 0)
    words = ("--only", "failed", "--limit", "7", "--max-attempts", "3", "--verify")
    assert xtendflow("sweep", *places, *words).status == 0
    assert orders.pop()["rules"] == {"only": "failed", "limit": 7, "max_attempts": 3, "verify": True}


def test_a_plan_is_printed_and_nothing_is_started(xtendflow, places, monkeypatch):
    monkeypatch.setattr(module, "supervised", lambda settings, order, keep: pytest.fail("it was started"))
    plain = xtendflow("sweep", *places, "--dry-run", "--limit", "2")
    assert (plain.status, plain.err) == (0, "")
    table, _, rest = plain.out.partition("\n\n")
    assert [line.split()[0] for line in table.splitlines()] == ["ObsID", "900001010", "900002010"]
    first, *left = rest.splitlines()
    assert first == "2 observations would be run, by the engine native."
    assert left[0].endswith("would be left: new, beyond the limit of 2.")
    told = json.loads(xtendflow("sweep", *places, "--dry-run", "--json", "--since", "2999-01-01").out)
    assert told == {"engine": "native", "run": [], "leave": []}

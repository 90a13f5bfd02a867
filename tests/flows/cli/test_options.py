"""Settings as the commands read them: variables, the file, options."""

import pytest

from flows.cli.options import has_ledger, read_settings
from tasks.core.errors import BadInput


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("XTENDFLOW_CORES", "zero", "cores"),
        ("XTENDFLOW_CORES", "0", "cores"),
        ("XTENDFLOW_LEASE_SECONDS", "1", "lease_seconds"),
        ("XTENDFLOW_STROE", "/data", "XTENDFLOW_STROE"),
    ],
)
def test_a_variable_that_does_not_hold(refused, monkeypatch, name, value, told):
    monkeypatch.setenv(name, value)
    for words in (("status",), ("show", "000128000"), ("doctor",), ("sweep",)):
        assert told in refused(*words)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"cores = ", "xtendflow.toml"),
        (b"\xff\xfe", "xtendflow.toml"),
        (b"stroe = 'x'", "stroe"),
        (b"cores = 'many'", "cores"),
        (b"[store]\nplace = 1", "store"),
    ],
)
def test_a_file_that_does_not_hold(refused, here, content, told):
    (here / "xtendflow.toml").write_bytes(content)
    for words in (("status",), ("show", "000128000"), ("doctor",), ("sweep",)):
        assert told in refused(*words)


@pytest.mark.usefixtures("here")
def test_an_empty_variable_is_none(monkeypatch):
    plain = read_settings()
    for name in ("DATA", "STORE", "ARCHIVE", "CORES"):
        monkeypatch.setenv(f"XTENDFLOW_{name}", "")
    assert read_settings() == plain


@pytest.mark.usefixtures("here")
def test_an_empty_option_is_refused():
    """It is what `--archive "$FORGOTTEN"` becomes; taken as a path it would be this directory."""
    for name in ("archive", "catalogue", "store"):
        with pytest.raises(BadInput, match=f"--{name}"):
            read_settings(**{name: ""})


@pytest.mark.usefixtures("here")
def test_options_come_first(monkeypatch):
    monkeypatch.setenv("XTENDFLOW_ARCHIVE", "/there")
    assert read_settings(archive="/here").archive == "/here"
    assert read_settings(archive=None).archive == "/there"


@pytest.mark.parametrize("command", [("status",), ("show", "000128000"), ("doctor",)])
def test_looking_makes_no_ledger(xtendflow, here, monkeypatch, command):
    monkeypatch.setenv("XTENDFLOW_LEDGER", f"sqlite:///{here}/elsewhere/ledger.sqlite")
    assert not has_ledger(read_settings())
    assert xtendflow(*command).written == ()


@pytest.mark.parametrize("command", [("status",), ("show", "000128000"), ("sweep",)])
@pytest.mark.parametrize("ledger", ["nonsense", "mysql://somebody:secret@host/name", "sqlite://"])
def test_a_ledger_that_is_none(refused, archive, monkeypatch, command, ledger):
    monkeypatch.setenv("XTENDFLOW_LEDGER", ledger)
    monkeypatch.setenv("XTENDFLOW_ARCHIVE", str(archive))
    monkeypatch.setenv("XTENDFLOW_CATALOGUE", str(archive / "xrismmastr.ecsv"))
    told = refused(*command)
    assert "ledger" in told
    assert "secret" not in told

"""`xtendflow doctor`: what is there, and what to do about what is not."""

import json
import re
from pathlib import Path

import pytest

from tasks.engines.heasoft.engine import TOOLS
from tasks.library.ledger import Ledger


@pytest.fixture
def findings(xtendflow):
    def look(status: int = 0) -> dict[str, dict[str, str]]:
        ended = xtendflow("doctor", "--json")
        assert ended.status == status, ended
        # Scripts get the findings whatever they are.
        return {item["what"]: item for item in json.loads(ended.out)}

    return look


@pytest.fixture
def heasoft(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something that looks like HEASoft with its Python interface and CALDB."""
    root = tmp_path / "heasoft [6.36]"
    (root / "bin").mkdir(parents=True)
    for name in ("fversion", *(tool for tools in TOOLS.values() for tool in tools)):
        tool = root / "bin" / name
        tool.write_text("#!/bin/sh\necho 'HEASoft V6.36'\n")
        tool.chmod(0o755)
    package = root / "lib" / "heasoftpy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('it must not be imported')\n__version__ = '1.5'")
    monkeypatch.syspath_prepend(str(package.parent))
    caldb = root / "caldb"
    index = caldb / "data" / "xrism" / "xtend" / "caldb.indx"
    (index.parent / "index").mkdir(parents=True)
    (index.parent / "index" / "caldb.indx20260115").write_text("index")
    index.write_text("index")
    monkeypatch.setenv("HEADAS", str(root))
    monkeypatch.setenv("CALDB", str(caldb))
    return root


def test_on_a_bare_machine_nothing_is_broken(findings):
    found = findings()
    absent = {what for what, item in found.items() if item["verdict"] == "absent"}
    assert {"HEASoft", "heasoftpy", "CALDB", "Prefect server", "Store", "Ledger"} <= absent
    assert all(item["advice"] for item in found.values() if item["verdict"] == "absent")
    assert {what for what, item in found.items() if item["verdict"] == "broken"} == set()
    assert {"Python", "Disk", "Archive"} <= set(found)
    assert "comes with HEASoft" in found["heasoftpy"]["advice"]


def test_it_writes_nothing(xtendflow):
    ended = xtendflow("doctor")
    assert (ended.status, ended.written) == (0, ())
    for told in ("HEADAS is not set", "lease_seconds", "sweep-data/store"):
        assert told in " ".join(ended.out.split())


def test_with_heasoft(findings, xtendflow, heasoft):
    found = findings()
    assert found["HEASoft"] == {
        "what": "HEASoft", "verdict": "good", "detail": f"6.36 at {heasoft}", "advice": ""
    }  # fmt: skip
    assert (found["heasoftpy"]["verdict"], found["heasoftpy"]["detail"]) == ("good", "1.5")
    assert found["CALDB"]["verdict"] == "good"
    assert re.fullmatch(
        rf"20260115-[0-9a-f]{{12}} at {re.escape(str(heasoft))}/caldb", found["CALDB"]["detail"]
    )
    assert found["Work queue"]["detail"] == "this host can serve default and heasoft"
    assert f"6.36 at {heasoft}" in xtendflow("doctor").out


def test_a_heasoft_without_xrisms_tools(findings, heasoft):
    for tool in ("xtdpipeline", "xaarfgen"):
        (heasoft / "bin" / tool).unlink()
    found = findings()
    assert found["HEASoft"] == {
        "what": "HEASoft",
        "verdict": "absent",
        "detail": f"6.36 at {heasoft} has no xtdpipeline, xaarfgen: it cannot do processing, responses",
        "advice": "XRISM's tools come with HEASoft 6.34 or newer. Until it is complete auto means the native "
        "engine.",
    }
    assert found["Work queue"]["detail"] == "this host can serve default alone"
    # What it has of HEASoft is good for the other steps.
    assert {found[name]["verdict"] for name in ("heasoftpy", "CALDB")} == {"good"}


def test_a_tool_that_two_steps_need_is_named_once(findings, heasoft):
    (heasoft / "bin" / "ftgrouppha").chmod(0o644)
    detail = findings()["HEASoft"]["detail"]
    assert detail.endswith("has no ftgrouppha: it cannot do derived, responses")


@pytest.mark.parametrize(
    ("there", "detail"),
    [
        ({"sherpa": "4.19.0", "periodictable": "2.0.2"}, "sherpa 4.19.0"),
        (
            {"pyxspec": "installed", "sherpa": "4.19.0", "periodictable": "2"},
            "pyxspec installed and sherpa 4.19.0",
        ),
        ({}, "neither Sherpa nor PyXspec: no fit can be made"),
    ],
)
def test_what_can_fit(findings, monkeypatch, there, detail):
    monkeypatch.setattr("tasks.engines.fitters.fitters", lambda: there)
    found = findings()["Fits"]
    assert found["detail"] == detail
    assert ("pip install 'xtendflow[sherpa]'" in found["advice"]) == (not there)


def test_a_caldb_without_xtend(findings, heasoft, monkeypatch):
    monkeypatch.setenv("CALDB", "/nowhere/at/all")
    assert "no data/xrism/xtend/caldb.indx" in findings(3)["CALDB"]["detail"]
    # On a host without HEASoft nobody asks for it.
    monkeypatch.delenv("HEADAS")
    assert findings()["CALDB"]["verdict"] == "absent"


def test_the_queues_that_a_host_can_serve(findings, swept):
    assert findings()["Work queue"]["detail"] == (
        "this host can serve default alone; HEASoft that workers have registered: none"
    )
    ledger = Ledger.open(f"sqlite:///{swept}/ledger.sqlite")
    ledger.register_versions("worker", "heasoft", {"heasoft": "6.36"})
    ledger.close()
    assert findings()["Work queue"]["detail"].endswith("registered: 6.36")


def test_headas_that_is_no_directory(findings, monkeypatch):
    monkeypatch.setenv("HEADAS", "/nowhere/at/all")
    assert findings()["HEASoft"]["verdict"] == "absent"
    assert "/nowhere/at/all" in findings()["HEASoft"]["detail"]


def test_a_server_that_does_not_answer(findings, xtendflow, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert findings(3)["Prefect server"]["verdict"] == "broken"
    ended = xtendflow("doctor")
    assert ended.err == "xtendflow: not ready: Prefect server\n"


def test_a_store_that_cannot_be_written(findings, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("XTENDFLOW_STORE", str(tmp_path / "file"))
    assert findings(3)["Store"]["verdict"] == "broken"
    monkeypatch.setenv("XTENDFLOW_STORE", str(tmp_path / "folder"))
    assert findings()["Store"]["verdict"] == "good"
    monkeypatch.setenv("XTENDFLOW_STORE", "ftp://host/store")
    assert findings(3)["Store"]["verdict"] == "broken"


@pytest.mark.parametrize(
    "ledger", ["nonsense", "mysql://somebody:secret@host/x", "postgresql://somebody:secret@127.0.0.1:9/x"]
)
def test_a_ledger_that_cannot_be_used(findings, xtendflow, monkeypatch, ledger):
    monkeypatch.setenv("XTENDFLOW_LEDGER", ledger)
    assert findings(3)["Ledger"]["verdict"] == "broken"
    ended = xtendflow("doctor")
    assert "secret" not in ended.out + ended.err


def test_after_a_sweep_store_and_ledger_are_good(findings, swept):
    found = findings()
    assert (found["Store"]["verdict"], found["Ledger"]["verdict"]) == ("good", "good")
    assert str(swept) in found["Ledger"]["detail"]


def test_an_archive_of_this_host_is_looked_for(findings, monkeypatch, tmp_path):
    monkeypatch.setenv("XTENDFLOW_ARCHIVE", str(tmp_path / "unmounted"))
    found = findings(3)["Archive"]
    assert (found["verdict"], found["advice"]) == ("broken", "See XTENDFLOW_ARCHIVE.")
    assert "unmounted" in found["detail"]
    monkeypatch.setenv("XTENDFLOW_ARCHIVE", str(tmp_path))
    assert findings()["Archive"]["verdict"] == "good"


def test_an_address_of_a_caldb_needs_two_tables_here(findings, heasoft, monkeypatch):
    monkeypatch.setattr("tasks.engines.heasoft.caldb.caldb_version", lambda _: "20260115-0123456789ab")
    monkeypatch.setenv("CALDB", "https://caldb.example.org")
    monkeypatch.setenv("CALDBCONFIG", "/caldb.config")
    monkeypatch.delenv("CALDBALIAS", raising=False)
    found = findings()["CALDB"]
    assert (found["verdict"], "but CALDBALIAS not set" in found["detail"]) == ("absent", True)
    monkeypatch.setenv("CALDBALIAS", "/alias_config.fits")
    assert findings()["CALDB"]["verdict"] == "good"

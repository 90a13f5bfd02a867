import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.engines.heasoft import installation
from tasks.engines.heasoft.installation import Installation, find_installation


@pytest.fixture
def headas(tmp_path: Path, bare_host: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A HEADAS directory whose `fversion` is a shell script, where nothing else of HEASoft is."""

    def make(script: str | None = "echo 'HEASoft V6.36'", mode: int = 0o755) -> Path:
        root = tmp_path / "a heasoft"
        (root / "bin").mkdir(parents=True)
        if script is not None:
            tool = root / "bin" / "fversion"
            tool.write_text(f"#!/bin/sh\n{script}\n")
            tool.chmod(mode)
        monkeypatch.setenv("HEADAS", str(root))
        return root

    return make


@pytest.mark.usefixtures("bare_host")
def test_without_heasoft_there_is_nothing_and_no_error():
    assert find_installation() == Installation(headas=None, version=None, heasoftpy=None, caldb=None)


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("HEASoft V6.36", "6.36"),
        ("6.35.2", "6.35.2"),
        ("23Jan2026_V6.36.1", "6.36.1"),
        ("no idea", None),
        ("", None),
    ],
)
def test_the_version_is_what_its_own_tool_tells(headas, printed, version):
    root = headas(f"echo '{printed}'")
    found = find_installation()
    assert (found.headas, found.version) == (root, version)


@pytest.mark.parametrize(
    ("script", "mode"), [(None, 0o755), ("echo 6.36", 0o644), ("exec sleep 60", 0o755), ("exit 1", 0o755)]
)
def test_a_tool_that_cannot_be_run_tells_nothing(headas, monkeypatch, script, mode):
    monkeypatch.setattr(installation, "_SECONDS", 0.2)
    root = headas(script, mode)
    assert find_installation() == Installation(headas=root, version=None, heasoftpy=None, caldb=None)


def test_the_tool_is_run_without_a_terminal_and_the_environment_stays(headas):
    headas('read line; echo "V6.36 $HEADASNOQUERY $HEADASPROMPT [$line]" | tee "$HEADAS/said"')
    before = dict(os.environ)
    assert find_installation().version == "6.36"
    assert dict(os.environ) == before
    assert Path(os.environ["HEADAS"], "said").read_text() == "V6.36 1 /dev/null []\n"


def test_a_headas_that_is_no_directory_is_none(monkeypatch, tmp_path):
    for value in ("", str(tmp_path / "nowhere")):
        monkeypatch.setenv("HEADAS", value)
        assert find_installation().headas is None


@pytest.mark.usefixtures("bare_host")
@pytest.mark.parametrize(
    ("given", "found"), [("/caldb", "/caldb"), ("https://host/caldb", "https://host/caldb"), ("", None)]
)
def test_caldb_is_taken_at_its_word(monkeypatch, given, found):
    monkeypatch.setenv("CALDB", given)
    assert find_installation().caldb == found


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"__init__.py": "__version__ = '1.5.1'"}, "1.5.1"),
        ({"__init__.py": "", "version.py": '__version__="1.4"\n'}, "1.4"),
        ({"__init__.py": "raise SystemExit('imported')"}, "unknown"),
        ({"__init__.py": "raise SystemExit('imported')", "version.py": "__version__ = '2'"}, "2"),
    ],
)
def test_heasoftpy_is_found_and_not_imported(headas, monkeypatch, tmp_path, files, version):
    for name, text in files.items():
        file = tmp_path / "site" / "heasoftpy" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert find_installation().heasoftpy == version

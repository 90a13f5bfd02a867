import shutil
from pathlib import Path

import pytest

from tasks.report import look as looks


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that the hash is over."""
    copy = tmp_path / "report"
    shutil.copytree(Path(looks.__file__).parent, copy)
    monkeypatch.setattr(looks, "files", lambda name: copy)
    return copy


@pytest.mark.parametrize("file", ["templates/dataset.html.j2", "templates/style.css", "words.py"])
def test_another_layout_or_wording_is_another_look(package, file):
    before = looks.look.__wrapped__()
    assert looks.look.__wrapped__() == before
    with (package / file).open("a") as text:
        text.write("\n")
    assert looks.look.__wrapped__() != before


@pytest.mark.parametrize("name", ["version", "PICTURES_VERSION"])
def test_another_version_is_another_look(package, monkeypatch, name):
    before = looks.look.__wrapped__()
    monkeypatch.setattr(looks, name, (lambda _: "99") if name == "version" else "99")
    assert looks.look.__wrapped__() != before

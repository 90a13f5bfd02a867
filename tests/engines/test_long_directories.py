"""A working directory that is too long for the tools of HEASoft is refused before any of them runs in it."""

import asyncio
from pathlib import Path

import pytest

from tasks.core.errors import EnvironmentFault
from tasks.core.settings import Settings
from tasks.engines.machine import environment
from tasks.engines.runner import run_call
from tasks.engines.workplace import workplace
from tasks.library.call import Call
from tasks.library.site import open_site

LONGEST = 240


def of_length(length: int, start: str = "/d") -> Path:
    """A path of so many characters."""
    while length - len(start) > 100:
        start += f"/{'x' * 50}"
    return Path(f"{start}/{'d' * (length - len(start) - 1)}")


@pytest.fixture
def headas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with HEASoft."""
    monkeypatch.setenv("HEADAS", "/soft")


@pytest.mark.usefixtures("headas")
def test_the_longest_directory_that_heasoft_works_in():
    path = of_length(LONGEST)
    assert environment(path)["PFILES"] == f"{path}/pfiles;/soft/syspfiles"
    with pytest.raises(EnvironmentFault) as told:
        environment(of_length(LONGEST + 1))
    for word in (str(of_length(LONGEST + 1)), "has 241 characters", "more than 240", "XTENDFLOW_DATA"):
        assert word in str(told.value)


@pytest.mark.usefixtures("headas")
def test_a_relative_directory_is_as_long_as_where_it_is(tmp_path, monkeypatch):
    deep = of_length(LONGEST - 5, str(tmp_path))
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    environment(Path("four"))
    with pytest.raises(EnvironmentFault, match="has 241 characters"):
        environment(Path("fives"))


@pytest.mark.usefixtures("bare_host")
def test_without_heasoft_any_directory_will_do():
    assert "PFILES" not in environment(of_length(LONGEST + 1))


@pytest.mark.usefixtures("headas", "doubles")
def test_nothing_is_run_in_a_long_data_directory(tmp_path):
    site = open_site(Settings(data=of_length(250, str(tmp_path))))
    with workplace(site, "900001010-30000010-processing") as directory:
        call = run_call(Call(function="tasks.doubles:say"), directory / "0", tmp_path / "log", cores=1)
        with pytest.raises(EnvironmentFault, match="HEASoft cannot work in") as told:
            asyncio.run(call)
    assert str(directory / "0") in str(told.value)
    assert list(site.scratch.iterdir()) == []

"""What a sweep prints at its end."""

from datetime import UTC, datetime

import pytest

from flows.cli.run_sweep import show
from tasks.core.errors import NotPublic, Permanent
from tasks.core.identifiers import DataClass, ObsID
from tasks.core.state import Standing, State
from tasks.library.summary import Result, Summary

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DONE = Standing(state=State.DONE)
BAD, HIDDEN = Standing.of(Permanent("cut off")), Standing.of(NotPublic("not public until 2027-01-01"))


def result(number: int, standing: Standing = DONE, seconds: float = 0.0) -> Result:
    return Result(
        obsid=ObsID(f"{number:09d}"),
        dataclass=DataClass("30000010"),
        target=f"target [{number}]",
        standing=standing,
        why="new" if seconds else "nothing has changed",
        seconds=seconds,
    )


def lines(results: list[Result], monkeypatch: pytest.MonkeyPatch, capsys) -> list[str]:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    summary = Summary(
        sweep="night",
        recipe="standard",
        archive="archive",
        catalogue="heasarc",
        store="/store",
        started=NOW,
        ended=NOW,
        found=len(results),
        results=tuple(results),
    )
    show(summary, server_stays=False)
    return capsys.readouterr().out.splitlines()


def test_a_few_are_told_one_by_one(monkeypatch, capsys):
    said = lines([result(1), result(2, BAD), result(3, HIDDEN)], monkeypatch, capsys)
    assert [line.split()[0] for line in said[:4]] == ["ObsID", "000000001", "000000002", "000000003"]
    assert said[4] == "1 done, 1 failed(permanent), 1 skipped(not-public)"
    assert said[5] == "Report:     file:///store/report/index.html"


def test_of_an_archive_only_what_is_news(monkeypatch, capsys):
    quiet = [result(number) for number in range(1000, 1300)]
    news = [result(1, seconds=3.0), result(2, BAD), result(3, HIDDEN)]
    said = lines([*quiet, *news], monkeypatch, capsys)
    assert [line.split()[0] for line in said[:3]] == ["ObsID", "000000002", "000000001"]
    assert said[3] == "and 301 more, which the report lists"
    assert said[4] == "301 done, 1 failed(permanent), 1 skipped(not-public)"


def test_never_more_than_a_few_screens(monkeypatch, capsys):
    said = lines([result(number, seconds=1.0) for number in range(500)], monkeypatch, capsys)
    assert len(said) == 1 + 200 + 4
    assert said[201] == "and 300 more, which the report lists"

"""Log lines on standard error, as text or as JSON, from a level on."""

import json
import logging
from datetime import UTC, datetime

import pytest

from flows.cli.logs import log_to_stderr
from tasks.core.settings import Settings


@pytest.fixture
def logger(monkeypatch):
    """The project's logger, left as it was."""
    ours = logging.getLogger("xtendflow")
    monkeypatch.setattr(ours, "handlers", [])
    monkeypatch.setattr(ours, "propagate", False)
    level = ours.level
    yield logging.getLogger("xtendflow.sweep")
    ours.setLevel(level)


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["a", "b", "c", "d"]),
        ("info", ["b", "c", "d"]),
        ("warning", ["c", "d"]),
        ("error", ["d"]),
    ],
)
def test_the_level_is_a_setting(logger, level, said, capsys):
    log_to_stderr(Settings(log_level=level))
    for method, text in zip((logger.debug, logger.info, logger.warning, logger.error), "abcd", strict=True):
        method(text)
    assert capsys.readouterr().err.split() == said


def test_json_is_an_object_a_line(logger, capsys):
    log_to_stderr(Settings(log_format="json"))
    logger.info("%s: begins\nhere – now", "000128000")
    try:
        raise ValueError("no number")
    except ValueError:
        logger.exception("it broke")
    lines = capsys.readouterr().err.splitlines()
    first, second = map(json.loads, lines)
    assert (first["level"], first["logger"]) == ("info", "xtendflow.sweep")
    assert first["message"] == "000128000: begins\nhere – now"
    assert abs((datetime.now(UTC) - datetime.fromisoformat(first["time"])).total_seconds()) < 60
    assert second["level"] == "error"
    assert second["exception"].endswith("ValueError: no number")


def test_other_levels_and_formats_are_refused():
    for wrong in ({"log_level": "loud"}, {"log_format": "xml"}):
        with pytest.raises(ValueError, match="Input should be"):
            Settings(**wrong)

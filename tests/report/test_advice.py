import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core import errors
from tasks.core.state import Standing
from tasks.report.advice import LOG_LINES, log_words, what_to_do, without_secrets
from tasks.xtend.known_cautions import _ADVICE, KNOWN_CAUTIONS, advice_of

OUTCOMES = [
    errors.NoData, errors.Proprietary, errors.NotPublic, errors.Transient, errors.Permanent,
    errors.SoftwareFault, errors.GaveUp,
]  # fmt: skip


@pytest.mark.parametrize("kind", OUTCOMES)
def test_there_is_advice_for_every_way_to_end(kind):
    told = what_to_do(Standing.of(kind("why")), "900000010")
    assert told.endswith(".")
    assert "{" not in told
    assert told != "Read the reason, and the log."


def test_what_is_done_needs_no_advice():
    assert what_to_do(Standing(state="done"), "900000010") == ""


def test_an_unknown_kind_gets_some():
    assert what_to_do(Standing(state="failed", kind="odd"), "900000010") == "Read the reason, and the log."


def test_the_command_names_the_observation():
    assert "sweep --obsid 900000010" in what_to_do(Standing(state="failed", kind="gave-up"), "900000010")


def test_only_the_last_lines_are_shown_and_none_too_long():
    told = log_words("\n".join([f"line {number}" for number in range(100)] + ["x" * 1000])).split("\n")
    assert len(told) == LOG_LINES
    assert told[-2] == "line 99"
    assert told[-1] == f"{'x' * 400} … (600 characters more)"


@given(st.text(max_size=3000))
def test_what_is_shown_is_bounded(text):
    assert len(log_words(text)) < LOG_LINES * 500


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("AWS_SECRET_ACCESS_KEY=abc/d+e", "AWS_SECRET_ACCESS_KEY=***"),
        ("export PGPASSWORD='hunter two'", "export PGPASSWORD=***"),
        ("postgresql://me:hunter@host/x", "postgresql://***@host/x"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("https://b/k?X-Amz-Signature=12ab&y=2", "https://b/k?X-Amz-Signature=***&y=2"),
        ('{"password": "hunter"}', '{"password": ***}'),
        ("AKIAABCDEFGHIJKLMNOP", "***"),
        ("a token of love, 12 keys and no password", "a token of love, 12 keys and no password"),
        ("extractor filename=a.evt chatter=1", "extractor filename=a.evt chatter=1"),
    ],
)
def test_secrets_are_not_shown(said, shown):
    assert without_secrets(said) == shown


@pytest.mark.parametrize("part", ["a-", "token", "secret_", "password=", "access_key "])
def test_a_line_without_end_does_not_take_for_ever(part):
    assert len(log_words(part * (1 << 15))) < 500


def test_advice_is_on_known_cautions_only():
    assert _ADVICE.keys() <= KNOWN_CAUTIONS.keys()
    assert list(_ADVICE) == sorted(_ADVICE)
    assert all(advice_of(identifier).endswith(".") for identifier in _ADVICE)
    assert advice_of("odd") == ""

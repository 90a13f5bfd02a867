"""What to do about a dataset that is not there, and the end of its log as a page may show it."""

import re
from typing import Final

from tasks.core.state import Standing, State
from tasks.core.words import without_password

LOG_LINES: Final = 40
_LINE: Final = 400
_SECRET: Final = re.compile(
    r"""(?ix) ((?: passw(?:or)?d | secret | token | api_?key | authorization | credential
    | signature | access_key ) [\w-]{0,64} ["']? \s* [=:] \s* (?: (?:bearer|basic) \s+ )?)
    (?: "[^"]*" | '[^']*' | [^\s"'&;,]+ )"""
)
_KEY_ID: Final = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")
_ADVICE: Final = {
    "transient": "It is worth another try: the next sweep makes one by itself, unless too many have failed "
    "by then (--max-attempts). Until then what was published before stays as it is.",
    "permanent": "The data are at fault, so another try gives the same, and sweeps leave it alone until the "
    "archive's files change. Compare them with what the archive lists now: “xtendflow show {obsid} --files”. "
    "If they are damaged there, tell HEASARC's help desk.",
    "software": "A tool or xtendflow itself is at fault. Read the log, see by “xtendflow doctor” what is "
    "missing here, and try again by “xtendflow sweep --obsid {obsid}” once it is mended.",
    "gave-up": "Tries or time ran out. See in the log which step is slow or fails again and again; give it "
    "more time (heasoft.hours in the recipe) or a faster host, then “xtendflow sweep --obsid {obsid}”.",
    "no-data": "There is nothing to be done: without good time or events there are no products.",
    "proprietary": "Only encrypted files are in the archive. A sweep takes it once it is public.",
    "not-public": "It is not released yet. A sweep takes it once it is public.",
}


def what_to_do(standing: Standing, obsid: str) -> str:
    """What to do about it, in a sentence or two; nothing where it is done."""
    if standing.state in (State.DONE, State.WAITING, State.RUNNING):
        return ""
    return _ADVICE.get(standing.kind or "", "Read the reason, and the log.").format(obsid=obsid)


def log_words(tail: str) -> str:
    """The end of a log for a page: its last lines, none too long, and without secrets."""
    return "\n".join(_short(without_secrets(line)) for line in tail.splitlines()[-LOG_LINES:])


def without_secrets(text: str) -> str:
    """A text without what looks like a password, a token or a key."""
    return _KEY_ID.sub("***", _SECRET.sub(r"\1***", without_password(text)))


def _short(line: str) -> str:
    return line if len(line) <= _LINE else f"{line[:_LINE]} … ({len(line) - _LINE} characters more)"

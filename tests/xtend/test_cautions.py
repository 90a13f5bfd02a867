"""Cautions, and that every one that is used anywhere is known, and every one that is known is used."""

import ast
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.xtend.cautions import Caution, Severity, caution, notice, severe
from tasks.xtend.known_cautions import KNOWN_CAUTIONS, link_of
from tasks.xtend.traps import TRAPS

TASKS = Path(__file__).resolve().parents[2] / "tasks"
MAKERS = {"notice": Severity.NOTICE, "caution": Severity.CAUTION, "severe": Severity.SEVERE}


def made_in(source: str) -> list[str | None]:
    """Ids of the cautions that a module makes; None for one that is no text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (named := _makers(node.func)) and named <= MAKERS.keys():
            first = node.args[0] if node.args else None
            found.append(first.value if isinstance(first, ast.Constant) else None)
    return found


def _makers(function: ast.expr) -> set[str]:
    """The names that a call may go to: `caution`, or either side of `(caution if bad else notice)`."""
    if isinstance(function, ast.IfExp):
        return _makers(function.body) | _makers(function.orelse)
    return {function.id} if isinstance(function, ast.Name) else set()


def test_what_modules_make_is_seen():
    source = "caution('a', x)\n(severe if y else notice)('b', x)\nnotice(name, x)\nother('c')"
    assert made_in(source) == ["a", "b", None]


def test_every_caution_of_the_project_is_known_and_every_known_one_is_used():
    used = {
        (identifier, path.name)
        for path in TASKS.rglob("*.py")
        for identifier in made_in(path.read_text(encoding="utf-8"))
    }
    assert {identifier for identifier, _ in used} - KNOWN_CAUTIONS.keys() == set(), used
    assert KNOWN_CAUTIONS.keys() - {identifier for identifier, _ in used} == set()


def test_every_trap_is_known():
    assert TRAPS.keys() <= KNOWN_CAUTIONS.keys()


@pytest.mark.parametrize("identifier", KNOWN_CAUTIONS)
def test_what_is_known_says_something_and_leads_to_public_documentation(identifier):
    known = KNOWN_CAUTIONS[identifier]
    assert known.meaning
    assert known.meaning[-1] != "."
    assert known.link.startswith(("https://heasarc.gsfc.nasa.gov/", "https://arxiv.org/abs/"))


def test_the_table_is_in_order():
    assert list(KNOWN_CAUTIONS) == sorted(KNOWN_CAUTIONS)


@pytest.mark.parametrize(("make", "severity"), [(notice, "notice"), (caution, "caution"), (severe, "severe")])
def test_a_caution_has_the_link_of_its_id(make, severity):
    made = make("pile-up", "Photons pile up.")
    assert (made.severity, made.link) == (severity, "https://arxiv.org/abs/2511.19967")


def test_one_that_was_written_without_a_link_reads_as_if_it_had_one():
    old = {"id": "pile-up", "severity": "notice", "sentence": "Photons pile up."}
    assert Caution.model_validate(old) == notice("pile-up", "Photons pile up.")
    assert Caution.model_validate(old | {"link": "https://a.b"}).link == "https://a.b"
    newer = Caution.model_validate({"id": "of-the-future", "severity": "notice", "sentence": "Something."})
    assert newer.link == link_of("of-the-future") == ""


def test_one_without_an_id_is_refused():
    with pytest.raises(ValidationError, match="id"):
        Caution.model_validate({"severity": "notice", "sentence": "Something."})

"""Foreign text in Prefect's pages means nothing but itself; a second parser says what is read."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tasks.report.markdown import LONGEST, block, cell, link, plain, table

READ = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# What a mischievous name is made of, more often than chance would have it.
TEXT = st.text(
    st.one_of(st.characters(), st.sampled_from("|\\`*_[]()<>&!#~$-+=1.\n\r\t \u202e\u200b:/@")),
    max_size=LONGEST,
)


def shown(text):
    """A text as people see it: in one line, without what is invisible."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def cells(tokens):
    """The text of each cell of the table's rows, line breaks as blanks; anything but text fails."""
    found = []
    for before, token in pairwise(tokens):
        if token.type == "inline" and before.type == "td_open":
            kinds = {child.type for child in token.children}
            breaks = {child.content for child in token.children if child.type == "html_inline"}
            assert kinds <= {"text", "text_special", "html_inline"}
            assert breaks <= {"<br>"}
            found.append(
                "".join(" " if child.type == "html_inline" else child.content for child in token.children)
            )
    return found


@settings(deadline=None)
@given(TEXT, TEXT)
def test_a_cell_stays_one_cell(first, second):
    tokens = READ.parse(table(("a", "b", "c"), [(plain(first), "x", plain(second))]))
    assert sum(token.type == "tr_open" for token in tokens) == 2
    assert cells(tokens) == [shown(first)[:LONGEST], "x", shown(second)[:LONGEST]]


@settings(deadline=None)
@given(TEXT, st.integers(5, 40))
def test_lines_are_broken_and_nothing_is_lost(text, width):
    tokens = READ.parse(table(("a", "b"), [(cell(text, width), "x")]))
    found = cells(tokens)
    assert len(found) == 2
    assert found[0].replace(" ", "") == shown(text)[:LONGEST].replace(" ", "")
    lines = cell(text, width).split("<br>")
    assert all(len(re.sub(r"&(lt|gt|amp);|\\(.)", "x", line)) <= width for line in lines)


@settings(deadline=None)
@given(TEXT)
def test_a_line_of_text_is_one_paragraph(text):
    tokens = READ.parse(plain(text))
    assert [token.type for token in tokens] == (
        ["paragraph_open", "inline", "paragraph_close"] if shown(text) else []
    )


@settings(deadline=None)
@given(TEXT)
def test_a_log_stays_in_its_block(text):
    (token, after) = READ.parse(f"{block(text)}\n\nafter")[:2]
    assert (token.type, after.type) == ("fence", "paragraph_open")


def test_long_texts_are_cut():
    assert plain("x" * 1000) == "x" * (LONGEST - 1) + "…"
    assert len(cell("word " * 1000, 20)) < 2 * LONGEST
    assert max(map(len, block("y" * 10_000).splitlines())) == 400


@pytest.mark.parametrize(
    "text", ["http://evil.example/", "www.evil.example", "somebody@evil.example", "[x](javascript:alert(1))"]
)
def test_no_address_becomes_a_link_by_itself(text):
    # Prefect's pages also make links of bare addresses, which the parser here does not.
    assert not re.search(r"(?<!\\)://|www\.|(?<!\\)@|(?<!\\)\]", plain(text))


def test_links_lead_to_the_web_or_within_the_same_pages():
    assert link("run", "../../runs/flow-run/1") == "[run](../../runs/flow-run/1)"
    assert link("a|b", "https://example.org/a?b=c") == "[a\\|b](https://example.org/a?b=c)"
    for address in ("javascript:alert(1)", "https://x y", "https://x)y", "//x", "/x", "data:text/html,x", ""):
        assert "](" not in link("x", address)

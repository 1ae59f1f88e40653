"""Emphasis, code, links: the same as markdown-it, for finished text; nothing half-read while it grows."""

from __future__ import annotations

import random

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from edgemind.tui.widgets.markdown import inline

REFERENCE = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
PIECES = (
    "a",
    "bc",
    " ",
    " ",
    "*",
    "**",
    "***",
    "_",
    "__",
    "`",
    "``",
    "~~",
    "\\*",
    "\\",
    "&amp;",
    "&x",
    ".",
    "(",
    "é",
    "\n",
)
FLAGS = {"em": inline.EM, "strong": inline.STRONG, "s": inline.STRIKE, "link": inline.LINK}


def expected(text: str) -> list[tuple[str, int]]:
    """What markdown-it reads, character by character."""
    found: list[tuple[str, int]] = []
    flags = 0
    tokens: list[Token] = REFERENCE.parseInline(text)[0].children or []
    for token in tokens:
        name = token.type.rpartition("_")[0]
        if token.type.endswith("_open") and name in FLAGS:
            flags |= FLAGS[name]
        elif token.type.endswith("_close") and name in FLAGS:
            flags &= ~FLAGS[name]
        elif token.type == "code_inline":
            found += [(char, flags | inline.CODE) for char in token.content]
        elif token.type in ("softbreak", "hardbreak"):
            found.append(("\n", 0))
        else:
            found += [(char, flags) for char in token.content]
    return found


def actual(text: str) -> list[tuple[str, int]]:
    return [
        (char, 0 if char == "\n" else run.flags & ~inline.ADDRESS)
        for run in inline.read(text).runs
        if not run.flags & inline.ADDRESS
        for char in run.text
    ]


def nested(text: str) -> bool:
    """Emphasis of one kind inside itself, which the flags above do not count."""
    depth = {"em": 0, "strong": 0, "s": 0}
    for token in REFERENCE.parseInline(text)[0].children or []:
        name = token.type.rpartition("_")[0]
        if name in depth:
            depth[name] += token.nesting
            if depth[name] > 1:
                return True
    return False


def test_random_texts_read_as_markdown_it_reads_them() -> None:
    rng = random.Random(5)
    compared = 0
    for _ in range(2000):
        text = "x" + "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 14))) + "x"
        if "~~~" in text or "\\ " in text or nested(text):
            continue
        assert actual(text) == expected(text), text
        compared += 1
    assert compared > 1000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a [link](http://x.y/z_(1)) b", "a link (http://x.y/z_(1)) b"),
        ('[t](<u v> "title")', "t (u v)"),
        ("<https://a.b>", "https://a.b"),
        ("[https://a.b](https://a.b)", "https://a.b"),
        ("see https://a.b/c. And", "see https://a.b/c. And"),
        ("![alt](pic.png)", "[image: alt] (pic.png)"),
        ("[1] and [a][b]", "[1] and [a][b]"),
        ("a <b>*c*</b>", "a <b>c</b>"),
        ("<img title='*'> *x*", "<img title='*'> x"),
        ("2 * 3 * 4, snake_case_name", "2 * 3 * 4, snake_case_name"),
    ],
)
def test_what_is_shown_of_links_html_and_the_rest(text: str, shown: str) -> None:
    assert "".join(run.text for run in inline.read(text).runs) == shown


def test_a_link_says_where_it_leads_and_a_bare_address_is_one() -> None:
    runs = inline.read("go [there](http://evil.example) or www.example.org now").runs
    assert [(run.text, run.url) for run in runs if run.url] == [
        ("there", "http://evil.example"),
        (" (http://evil.example)", "http://evil.example"),
        ("www.example.org", "www.example.org"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "say **bold** and *em*, `code`",
        "a [link](http://x.y/z_(1)) b",
        "***both*** ~~gone~~",
        "![alt](u.png) &eacute; c",
    ],
)
def test_no_mark_is_shown_while_the_text_grows(text: str) -> None:
    for end in range(len(text) + 1):
        shown = "".join(run.text for run in inline.read(text[:end], final=False).runs if not run.flags & inline.ADDRESS)
        assert not set(shown.replace("[image: ", "").replace("alt]", "")) & set("*`~](&["), (text[:end], shown)


def test_settled_text_is_never_read_otherwise() -> None:
    rng = random.Random(3)
    for _ in range(400):
        text = "".join(rng.choice((*PIECES, "[x](y)", "[", "<a>", "word ")) for _ in range(20))
        whole = [(run.start, run.text, run.flags) for run in inline.read(text).runs]
        for end in range(len(text)):
            settled = inline.read(text[:end], final=False).settled
            part = inline.read(text[:settled]).runs
            joined = [(char, run.flags) for run in part for char in run.text]
            later = [(char, flags) for _, shown, flags in whole for char in shown][: len(joined)]
            assert joined == later, (text, end, settled)


@pytest.mark.parametrize(
    "part",
    ["*a ", "*a **b ", "[", "[a](", "`", "<a ", "&a", "_a_b", "![x](y ", "](", "\\(", "[x](<", '[a](b "', "**a*b"],
)
def test_hostile_repetition_is_read(part: str) -> None:
    text = part * 2000
    assert inline.read(text).runs
    assert inline.read(text, final=False).settled <= len(text)


def test_an_address_holds_no_line_end_that_a_paste_would_run() -> None:
    runs = inline.read("[here](https://a.b/&#10;rm&#9;)").runs
    assert {run.url for run in runs if run.url} == {"https://a.b/%0Arm%09"}
    assert "".join(run.text for run in runs) == "here (https://a.b/%0Arm%09)"

"""A text that streams ends as if it had come at once, only its end changes, and a token's cost does not grow."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from edgemind.tui.widgets import code
from edgemind.tui.widgets.markdown import inline, tables, views
from edgemind.tui.widgets.markdown.document import Document
from edgemind.tui.widgets.markdown.lines import Guess, Line, merged, width_of

SAMPLE = """# Title *here*

Some **bold** and *em* text with `code` and a [link](https://example.org/a_(b)) that goes on and on until it wraps.
Second line with 日本語のテキスト that is wide, and é.

## Steps
1. First item that is long enough that it has to be wrapped somewhere around here, at eighty cells or so.
   - nested **one**
   - nested two
     ```python
     def f(x):
         \"\"\"doc
         more\"\"\"
         return x + 1  # c
     ```
2. Second

> quote *em*
> more
>
> > inner

| Name | Value | Long text |
|:-----|------:|:---:|
| a | 1 | short |
| b | 22 | a much longer text that surely makes the table wider than eighty cells in the end |

- [ ] todo
- [x] done

---
```js
/* multi
 line */ let x = `a
b`; const y = 3;
```
<div>html *x*</div>

End, 2 * 3 and snake_case & [1] <b>."""


def shown(document: Document) -> list[tuple[object, ...]]:
    lines = [document.line(number) for number in range(document.height)]
    return [(tuple(merged(line.pieces)), line.fill) for line in lines]


def whole(text: str, width: int) -> Document:
    document = Document(text)
    document.layout(width)
    return document


@pytest.fixture(autouse=True)
def _lexers() -> None:
    for language in ("python", "js"):
        code.lexer(language, wait=True)


@pytest.mark.parametrize("width", [80, 24, 9])
def test_it_ends_as_if_it_had_come_at_once_and_only_its_end_changed(width: int) -> None:
    expected = shown(whole(SAMPLE, width))
    for seed in range(12):
        rng = random.Random(seed)
        document, before, at = Document(), [], 0
        while at < len(SAMPLE):
            size = rng.choice((1, 2, 3, 7, 30))
            document.feed(SAMPLE[at : at + size])
            at += size
            first = document.layout(width)
            now = shown(document)
            assert now[:first] == before[:first]
            before = now
        document.finish()
        first = document.layout(width)
        assert shown(document)[:first] == before[:first]
        assert shown(document) == expected


def test_a_cut_anywhere_shows_no_half_of_a_mark() -> None:
    marks = ("**", "](", "```", "|--", "- [", "~~", "&eacu", "##")
    text = "## Head\n\nSay **bold** and [a](http://b.c), ~~gone~~ &eacute;\n\n- [ ] one\n\n| a | b |\n|---|---|\n"
    text += "| 1 | 2 |\n\n```python\nx = 1\n```\n\nend"
    for end in range(len(text)):
        document = Document(text[:end], finished=False)
        document.layout(60)
        plain = "\n".join("".join(piece.text for piece in document.line(n).pieces) for n in range(document.height))
        assert not [mark for mark in marks if mark in plain], (text[:end][-20:], plain)
        assert "|" not in plain, text[:end][-20:]


@pytest.mark.parametrize("width", [1, 2, 3, 5, 12, 33])
def test_any_width_will_do(width: int) -> None:
    document = whole(SAMPLE, width)
    for number in range(document.height):
        assert sum(width_of(piece.text) for piece in document.line(number).pieces) <= max(width, 3)


def test_another_width_lays_everything_out_again() -> None:
    document = whole(SAMPLE, 80)
    document.layout(30)
    assert shown(document) == shown(whole(SAMPLE, 30))


KINDS: dict[str, Callable[[int], str]] = {
    "paragraph": lambda n: f"word {n} and **strong {n}** and `code` *",
    "list": lambda n: f"- item {n} with **some** text\n",
    "table": lambda n: f"| {n} | a cell | another **cell** of it that is long enough to be wrapped |\n",
    "code": lambda n: f"value_{n} = compute({n})  # why\n",
    "long code line": lambda n: f"x{n} + ",
    "html": lambda n: f"<b>{n}</b> text\n",
    "one bold": lambda n: f"word{n} ",
}
HEADS = {
    "table": "| n | a | b |\n|---|---|---|\n",
    "code": "```python\n",
    "long code line": "```python\n",
    "html": "<div>\n",
    "one bold": "**",
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_work_for_a_token_does_not_grow_with_the_answer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters that are read, wrapped or coloured for each new piece, early and after 12,000 characters."""
    work = 0

    def counted(function: Callable[..., object], size: Callable[..., int]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal work
            work += size(*arguments)
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(inline, "read", counted(inline.read, lambda text, *_: len(text)))
    for module in (views, tables):
        monkeypatch.setattr(module, "wrap", counted(module.wrap, lambda pieces, _: sum(len(one[0]) for one in pieces)))
    monkeypatch.setattr(views, "breaks", counted(views.breaks, lambda text, _: len(text)))
    monkeypatch.setattr(code, "_line", counted(code._line, lambda _, text, __: len(text)))
    document = Document(HEADS.get(kind, ""), finished=False)
    piece, costs, size = KINDS[kind], [], 0
    while size < 12_000:
        text = piece(len(costs))
        size += len(text)
        work = 0
        document.feed(text)
        document.layout(80)
        for number in range(max(0, document.height - 30), document.height):
            document.line(number)
        costs.append(work)
    late = sorted(costs[-40:])
    bound = 14_000 if kind == "long code line" else 6_000
    assert late[len(late) // 2] < bound
    assert sum(costs[-40:]) <= 4 * sum(costs[40:80]) + 40 * 1500


def test_guessed_words_are_pieces_of_their_own_wherever_they_stand() -> None:
    text = "Some **bold** words, a `code` and\n\n- an item\n\n| cell |\n|---|\n| here |\n"
    words = ("bold", "words", "code", "item", "here")
    guesses = [Guess(text.index(word), text.index(word) + len(word), n) for n, word in enumerate(words)]
    document = Document(text)
    document.guess(guesses, 1 << 60)
    document.layout(60)
    found = [piece for n in range(document.height) for piece in document.line(n).pieces if "guess" in piece.look]
    assert [(piece.text, piece.mark) for piece in found] == list(zip(words, guesses, strict=True))


def test_a_guess_that_is_known_late_still_marks_its_word() -> None:
    document = Document()
    document.guess([], 0)
    text = "one two three four five six seven eight nine ten " * 4
    for at in range(0, len(text), 5):
        document.feed(text[at : at + 5])
        document.layout(30)
    document.guess([Guess(4, 7, 0)], len(text))
    document.layout(30)
    lines = [document.line(n) for n in range(document.height)]
    assert [piece.text for line in lines for piece in line.pieces if "guess" in piece.look] == ["two"]


def test_a_quote_goes_on_through_its_empty_lines() -> None:
    document = whole("> a\n>\n> b", 20)
    assert ["".join(piece.text for piece in document.line(n).pieces) for n in range(3)] == ["▌ a", "▌ ", "▌ b"]


def test_nothing_is_laid_out_twice_when_nothing_came() -> None:
    document = whole(SAMPLE, 80)
    assert document.layout(80) == document.height
    assert document.line(-1) == Line()
    assert document.line(10_000) == Line()

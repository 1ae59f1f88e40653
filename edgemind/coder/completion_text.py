"""What of a model's text belongs into a gap: where a line or a block is over, and what stands after the gap already.

Everything here is a pure function of texts with ``\\n`` between lines. Columns and lines count from 1, in characters.
Not for: asking a model (``completing``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Literal

from edgemind.errors import BadInput

Lines = Literal["one", "block"]

_OPENERS, _CLOSERS = "([{", ")]}"
_QUOTES = "\"'`"
_ENDS = _CLOSERS + _QUOTES + " \t,;:"
"""What an editor or a person puts behind the cursor beforehand."""
_WORDS = re.compile(r"\w.*\w")
_LEAVES = re.compile(r"\s*(?:return|raise|throw)\b")
_MOST_BELOW = 30
"""Lines after the gap in which its brackets are looked for."""
_MOST_BLANK = 4
"""Blank lines in a row after which nothing more is expected."""
_MOST_REPEATED = 60
"""Lines that are noticed when they are said over again."""
_LINE_BELOW = re.compile(r"^.*\S.*$", re.MULTILINE)
_STRINGS = re.compile(r"""("(?:\\.|[^"\\\n])*"|(?<![&<])'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\\n])*`)""")
"""An apostrophe after ``&`` or ``<`` is Rust's."""


def split_at(text: str, line: int, column: int | None, name: str) -> tuple[str, str]:
    """The text before and after a place; without a column that is the end of the line.

    Args:
        name: of the file, for messages.

    Raises:
        BadInput: there is no such place; the message has the numbers.
    """
    text = text.replace("\r\n", "\n")
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        last = len(lines) - (1 if len(lines) > 1 and not lines[-1] else 0)
        raise BadInput(f"{name} has {_counted(last, 'line')}, so there is no line {line:,}.", f"Try {name}:{last}")
    length = len(lines[line - 1])
    if column is not None and not 1 <= column <= length + 1:
        raise BadInput(
            f"Line {line:,} of {name} has {_counted(length, 'character')}, so there is no column {column:,}.",
            f"Try {name}:{line} for its end.",
        )
    at = sum(len(earlier) + 1 for earlier in lines[: line - 1]) + (length if column is None else column - 1)
    return text[:at], text[at:]


def end_of(text: str, prefix: str, suffix: str, lines: Lines) -> int | None:
    """Where the wanted part of what was written so far ends; ``None`` while it may go on."""
    rest, _, below = suffix.partition("\n")
    if lines == "one" or rest.strip(_ENDS):
        return _first_line(text, inside=bool(rest.strip()))
    before = prefix.rpartition("\n")[2]
    written = _written(text, before)[:-1]
    ends = (_block(text, before, suffix), _copied(written, before, below, over=False), _repeated(written, before))
    return min((end for end in ends if end is not None), default=None)


def fitted(text: str, prefix: str, suffix: str) -> str:
    """The text without what the file says after the gap anyway, and without blanks at its end."""
    rest, _, below = suffix.partition("\n")
    before = prefix.rpartition("\n")[2]
    text = text[: _copied(_written(text, before), before, below, over=True)]
    if not rest.strip():
        return text.rstrip() if not text.isspace() else ""
    shown = rest.strip()
    if shown.strip(_ENDS):
        said = text.rstrip()
        again = rest.rstrip() if said.endswith(rest.rstrip()) else shown
        return said.removesuffix(again) if said.endswith(again) else text.rstrip("\n")
    # Between brackets that stand there already, a text of several lines ends with a line of its own.
    text = text if text.lstrip(" \t").startswith("\n") else text.rstrip("\n")
    return _without_ends(text, before, suffix)


def _first_line(text: str, *, inside: bool) -> int | None:
    """The end of the first line that says something; in the middle of a line, the end of that line."""
    start = 0 if inside else len(text) - len(text.lstrip())
    if text.count("\n", 0, start) > _MOST_BLANK:
        return 0
    end = text.find("\n", start)
    return None if end < 0 else end


def _block(text: str, before: str, suffix: str) -> int | None:
    """A block is over before a line that is less indented, or after the bracket that closes what was open.

    In a line that has begun already the block is that statement: it is over before the next line that is no deeper.
    Where the file has more of the block below, or where nothing can be less indented, another paragraph ends it too,
    and many blank lines do anywhere.
    """
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    begun = bool(before.strip()) and (bool(lines[0].strip()) or _indent(first) != _indent(before))
    base = _indent(before + lines[0])
    depth = max(0, _opened(before) - _closed_after(suffix, base))
    rest, _, below = suffix.partition("\n")
    following = _line_below(below)
    paragraphs = begun or base == 0 or _indent(following) >= base
    paragraph, left, at = False, False, 0
    blank, said = 0, 0
    for number, line in enumerate(lines):
        known = number < len(lines) - 1
        indent = _indent(line) if number else base
        mark = line.lstrip()[:1]
        closes = number > 0 and mark in tuple(_CLOSERS) and indent <= base
        if number and line.strip():
            same = indent == base and (begun or left or (paragraph and paragraphs))
            if (same or indent < base) and not (closes and depth > 0):
                return at + len(line) - len(line.lstrip()) if closes and rest.lstrip().startswith(mark) else at - 1
        unopened = _unopened(line, depth, known=known)
        if unopened is not None:
            inner = not rest.strip() and line[:unopened].strip() == "" and indent > _indent(following)
            if suffix.lstrip().startswith(line[unopened]) and not inner:
                return at + unopened
        depth = max(0, depth + _balance(line))
        if (unopened is not None and begun) or (closes and begun and depth <= 0):
            return at + len(line) if known else None
        paragraph = number > 0 and not line.strip()
        blank, said = (blank + 1, said) if paragraph else (0, at + len(line))
        if blank == _MOST_BLANK and known:
            return said
        left = (left and paragraph) or (depth == 0 and indent == base and bool(_LEAVES.match(line)))
        at += len(line) + 1
    return None


def _closed_after(suffix: str, base: int) -> int:
    """How many open brackets are closed after the gap: on the same line, or while the next lines belong to it."""
    rest, _, below = suffix.partition("\n")
    depth, closed = 0, 0
    following = (found[0] for found in itertools.islice(_LINE_BELOW.finditer(below), _MOST_BELOW))
    for line in itertools.chain((rest,), following):
        if line is not rest and (_indent(line) < base or (_indent(line) == base and line.lstrip()[0] not in _CLOSERS)):
            break
        for mark in _STRINGS.sub("", line):
            depth += (mark in _OPENERS) - (mark in _CLOSERS)
            closed = max(closed, -depth)
    return closed


def _indent(line: str) -> int:
    """Columns of blanks at its beginning."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs())


def _balance(line: str) -> int:
    """Brackets opened less brackets closed, strings left out."""
    plain = _STRINGS.sub("", line)
    return sum(plain.count(mark) for mark in _OPENERS) - sum(plain.count(mark) for mark in _CLOSERS)


def _opened(line: str) -> int:
    """How many brackets are open at its end."""
    depth = 0
    for mark in _STRINGS.sub("", line):
        depth = max(0, depth + (mark in _OPENERS) - (mark in _CLOSERS))
    return depth


def _unopened(line: str, depth: int, *, known: bool) -> int | None:
    """The place of the first bracket that closes what nothing has opened; in a line that is not whole, outside of a
    string that has begun."""
    plain = _STRINGS.sub(lambda found: "x" * len(found[0]), line)
    for at, mark in enumerate(plain):
        if mark in _QUOTES and not known:
            return None
        depth += (mark in _OPENERS) - (mark in _CLOSERS)
        if depth < 0:
            return at
    return None


def _without_ends(text: str, before: str, suffix: str) -> str:
    """What the rest of the line closes is not closed twice: brackets, quotes, and what stands behind them."""
    said, rest = text.rstrip(), suffix.partition("\n")[0].strip()
    open_ = max(0, _opened(before) - _closed_after(suffix, _indent(before)))
    for length in range(len(rest), 0, -1):
        end = rest[:length]
        closed = sum(end.count(mark) for mark in _CLOSERS)
        quote = next((mark for mark in end if mark in _QUOTES), "")
        if (
            said.endswith(end)
            and (not closed or _balance(said) + closed <= -open_)
            and (not quote or said.count(quote) % 2)
        ):
            return said.removesuffix(end)
    return text


def _written(text: str, before: str) -> list[str]:
    """The lines as they will stand in the file, but for what comes after the gap; the last may not be whole."""
    return (before + text).split("\n")


def _copied(lines: Sequence[str], before: str, below: str, *, over: bool) -> int | None:
    """Where the text begins to say the lines that are next in the file.

    One line is enough when it has words in it; a bracket or a quote may well stand twice.

    Args:
        over: nothing more will be written, so the last line is all that there is to compare.
    """
    following = [found[0] for found in itertools.islice(_LINE_BELOW.finditer(below), 2)]
    if not following:
        return None
    at = -len(before)
    for number, line in enumerate(lines):
        if line.rstrip() == following[0].rstrip() and (number or not before.strip()):
            more = next((later.rstrip() for later in lines[number + 1 :] if later.strip()), "")
            ends = over and not more and not line.strip(_QUOTES + " \t")
            if _says(line) or ends or (more == following[-1].rstrip() and len(following) > 1):
                return max(at - 1, 0)
        at += len(line) + 1
    return None


def _repeated(lines: Sequence[str], before: str) -> int | None:
    """Where the text begins to say over again what it has just said: a line for the third time, several for the second.

    A small model that does this does not stop by itself.
    """
    says = -len(lines)
    for end in range(1, len(lines) + 1):
        if _says(lines[end - 1]):
            says = end
        for size in range(end - says + 1, min(end // 2, _MOST_REPEATED) + 1):
            start = end - size * (3 if size == 1 else 2)
            if start < 0 or lines[end - 1] != lines[end - 1 - size]:
                continue
            if lines[start:end] == [*lines[end - size : end]] * ((end - start) // size):
                return max(sum(len(line) + 1 for line in lines[: start + size]) - 1 - len(before), 0)
    return None


def _says(line: str) -> bool:
    """Whether there is more in it than marks and one letter."""
    return _WORDS.search(line) is not None


def _line_below(below: str) -> str:
    """The first line that says something. Asked at every token, so the rest of a long file is not looked at."""
    found = _LINE_BELOW.search(below)
    return found[0] if found else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"

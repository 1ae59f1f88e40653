"""What of a model's text belongs into a gap: where a line or a block is over, and what stands after the gap already.

Everything here is a pure function of texts with ``\\n`` between lines. Columns and lines count from 1, in characters.
Not for: asking a model (``completing``).
"""

from __future__ import annotations

import re
from typing import Literal

from edgemind.errors import BadInput

Lines = Literal["one", "block"]

_OPENERS, _CLOSERS = "([{", ")]}"
_LINE_BELOW = re.compile(r"^.*\S.*$", re.MULTILINE)
_STRINGS = re.compile(r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\\n])*`)""")


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
    if lines == "one" or _rest_of_line(suffix).strip(_CLOSERS + " \t,;:'\"`"):
        return _first_line(text, inside=bool(_rest_of_line(suffix).strip()))
    return _block(text, prefix, suffix)


def fitted(text: str, prefix: str, suffix: str) -> str:
    """The text without what the file says after the gap anyway, and without blanks at its end."""
    rest = _rest_of_line(suffix)
    text = _without_lines_below(text, suffix[len(rest) :])
    if not rest.strip():
        return text.rstrip() if not text.isspace() else ""
    text = text.rstrip("\n")
    shown = rest.strip()
    if shown.strip(_CLOSERS):
        said = text.rstrip()
        again = rest.rstrip() if said.endswith(rest.rstrip()) else shown
        return said.removesuffix(again) if said.endswith(again) else text
    return _without_closers(text, prefix.rpartition("\n")[2], shown)


def _rest_of_line(suffix: str) -> str:
    return suffix.partition("\n")[0]


def _first_line(text: str, *, inside: bool) -> int | None:
    """The end of the first line that says something; in the middle of a line, the end of that line."""
    start = 0 if inside else len(text) - len(text.lstrip())
    end = text.find("\n", start)
    return None if end < 0 else end


def _block(text: str, prefix: str, suffix: str) -> int | None:
    """A block is over before a line that is less indented, or that begins another paragraph no deeper than the block.

    In a line that has begun already the block is that statement: it is over before the next line that is no deeper,
    unless that one closes its bracket.
    """
    before = prefix.rpartition("\n")[2]
    begun = bool(before.strip())
    lines = text.split("\n")
    base = _indent(before + lines[0])
    depth = max(0, _balance(before) - _closed_after(suffix, base))
    paragraph, at = False, 0
    for number, line in enumerate(lines):
        known = number < len(lines) - 1
        closes = number > 0 and line.lstrip()[:1] in tuple(_CLOSERS) and _indent(line) <= base
        if number and line.strip():
            apart = _indent(line) < base or (_indent(line) == base and (begun or paragraph))
            if apart and not (closes and depth > 0):
                return at - 1
        unopened = _unopened(line, depth)
        if unopened is not None and suffix.lstrip().startswith(line[unopened]):
            return at + unopened
        depth += _balance(line)
        if unopened is not None or (closes and begun and depth <= 0):
            return at + len(line) if known else None
        paragraph = number > 0 and not line.strip()
        at += len(line) + 1
    return None


def _closed_after(suffix: str, base: int) -> int:
    """How many brackets are closed right after the gap: on the same line, or by a next line that is not further out."""
    rest, _, below = suffix.partition("\n")
    following = _line_below(below)
    if _indent(following) < base:
        following = ""
    return sum(len(line.strip()) - len(line.strip().lstrip(_CLOSERS)) for line in (rest, following))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _balance(line: str) -> int:
    """Brackets opened less brackets closed, strings left out."""
    plain = _STRINGS.sub("", line)
    return sum(plain.count(mark) for mark in _OPENERS) - sum(plain.count(mark) for mark in _CLOSERS)


def _unopened(line: str, depth: int) -> int | None:
    """The place of the first bracket that closes what nothing has opened."""
    plain = _STRINGS.sub(lambda found: "x" * len(found[0]), line)
    for at, mark in enumerate(plain):
        depth += (mark in _OPENERS) - (mark in _CLOSERS)
        if depth < 0:
            return at
    return None


def _without_closers(text: str, before: str, rest: str) -> str:
    """Brackets that the rest of the line closes are not closed twice."""
    allowed = -max(0, _balance(before + rest))
    for mark in reversed(rest):
        if not (text.rstrip().endswith(mark) and _balance(text) < allowed):
            break
        text = text.rstrip()[:-1]
    return text


def _without_lines_below(text: str, below: str) -> str:
    """The text up to a line that is the next one of the file."""
    following = _line_below(below).strip()
    if len(re.findall(r"\w", following)) < 2:
        return text
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if number and line.strip() == following:
            return "\n".join(lines[:number])
    return text


def _line_below(below: str) -> str:
    """The first line that says something. Asked at every token, so the rest of a long file is not looked at."""
    found = _LINE_BELOW.search(below)
    return found[0] if found else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"

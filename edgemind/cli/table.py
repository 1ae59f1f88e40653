"""Tables and lists of facts for a terminal of any width, and whole and plain for a pipe.

Everything that is put into a cell is cleaned here: names and metadata come from files that anyone could have written.
Not for: colours, JSON (``console.out_json``).
"""

from __future__ import annotations

import os
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from edgemind.cli import console
from edgemind.terminal import clean_line

GAP = "  "
NARROWEST = 8
"""Characters that a cell which may be cut keeps at least."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    """Numbers stand to the right."""
    shrinks: bool = False
    """Its cells may be cut on a narrow screen."""
    rank: int = 0
    """When the screen is too narrow the highest rank goes first; rank 0 stays."""


def screen_width() -> int | None:
    """Columns of the terminal on standard output; ``None`` when it is none, and nothing needs to be cut."""
    if not console.is_terminal(sys.stdout):
        return None
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or 80


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> str:
    """The rows under the columns' titles, one line each. A column that is empty everywhere is left out.

    Args:
        width: of the screen; ``None`` for as wide as it gets.
    """
    cells = [[clean_line(cell) for cell in row] for row in rows]
    used = [index for index in range(len(columns)) if not cells or any(row[index] for row in cells)]
    widths = [
        max(_width(text) for text in (columns[index].title, *(row[index] for row in cells)))
        for index in range(len(columns))
    ]
    if width is not None:
        used = _fitted(columns, used, widths, width)
    lines = [[columns[index].title for index in used], *([row[index] for index in used] for row in cells)]
    picked = [(columns[index], widths[index]) for index in used]
    return "".join(_line(line, picked) for line in lines)


def facts(rows: Sequence[tuple[str, str]], width: int | None) -> str:
    """``name  value`` lines; a long value goes on below itself. Rows without a value are left out.

    An empty name continues the row above it.
    """
    shown = [(clean_line(name), clean_line(value)) for name, value in rows if value]
    indent = max((_width(name) for name, _ in shown), default=0) + len(GAP)
    room = None if width is None else max(width - indent, 24)
    lines: list[str] = []
    for name, value in shown:
        parts = [value] if room is None else _wrapped(value, room)
        lines += [f"{_padded(name if number == 0 else '', indent)}{part}" for number, part in enumerate(parts)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def note(text: str, width: int | None) -> str:
    """A paragraph below a table."""
    line = clean_line(text)
    if width is None or _width(line) <= width:
        return f"{line}\n"
    return "".join(f"{part}\n" for part in _wrapped(line, max(width, 24)))


def _wrapped(text: str, width: int) -> list[str]:
    """Lines broken between words only: a hash or a command stays whole for copying."""
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False) or [""]


def _fitted(columns: Sequence[Column], used: list[int], widths: list[int], width: int) -> list[int]:
    """The columns that stay on a screen this wide; ``widths`` of those that may be cut become smaller."""
    while True:
        spare = width - sum(widths[index] for index in used) - len(GAP) * (len(used) - 1)
        if spare >= 0:
            return used
        room = {index: widths[index] - NARROWEST for index in used if columns[index].shrinks}
        if sum(max(0, free) for free in room.values()) >= -spare:
            for index in sorted(room, key=lambda index: -columns[index].rank):
                cut = min(max(0, room[index]), -spare)
                widths[index] -= cut
                spare += cut
            return used
        last = max(used, key=lambda index: columns[index].rank)
        if not columns[last].rank:
            return used
        used = [index for index in used if index != last]


def _line(cells: Sequence[str], columns: Sequence[tuple[Column, int]]) -> str:
    shown = []
    for text, (column, width) in zip(cells, columns, strict=True):
        cut = _cut(text, width)
        shown.append(" " * (width - _width(cut)) + cut if column.right else _padded(cut, width))
    return GAP.join(shown).rstrip() + "\n"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _cut(text: str, width: int) -> str:
    """The text, or its beginning and a sign that there is more."""
    if _width(text) <= width:
        return text
    more = "…" if console.draws(sys.stdout, "…") else "~"
    kept = ""
    left = width - 1
    for character in text:
        left -= _width(character)
        if left < 0:
            break
        kept += character
    return kept + more


def _width(text: str) -> int:
    """Columns on a screen; East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )

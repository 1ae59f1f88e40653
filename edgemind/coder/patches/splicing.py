"""Lines of a file taken out and put in, with the line ends that a patch says or those that the file has.

Not for: edits of a model (``file_text.with_edits``), which never say line ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from edgemind.coder.file_text import FileText

T = TypeVar("T")


@dataclass(frozen=True)
class Splice:
    """New lines in place of lines ``start`` to ``stop`` (0-based, half open), each with its end; ``None`` for the end
    that the file would give it. ``exact``: whether the file's last line has an end is as it is said."""

    start: int
    stop: int
    lines: tuple[tuple[str, str | None], ...]
    exact: bool = False

    @classmethod
    def of(cls, start: int, stop: int, lines: Iterable[str]) -> Splice:
        """One of whose lines no ends are said."""
        return cls(start, stop, tuple((line, None) for line in lines))


def runs(start: int, lines: Iterable[tuple[str, T]]) -> Iterator[tuple[int, int, list[T]]]:
    """What changes in a hunk that is at line ``start``: from which line to which, and what is new there.

    Args:
        lines: each behind its mark, ``" "``, ``"-"`` or ``"+"``.
    """
    at = start
    new: list[T] = []
    for mark, line in lines:
        if mark == "+":
            new.append(line)
        elif mark == "-":
            at += 1
        else:
            if new or at > start:
                yield start, at, new
            new, start = [], at + 1
            at = start
    if new or at > start:
        yield start, at, new


def spliced(text: FileText, splices: Sequence[Splice]) -> FileText:
    """The text after splices of the text before any.

    Raises:
        ValueError: two of them change the same line.
    """
    lines: list[str] = []
    newlines: list[str] = []
    usual, done = text.newline, 0
    for splice in sorted(splices, key=lambda one: (one.start, one.stop)):
        if splice.start < done:
            raise ValueError(f"two of its parts change line {splice.start + 1}")
        lines += text.lines[done : splice.start]
        newlines += text.newlines[done : splice.start]
        replaced = text.newlines[splice.start : splice.stop]
        for at, (line, end) in enumerate(splice.lines):
            lines.append(line)
            newlines.append(((replaced[at] if at < len(replaced) else "") or usual) if end is None else end)
        done = splice.stop
    lines += text.lines[done:]
    newlines += text.newlines[done:]
    said = any(splice.exact and splice.stop == len(text.lines) for splice in splices)
    for at, end in enumerate(newlines):
        if not end and (at < len(newlines) - 1 or (text.final_newline and not said)):
            newlines[at] = usual
    if newlines and not said and not text.final_newline:
        newlines[-1] = ""
    return replace(text, lines=tuple(lines), newlines=tuple(newlines))

"""A change as a unified diff for people to read. What was invisible in it is shown.

Not for: applying (``applying``), patches from elsewhere (``patches``).
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edgemind.coder.file_text import FileText
from edgemind.coder.problems import UnreadableText
from edgemind.coder.types import FileChange
from edgemind.terminal import clean, clean_line

CONTEXT = 3
Kind = Literal["new", "changed", "deleted"]


@dataclass(frozen=True)
class FileDiff:
    """One file of a proposal or of a step."""

    path: str
    kind: Kind
    lines: tuple[str, ...]
    """Hunk headers and lines behind ``+``, ``-`` and a blank, cleaned."""
    added: int
    removed: int


def diff(change: FileChange) -> FileDiff:
    """What changes in one file."""
    kind: Kind = "new" if change.before is None else "deleted" if change.after is None else "changed"
    try:
        before, after = _lines(change.before), _lines(change.after)
    except UnreadableText:
        return FileDiff(change.path, kind, ("(binary)",), 0, 0)
    lines = tuple(clean(line) for line in _hunks(before, after))
    added, removed = (sum(line.startswith(mark) for line in lines) for mark in "+-")
    return FileDiff(change.path, kind, lines, added, removed)


def as_text(diffs: Sequence[FileDiff]) -> str:
    """All of it as one patch."""
    return "".join(f"{line}\n" for one in diffs for line in (*header(one), *one.lines))


def header(one: FileDiff) -> tuple[str, str]:
    """The two lines before the hunks."""
    path = clean_line(one.path)
    return (
        "--- /dev/null" if one.kind == "new" else f"--- a/{path}",
        "+++ /dev/null" if one.kind == "deleted" else f"+++ b/{path}",
    )


def _hunks(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    return itertools.islice(difflib.unified_diff(before, after, n=CONTEXT, lineterm=""), 2, None)


def _lines(data: bytes | None) -> list[str]:
    """The lines; what differs only in the end of a line has to differ here too."""
    if data is None:
        return []
    text = FileText.read(data)
    usual = text.newline
    lines = [
        line + ("" if end in (usual, "") else end.replace("\r", "␍").replace("\n", "␊"))
        for line, end in zip(text.lines, text.newlines, strict=True)
    ]
    if lines and not text.final_newline:
        lines[-1] += "  (no newline at the end)"
    return lines

"""A change as a unified diff: for people to read, what was invisible in it shown, and to the byte for ``git apply``.

Not for: applying (``applying``), patches from elsewhere (``patches``).
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edgemind.coder.file_text import FileText
from edgemind.coder.problems import UnreadableText
from edgemind.coder.types import FileChange
from edgemind.terminal import clean, clean_line

CONTEXT = 3
TAB = "\t"
_UNENDED = "\\ No newline at end of file\n"
_EXECUTABLE = 0o100
_ENDED = re.compile(r"[^\n]*\n|[^\n]+")
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
    patch: str
    """The change as git has it; bytes that are no UTF-8 are lone surrogates (PEP 383)."""


def diff(change: FileChange) -> FileDiff:
    """What changes in one file."""
    kind: Kind = "new" if change.before is None else "deleted" if change.after is None else "changed"
    patch = _patch(change)
    try:
        before, after = _lines(change.before), _lines(change.after)
    except UnreadableText:
        return FileDiff(change.path, kind, ("(binary)",), 0, 0, patch)
    lines = tuple(clean(line) for line in _hunks(before, after))
    added, removed = (sum(line.startswith(mark) for line in lines) for mark in "+-")
    if change.mode is not None and kind != "deleted":
        lines = (f"({'' if change.mode & _EXECUTABLE else 'not '}executable)", *lines)
    return FileDiff(change.path, kind, lines, added, removed, patch)


def as_text(diffs: Sequence[FileDiff]) -> str:
    """All of it as one patch, to the byte."""
    return "".join(one.patch for one in diffs)


def header(one: FileDiff) -> tuple[str, str]:
    """The two lines before the hunks."""
    path = clean_line(one.path)
    return (
        "--- /dev/null" if one.kind == "new" else f"--- a/{path}",
        "+++ /dev/null" if one.kind == "deleted" else f"+++ b/{path}",
    )


def _patch(change: FileChange) -> str:
    """In git's form, with its own first lines where there is more than lines that change."""
    before, after = (_raw(data) for data in (change.before, change.after))
    old, new = (_quoted(f"{side}/{change.path}") for side in "ab")
    executable = change.mode is not None and bool(change.mode & _EXECUTABLE)
    head = [f"diff --git {old.rstrip(TAB)} {new.rstrip(TAB)}"]
    if change.before is None:
        head.append(f"new file mode {'100755' if executable else '100644'}")
    elif change.after is None:
        head.append("deleted file mode 100644")
    elif change.mode is not None:
        head += ["old mode 100644", "new mode 100755"] if executable else ["old mode 100755", "new mode 100644"]
    names = ["--- /dev/null" if change.before is None else f"--- {old}"]
    names.append("+++ /dev/null" if change.after is None else f"+++ {new}")
    if before is None or after is None:
        return "".join(f"{line}\n" for line in [*head, f"Binary files a/{change.path} and b/{change.path} differ"])
    hunks = [line if line.endswith("\n") else f"{line}\n{_UNENDED}" for line in _hunks(before, after, "\n")]
    if change.mode is None and hunks:
        head = []
    return "".join([*(f"{line}\n" for line in (*head, *(names if hunks else ()))), *hunks])


def _raw(data: bytes | None) -> list[str] | None:
    """Lines with their ends; ``None`` for what git takes for binary."""
    if data is None:
        return []
    if b"\0" in data:
        return None
    return _ENDED.findall(data.decode("utf-8", "surrogateescape"))


_ESCAPED = {code: f"\\{code:03o}" for code in (*range(32), 127)} | {ord('"'): '\\"', ord("\\"): "\\\\"}
"""How a path in quotes writes what cannot stand there."""


def _quoted(path: str) -> str:
    """As git writes it: in quotes when a character needs it, before a tabulator when it holds a blank."""
    written = path.translate(_ESCAPED)
    if written != path:
        return f'"{written}"'
    return path + TAB if " " in path else path


def _hunks(before: Sequence[str], after: Sequence[str], end: str = "") -> Iterator[str]:
    return itertools.islice(difflib.unified_diff(before, after, n=CONTEXT, lineterm=end), 2, None)


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

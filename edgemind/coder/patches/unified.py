"""Unified diffs, of ``git diff``, ``diff -u`` or a model that remembers their form.

Line numbers are a hint only and counts are not believed: the lines themselves say where a hunk goes.
Not for: renaming and deleting files, which is said; finding lines (``locating``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgemind.coder.file_text import FileText
from edgemind.coder.patches.locating import Place, Quote, locate
from edgemind.coder.patches.naming import resolve, without_prefix
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.types import Create, Delete, Edit, Insert, Replace
from edgemind.terminal import clean_line

_HUNK = re.compile(r"@@(?: -(?P<old>\d{1,9})(?:,(?P<olds>\d{1,9}))? \+\d+(?:,(?P<news>\d{1,9}))? @@)?")
_NOWHERE = "/dev/null"
_REFUSED = (
    (re.compile(r"rename (?:from|to) (?P<path>.+)"), "renames {}", "git mv, then apply the rest"),
    (re.compile(r"copy (?:from|to) (?P<path>.+)"), "copies {}", "cp, then apply the rest"),
    (re.compile(r"deleted file mode \d+"), "deletes {}", "rm, then apply the rest"),
    (re.compile(r"new mode \d+"), "changes the permissions of {}", "chmod, then apply the rest"),
    (re.compile(r"(?:Binary files .* differ|GIT binary patch)"), "changes {}, which is binary", "git apply"),
)


@dataclass
class _Hunk:
    number: int
    at: int | None
    lines: list[tuple[str, str]] = field(default_factory=list)
    """Mark and text: ``" "``, ``"-"`` or ``"+"``."""

    def side(self, mark: str) -> tuple[str, ...]:
        return tuple(text for kind, text in self.lines if kind in (" ", mark))


@dataclass
class _FileDiff:
    old: str
    new: str
    hunks: list[_Hunk] = field(default_factory=list)


def is_unified(lines: Sequence[str]) -> bool:
    return (
        any(_HUNK.match(line) for line in lines)
        or any(_begins_file(lines, at) for at in range(len(lines)))
        or any(pattern.match(line) for line in lines for pattern, _, _ in _REFUSED[:4])
    )


def names(lines: Sequence[str]) -> list[str]:
    """The files that it names, without git's ``a/`` and ``b/``."""
    found = [name for diff in _files(lines) for name in (diff.old, diff.new) if name not in ("", _NOWHERE)]
    return list(dict.fromkeys(without_prefix(name) for name in found))


def read(lines: Sequence[str], texts: Mapping[str, FileText]) -> list[Edit]:
    """The edits of all hunks.

    Raises:
        BadPatch: it does more than change text, or a hunk has no one place.
    """
    _refuse(lines)
    edits: list[Edit] = []
    for diff in _files(lines):
        if diff.new == _NOWHERE:
            raise BadPatch(
                f"The patch deletes {_shown(diff.old)}, which EdgeMind does not do.", f"rm {_shown(diff.old)}"
            )
        if not diff.new and not diff.old:
            if len(texts) != 1:
                raise BadPatch("The patch names no file.", "Add the lines `--- a/FILE` and `+++ b/FILE` above it.")
            path = next(iter(texts))
        else:
            path = _path(diff, texts)
        text = texts.get(path)
        if text is None or (diff.old == _NOWHERE and text.lines):
            edits.append(_created(path, diff, text))
            continue
        for hunk in diff.hunks:
            edits += _edits(path, text, hunk)
    return edits


def _path(diff: _FileDiff, texts: Mapping[str, FileText]) -> str:
    new = resolve(diff.new, texts)
    if new not in texts and diff.old not in ("", _NOWHERE):
        old = resolve(diff.old, texts)
        if old in texts and without_prefix(diff.old) != without_prefix(diff.new):
            raise BadPatch(f"The patch renames {old} to {new}, which EdgeMind does not do.", f"git mv {old} {new}")
        return old
    return new


def _created(path: str, diff: _FileDiff, text: FileText | None) -> Create:
    if text is not None:
        raise BadPatch(f"The patch creates {path}, which exists.", f"rm {path}, or write a patch that changes it")
    if any(hunk.side("-") for hunk in diff.hunks):
        raise BadPatch(f"The patch changes {path}, which does not exist.", "Name the right file.")
    return Create(path, tuple(line for hunk in diff.hunks for line in hunk.side("+")))


def _edits(path: str, text: FileText, hunk: _Hunk) -> list[Edit]:
    name, old = f"Hunk {hunk.number}", hunk.side("-")
    if not old:
        if text.lines and not (hunk.at == 0 or hunk.at == len(text.lines)):
            raise BadPatch(f"{name} has no line of {path}, so it is not clear where it goes.", "Add lines around it.")
        return [Insert(path, hunk.at or 0 if text.lines else 0, hunk.side("+"))]
    place = locate(Quote(name, path, old, hunk.at), text)
    return _changes(path, hunk, place)


def _changes(path: str, hunk: _Hunk, place: Place) -> list[Edit]:
    edits: list[Edit] = []
    line = place.start
    """Lines of the file before the one that comes next."""
    removed, added = 0, list[str]()
    for mark, content in [*hunk.lines, (" ", "")]:
        if mark == "+":
            added.append(content)
            continue
        if mark == "-":
            removed += 1
            continue
        new = place.indented(added)
        if removed and added:
            edits.append(Replace(path, line + 1, line + removed, new))
        elif removed:
            edits.append(Delete(path, line + 1, line + removed))
        elif added:
            edits.append(Insert(path, line, new))
        line += removed + 1
        removed, added = 0, []
    return edits


def _files(lines: Sequence[str]) -> list[_FileDiff]:
    files: list[_FileDiff] = []
    at = number = 0
    while at < len(lines):
        line = lines[at]
        if _begins_file(lines, at):
            files.append(_FileDiff(_name(line), _name(lines[at + 1])))
            at += 2
        elif found := _HUNK.match(line):
            if not files:
                files.append(_FileDiff("", ""))
            number += 1
            hunk = _Hunk(number, int(found["old"]) if found["old"] else None)
            at = _hunk(lines, at + 1, hunk, found)
            files[-1].hunks.append(hunk)
        else:
            at += 1
    return files


def _hunk(lines: Sequence[str], at: int, hunk: _Hunk, head: re.Match[str]) -> int:
    """Fill a hunk; where it ends. A line without a mark is one of the file whose blank was lost."""
    counted = head["old"] is not None
    left = {"-": int(head["olds"] or 1), "+": int(head["news"] or 1)} if counted else {}
    while at < len(lines):
        line = lines[at]
        over = counted and not left["-"] and not left["+"]
        if _HUNK.match(line) or line.startswith("diff --git ") or _begins_file(lines, at):
            break
        if over and (not line or line[0] not in "+-" or line in ("-- ", "--")):
            break
        at += 1
        if line.startswith("\\"):
            continue
        mark, text = (line[0], line[1:]) if line[:1] in ("+", "-", " ") else (" ", line)
        hunk.lines.append((mark, text))
        for side in ("-", "+") if mark == " " else (mark,):
            left[side] = max(0, left.get(side, 0) - 1)
    while hunk.lines and hunk.lines[-1] == (" ", "") and (not counted or left["-"] or left["+"]):
        hunk.lines.pop()
    return at


def _begins_file(lines: Sequence[str], at: int) -> bool:
    return lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")


def _name(line: str) -> str:
    name = line[4:].split("\t")[0].strip()
    if name.startswith('"') and name.endswith('"') and len(name) > 1:
        try:
            return name[1:-1].encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1").decode()
        except UnicodeError:
            return name
    return name


def _refuse(lines: Sequence[str]) -> None:
    path = "a file"
    for line in lines:
        if named := re.match(r"diff --git (?:a/)?(.+?) (?:b/)?\1$", line):
            path = named[1]
        for pattern, what, hint in _REFUSED:
            if found := pattern.fullmatch(line):
                named_path = found.groupdict().get("path") or path
                raise BadPatch(f"The patch {what.format(_shown(named_path))}, which EdgeMind does not do.", hint)


def _shown(path: str) -> str:
    return clean_line(without_prefix(path))

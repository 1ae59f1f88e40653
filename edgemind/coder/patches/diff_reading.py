"""Unified diffs as data: of git, ``diff -u``, svn, hg, a mail, or a model that remembers their form.

Counts are believed while they fit the lines. Where they do not, a hunk goes as far as its lines have marks.
Not for: where hunks go and what they make of files (``unified``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgemind.coder.patches.naming import NOWHERE
from edgemind.coder.patches.problems import BadPatch

_COUNTED = re.compile(r"@@ -(?P<old>\d{1,9})(?:,(?P<olds>\d{1,9}))? \+\d{1,9}(?:,(?P<news>\d{1,9}))? @@")
_LOOSE = re.compile(r"@@(?:\s|$)")
_BARE = re.compile(r"@@(?: (?:\.\.\.|…) ?@@)?\s*$")
_COMBINED = re.compile(r"@@@+ -|diff --(?:cc|combined) ")
_GIT = re.compile(r"diff --git (.+)$")
_HEADER = re.compile(
    r"(?P<what>(?:old|new|deleted file|new file) mode|(?:rename|copy) (?:from|to)|index \S+) (?P<value>.+)$"
)
_MAIL = re.compile(r"From [0-9a-f]{40} ")
"""Of ``git format-patch``: what is said between its diffs is a commit's message, whatever it looks like."""
_BINARY = re.compile(r"(?:Binary files .* differ|GIT binary patch)$")
_STAMP = re.compile(
    r"\s(?:\d{4}-\d\d-\d\d[ T]\d\d:|[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:|\((?:revision|working|nonex)).*$"
)
_EPOCH = re.compile(
    r"\s(?:1970-01-01|1969-12-31)[ T]|\b(?:Jan +1|Jan 01|Dec 31) \d\d:\d\d:\d\d (?:1970|1969)\b|\(nonexistent\)"
)
_FENCES = ("```", "~~~")
_FENCE = re.compile(r"( *)(?:`{3,}|~{3,})")
_STARTS = ("--- ", "diff --git ", "@@ ")
_SIGNATURE = ("-- ", "--")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.S)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}

LF, CRLF = "\n", "\r\n"


@dataclass(frozen=True)
class Line:
    """One line of a hunk. ``mark``: ``" "``, ``"-"`` or ``"+"``; ``end``: its line end, ``""`` for none, ``None`` where
    which one is not known, since all of the patch was given other line ends."""

    mark: str
    text: str
    end: str | None


@dataclass
class Hunk:
    """A place that changes. ``at``: the line of the old file where it is said to begin, if that is said."""

    number: int
    at: int | None
    lines: list[Line] = field(default_factory=list)

    def side(self, mark: str) -> list[Line]:
        """The old lines (``"-"``) or the new ones (``"+"``), with those that stay."""
        return [line for line in self.lines if line.mark in (" ", mark)]


@dataclass
class FileDiff:
    """What a diff says about one file; names as they are written, ``""`` where none is."""

    old: str = ""
    new: str = ""
    git: str | None = None
    """The path, when git's own first line says it."""
    created: bool = False
    deleted: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    """git's lines about modes and names, by their first two or three words."""
    binary: bool = False
    hunks: list[Hunk] = field(default_factory=list)


def first_of_diff(lines: Sequence[str]) -> int | None:
    """The line with which a diff begins."""
    return next((at for at in range(len(lines)) if _begins(lines, at)), None)


def dedented(lines: Sequence[str]) -> list[str]:
    """Lines of a diff in an indented fence, as in a list, without that indentation."""
    result: list[str] = []
    indent = ""
    for at, line in enumerate(lines):
        fence = _FENCE.match(line)
        begins = fence and not indent and any(after.startswith(_STARTS) for after in _next(lines, at, fence[1]))
        if fence and begins:
            indent = fence[1]
        result.append(line.removeprefix(indent))
        if fence and not begins and fence[1] == indent:
            indent = ""
    return result


def _next(lines: Sequence[str], at: int, indent: str) -> list[str]:
    return [after.removeprefix(indent) for after in lines[at + 1 : at + 2] if after.startswith(indent)]


def read_diff(lines: Sequence[str]) -> tuple[list[FileDiff], set[int]]:
    """The files of a diff, and the lines that say them; what stands between them is passed over.

    Raises:
        BadPatch: it is one of a merge, which has two old sides.
    """
    reading = _Reading(lines)
    return reading.files, reading.taken


class _Reading:
    def __init__(self, lines: Sequence[str]) -> None:
        headers = [line for at, line in enumerate(lines) if _GIT.match(line) or _begins_file(lines, at)]
        dos = all(line.endswith("\r") for line in headers or lines)
        self._lines = [line.removesuffix("\r") for line in lines] if dos else list(lines)
        self._end = None if dos else LF
        self.files: list[FileDiff] = []
        self.taken: set[int] = set()
        self._hunks = self._fitting = 0
        self._mail = False
        at = 0
        while at < len(self._lines):
            end = self._part(at)
            self.taken.update(range(at, end))
            at = max(end, at + 1)

    def _part(self, at: int) -> int:
        """Read what begins here; where the next thing begins, or ``at`` when nothing of a diff is here."""
        line = self._lines[at]
        self._mail = self._mail or bool(_MAIL.match(line))
        if _COMBINED.match(line):
            raise BadPatch(
                "The patch is a diff of a merge with both of its sides (diff --cc).", "git diff HEAD, or git show -m"
            )
        if found := _GIT.match(line):
            self.files.append(FileDiff(git=_path_of_git(found[1].removesuffix("\r"))))
            return at + 1
        current = self.files[-1] if self.files else None
        if _begins_file(self._lines, at):
            return self._names(at)
        if current and current.git is not None and not current.hunks:
            line = line.removesuffix("\r")
            if found := _HEADER.match(line):
                current.headers[found["what"]] = _unquoted(found["value"])
                current.created |= found["what"] == "new file mode"
                current.deleted |= found["what"] == "deleted file mode"
                return at + 1
        if current and not current.hunks and _BINARY.match(line):
            current.binary = True
        if _COUNTED.match(line) or (_LOOSE.match(line) and (current or _BARE.match(line))):
            return self._hunk(at + 1, _COUNTED.match(line))
        return at + 1 if self._mail else at

    def _names(self, at: int) -> int:
        old, new = (line.removesuffix("\r")[4:] for line in self._lines[at : at + 2])
        current = self.files[-1] if self.files else None
        if current is None or current.old or current.hunks:
            current = FileDiff()
            self.files.append(current)
        current.old, current.new = _name(old), _name(new)
        head = next((_COUNTED.match(line) for line in self._lines[at + 2 : at + 3]), None)
        current.created |= current.old == NOWHERE or bool(_EPOCH.search(old) and head and head["olds"] == "0")
        current.deleted |= current.new == NOWHERE or bool(_EPOCH.search(new) and head and head["news"] == "0")
        if self._marked(at + 2) and not _begins_file(self._lines, at + 2):  # a model forgot the @@
            return self._hunk(at + 2, None)
        return at + 2

    def _marked(self, at: int) -> bool:
        return at < len(self._lines) and self._lines[at][:1] in ("+", "-", " ")

    def _hunk(self, at: int, head: re.Match[str] | None) -> int:
        if not self.files:
            self.files.append(FileDiff())
        self._hunks += 1
        hunk = Hunk(self._hunks, int(head["old"]) if head else None)
        self.files[-1].hunks.append(hunk)
        end = self._counted(at, hunk, head) if head else None
        if end is not None:
            self._fitting += 1
            return end
        if head and self._fitting == self._hunks - 1 > 0 and hunk.lines and self._ends_with(at, hunk):
            raise BadPatch(f"The patch ends in the middle of hunk {hunk.number}.", "Copy the whole patch.")
        hunk.lines.clear()
        return self._uncounted(at, hunk, head)

    def _ends_with(self, at: int, hunk: Hunk) -> bool:
        """Whether there is nothing after the lines of a hunk that is shorter than it says."""
        return at + len(hunk.lines) >= len(self._lines)

    def _counted(self, at: int, hunk: Hunk, head: re.Match[str]) -> int | None:
        """Fill a hunk by its counts; ``None`` when they do not fit its lines."""
        old, new = (int(head[side]) if head[side] is not None else 1 for side in ("olds", "news"))
        while (old or new) and at < len(self._lines):
            mark = self._lines[at][:1]
            if (
                (old, new) != (1, 1)
                and _begins_file(self._lines, at)
                and _LOOSE.match("".join(self._lines[at + 2 : at + 3]))
            ):
                return None
            if mark == "\\":
                self._unended(hunk)
            elif mark in ("+", "-", " ", "", "\r"):
                mark = self._add(hunk, at)
                old, new = old - (mark != "+"), new - (mark != "-")
            else:
                return None
            if old < 0 or new < 0:
                return None
            at += 1
        if old or new:
            return None
        if at < len(self._lines) and self._lines[at].startswith("\\"):
            self._unended(hunk)
            at += 1
        goes_on = self._marked(at) and self._lines[at] not in _SIGNATURE and not _begins_file(self._lines, at)
        return None if goes_on else at

    def _uncounted(self, at: int, hunk: Hunk, head: re.Match[str] | None) -> int:
        """Fill a hunk as far as it seems to go. A line without a mark is one of the file whose blank was lost."""
        left = {"-": int(head["olds"] or 1), "+": int(head["news"] or 1)} if head else {}
        while at < len(self._lines):
            line = self._lines[at]
            over = head is not None and not left["-"] and not left["+"]
            if _LOOSE.match(line) or _GIT.match(line) or _begins_file(self._lines, at) or line.startswith(_FENCES):
                break
            if over and (line[:1] not in ("+", "-", " ") or not line or line in _SIGNATURE):
                break
            at += 1
            if line.startswith("\\"):
                self._unended(hunk)
                continue
            mark = self._add(hunk, at - 1)
            for side in ("-", "+") if mark == " " else (mark,):
                left[side] = max(0, left.get(side, 0) - 1)
        while hunk.lines and not hunk.lines[-1].text and hunk.lines[-1].mark == " ":
            hunk.lines.pop()
        return at

    def _add(self, hunk: Hunk, at: int) -> str:
        line = self._lines[at]
        end = self._end
        if line.endswith("\r"):
            line, end = line[:-1], CRLF
        mark, text = (line[0], line[1:]) if line[:1] in ("+", "-", " ") else (" ", line)
        hunk.lines.append(Line(mark, text, end))
        return mark

    def _unended(self, hunk: Hunk) -> None:
        """The line before has no line end."""
        if hunk.lines:
            last = hunk.lines[-1]
            hunk.lines[-1] = Line(last.mark, last.text, "")


def _begins(lines: Sequence[str], at: int) -> bool:
    line = lines[at]
    return bool(_COUNTED.match(line) or _GIT.match(line) or _COMBINED.match(line) or _begins_file(lines, at)) or bool(
        _BARE.match(line) and any(_is_change(after) for after in lines[at + 1 : at + 9])
    )


def _is_change(line: str) -> bool:
    return line[:1] in ("+", "-")


def _begins_file(lines: Sequence[str], at: int) -> bool:
    return lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")


def _name(text: str) -> str:
    quoted = _QUOTED.match(text)
    if quoted:
        return _unquoted(quoted[0])
    return _STAMP.sub("", text.split("\t")[0]).strip()


def _path_of_git(text: str) -> str:
    """The path after ``diff --git`` when both names are of one file; ``""`` when it is renamed."""
    quoted = _QUOTED.findall(text)
    if len(quoted) == 2 and text.startswith('"'):
        one, other = (_unquoted(f'"{name}"') for name in quoted)
    else:
        middle = len(text) // 2
        one, other = text[:middle], text[middle + 1 :]
        if text[middle : middle + 1] != " " or len(text) % 2 == 0:
            return ""
    if one == other:
        return one
    shorter, rest = one.partition("/")[2], other.partition("/")[2]
    return shorter if shorter == rest else ""


def _unquoted(text: str) -> str:
    """A name without git's quotes: bytes that are no ASCII are written as octal numbers there."""
    if not (len(text) > 1 and text.startswith('"') and text.endswith('"')):
        return text

    def plain(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes([int(code, 8) & 0xFF]) if code.isdigit() else _LETTERS.get(code, code)

    data = text[1:-1].encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(plain, data).decode("utf-8", "surrogateescape")

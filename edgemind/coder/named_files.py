"""The files that a task is about, by the names that the user gave or wrote in the task: read, or to be created.

Not for: choosing files that nobody named (``searching``, ``repo_map``), fitting them (``context``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.coder.file_text import FileText, visible
from edgemind.coder.languages import language_of
from edgemind.coder.problems import NoSuchFile, OutsideWorkspace, UnreadableText
from edgemind.errors import BadInput, EdgemindError
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.coder.listing import Listing
    from edgemind.coder.workspace import Workspace

_LINES = re.compile(r"(?P<path>.+):(?P<first>[1-9]\d{0,8})(?:-(?P<last>[1-9]\d{0,8}))?", re.DOTALL)
_MENTION = re.compile(r"(?<![\w./\\-])[\w-][\w./-]{0,200}\.[A-Za-z]\w{0,15}(?![\w/])")
_DESTINATION = re.compile(
    r"\b(?:in|into|to|as|called|named)\s+[`'\"]?(?P<path>(?:~?/|(?:\.\.?/)+)[\w./-]{1,200}\.[A-Za-z]\w{0,15})(?![\w/])",
    re.IGNORECASE,
)
"""A path that is not simply one below this folder, where a task says where something shall be."""
_PLAIN = (".txt", ".csv", ".tsv", ".log", ".cfg", ".conf", ".env.example")
_MOST_MENTIONS = 20


@dataclass(frozen=True)
class NamedFile:
    """A file that is there, and the lines of it that are wanted."""

    path: str
    text: FileText
    first: int
    last: int
    """0 in a file without lines."""

    @property
    def whole(self) -> bool:
        return self.first <= 1 and self.last == len(self.text.lines)


@dataclass(frozen=True)
class Named:
    """What names stand for."""

    files: tuple[NamedFile, ...]
    new: tuple[str, ...]
    """Paths that do not exist."""


def read_named(workspace: Workspace, names: Sequence[str], *, to_edit: bool = True) -> Named:
    """Read the files of these names, each a path or ``path:first-last``.

    Raises:
        BadInput: no text, conflict markers of a merge, lines that are not there, a file that may not be written.
    """
    files: dict[str, NamedFile] = {}
    new: dict[str, None] = {}
    for name in names:
        path, lines = name, None
        found = _LINES.fullmatch(name)
        if found and not workspace.exists(name) and workspace.exists(found["path"]):
            path = found["path"]
            lines = int(found["first"]), int(found["last"] or found["first"])
        if visible(path)[0] != path or "\n" in path or "\t" in path:
            raise BadInput(f"The name {clean_line(path)} holds characters that cannot be seen.", "Rename the file.")
        refused = workspace.refusal(path) if to_edit else None
        if refused:
            raise refused
        if not workspace.exists(path):
            if not to_edit:
                raise NoSuchFile(f"There is no file {path}.", "edgemind code map")
            new[path] = None
            continue
        file = _read(workspace, path, lines, to_edit)
        before = files.get(path)
        if before is not None:
            file = NamedFile(path, file.text, min(file.first, before.first), max(file.last, before.last))
        files[path] = file
    return Named(tuple(files.values()), tuple(new))


def mentioned(
    workspace: Workspace, listing: Listing, task: str, *, to_edit: bool = True, alone: bool = False
) -> list[str]:
    """Names in a task that look like files: those that exist, and those that could be created.

    Args:
        to_edit: not for a question, which may be about a file that does not exist.
        alone: nothing but the task says which file it is about.

    Raises:
        OutsideWorkspace: ``alone``, and the only place that the task names for what it asks for is not in this folder.
    """
    known = {file.path for file in listing.files}
    found: dict[str, None] = {}
    outside: EdgemindError | None = None
    for name in (*_names(_MENTION, task), *_names(_DESTINATION, task)):
        try:
            path = workspace.relative(os.path.expanduser(name))
        except OutsideWorkspace as problem:
            outside = outside or problem
            continue
        except EdgemindError:
            continue
        same = [path] if path in known else [other for other in known if other.endswith(f"/{name}")]
        creatable = to_edit and (language_of(path) is not None or path.endswith(_PLAIN))
        if len(same) == 1:
            found[same[0]] = None
        elif not same and creatable and not workspace.exists(path) and workspace.refusal(path) is None:
            found[path] = None
        if len(found) == _MOST_MENTIONS:
            break
    if alone and outside and not found:
        raise outside
    return list(found)


def _names(pattern: re.Pattern[str], task: str) -> Iterator[str]:
    return (match[pattern.groups] for match in pattern.finditer(task))


def conflict_line(lines: Sequence[str]) -> int | None:
    """The line at which the first unresolved conflict of a merge begins, from 1."""
    began = None
    middle = False
    for number, line in enumerate(lines, 1):
        if line.startswith("<<<<<<< "):
            began, middle = number, False
        elif line == "=======" and began:
            middle = True
        elif line.startswith(">>>>>>> ") and began and middle:
            return began
    return None


def _read(workspace: Workspace, path: str, lines: tuple[int, int] | None, to_edit: bool) -> NamedFile:
    data, _ = workspace.read(path)
    try:
        text = FileText.read(data)
    except UnreadableText as problem:
        raise UnreadableText(f"{path} cannot be read: {problem.message}", problem.hint) from None
    conflict = conflict_line(text.lines) if to_edit else None
    if conflict:
        raise BadInput(
            f"{path} holds a conflict of a merge that is not resolved (line {conflict}).",
            f"Resolve it, then: git add {path}",
        )
    count = len(text.lines)
    if lines is None:
        return NamedFile(path, text, min(1, count), count)
    first, last = lines
    if not first <= last <= count:
        raise BadInput(f"{path} has {count} lines; there are no lines {first} to {last}.", f"Name {path}:1-{count}")
    return NamedFile(path, text, first, last)

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
from edgemind.coder.private_names import secret_beginning, secret_name
from edgemind.coder.problems import NoSuchFile, OutsideWorkspace, UnreadableText
from edgemind.errors import BadInput, EdgemindError
from edgemind.models.opening import typed
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.coder.listing import Listing
    from edgemind.coder.workspace import Workspace

_LINES = re.compile(r"(?P<path>.+):(?P<first>[1-9]\d{0,8})(?:-(?P<last>[1-9]\d{0,8}))?", re.DOTALL)
_MENTION = re.compile(
    r"(?<![\w./\\-])(?P<path>\.?[\w-][\w./-]{0,200}(?<=[\w.-])\.[A-Za-z]\w{0,15}|\.[\w-]{2,40})(?![\w/])"
    r"(?P<lines>:[1-9]\d{0,8}-[1-9]\d{0,8}(?!\d))?"
)
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


@dataclass(frozen=True)
class Mentioned:
    """What a task says in its words."""

    names: tuple[str, ...]
    """Paths, or ``path:first-last``."""
    kept_back: tuple[str, ...] = ()
    """Why a file that is there is not shown, as sentences."""


def read_named(workspace: Workspace, names: Sequence[str], *, to_edit: bool = True) -> Named:
    """Read the files of these names, each a path or ``path:first-last``.

    Raises:
        BadInput: no text, conflict markers of a merge, lines that are not there, a file that may not be written.
    """
    files: list[NamedFile] = []
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
        for other in [one for one in files if one.path == path]:
            if file.first <= other.last + 1 and other.first <= file.last + 1:
                files.remove(other)
                file = NamedFile(path, file.text, min(file.first, other.first), max(file.last, other.last))
        files.append(file)
    return Named(tuple(files), tuple(new))


def mentioned(
    workspace: Workspace, listing: Listing, task: str, *, to_edit: bool = True, alone: bool = False
) -> Mentioned:
    """Names in a task that look like files: those that exist, and those that could be created.

    A file that git ignores is taken by its whole path; one that holds a secret or no text is kept back.

    Args:
        to_edit: not for a question, which may be about a file that does not exist.
        alone: nothing but the task says which file it is about.

    Raises:
        OutsideWorkspace: ``alone``, and the only place that the task names for what it asks for is not in this folder.
    """
    known = set(listing.paths())
    names = [*_names(_MENTION, task), *_names(_DESTINATION, task)]
    ends = {name.rpartition("/")[2] for name, _ in names}
    near = [path for path in listing.paths() if path.rpartition("/")[2] in ends]
    found: dict[str, None] = {}
    kept_back: dict[str, None] = {}
    outside: EdgemindError | None = None
    for name, lines in names:
        try:
            path = workspace.relative(os.path.expanduser(name))
        except OutsideWorkspace as problem:
            outside = outside or problem
            continue
        except EdgemindError:
            continue
        same = [path] if path in known else [other for other in near if other.endswith(f"/{name}")]
        if len(same) == 1:
            found[f"{same[0]}{lines}"] = None
        elif same:
            both = " or ".join(map(clean_line, sorted(same)[:2]))
            kept_back[f"{clean_line(name)} could be {both}, so none is shown for it; say which"] = None
        elif workspace.exists(path):
            reason = _why_kept_back(workspace, path)
            (kept_back if reason else found)[reason or f"{path}{lines}"] = None
        elif to_edit and _creatable(path) and workspace.refusal(path) is None:
            found[path] = None
        if len(found) == _MOST_MENTIONS:
            break
    if alone and outside and not found:
        raise outside
    return Mentioned(tuple(found), tuple(kept_back))


def _creatable(path: str) -> bool:
    return not path.rpartition("/")[2].startswith(".") and (language_of(path) is not None or path.endswith(_PLAIN))


def _why_kept_back(workspace: Workspace, path: str) -> str:
    """Why a file that is not listed is not shown although the task mentions it, as a sentence; "" when it is."""
    if secret_name(path):
        return f"{clean_line(path)} may hold a secret, so it is shown only if you name it as a file"
    try:
        data, _ = workspace.read(path)
        FileText.read(data)
    except (EdgemindError, UnreadableText) as problem:
        said = problem.message.removeprefix("It ").removeprefix(f"{clean_line(path)} ").rstrip(".")
        return f"{clean_line(path)} is not shown: it {said}"
    if secret_beginning(data):
        return f"{clean_line(path)} may hold a secret, so it is shown only if you name it as a file"
    return ""


def _names(pattern: re.Pattern[str], task: str) -> Iterator[tuple[str, str]]:
    """Each name, and the lines behind it as they are written."""
    for match in pattern.finditer(task):
        yield match["path"], match.groupdict().get("lines") or ""


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
            f"Resolve it, then: git add {typed(path)}",
        )
    count = len(text.lines)
    if lines is None:
        return NamedFile(path, text, min(1, count), count)
    first, last = lines
    if not first <= last <= count:
        raise BadInput(
            f"{path} has {count} lines; there are no lines {first} to {last}.", f"Name {typed(f'{path}:1-{count}')}"
        )
    return NamedFile(path, text, first, last)

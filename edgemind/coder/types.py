"""What an edit is, what a change of a file is, and what the model was shown when it wrote them.

Line numbers count from 1 and are those of the text before any edit of the same answer. Paths are relative to the
workspace's root, with ``/`` between names. Lines have no newline.
Not for: how edits are written (``edit_grammar``, ``patches``), what they make of a file (``applying``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from edgemind.coder.file_text import FileText


@dataclass(frozen=True)
class Replace:
    """New lines in place of ``first`` to ``last``, both included."""

    path: str
    first: int
    last: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Insert:
    """New lines after line ``after``; 0 is before the first line."""

    path: str
    after: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Delete:
    """Lines ``first`` to ``last`` are taken out, both included."""

    path: str
    first: int
    last: int


@dataclass(frozen=True)
class Create:
    """A file that does not exist yet."""

    path: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Whole:
    """A file that exists is written anew."""

    path: str
    lines: tuple[str, ...]


Edit: TypeAlias = Replace | Insert | Delete | Create | Whole


@dataclass(frozen=True)
class FileChange:
    """What a file was and what it becomes. ``None`` before: it is new; ``None`` after: it is deleted."""

    path: str
    before: bytes | None
    after: bytes | None
    mode: int | None
    """Permission bits that it gets; ``None`` leaves them as they are, and gives a new file the usual ones."""


@dataclass(frozen=True)
class ShownFile:
    """A file that the model was shown, whole or in excerpts, each line with its number."""

    path: str
    text: FileText
    shown: tuple[tuple[int, int], ...]
    """First and last line of each excerpt, in order and apart; empty for a file without lines."""


@dataclass(frozen=True)
class Folder:
    """A folder in which the model may create files of names that it chooses."""

    path: str
    """``""`` is the root of the workspace."""
    names: tuple[str, ...]
    """Everything that is in it, hidden and ignored files and folders included: those names are taken."""


@dataclass(frozen=True)
class EditLimits:
    """What one edit may hold at most, so that a model that never ends its text is ended."""

    lines: int = 500
    columns: int | None = None
    """Characters of a line. Without a limit no line is broken; the limit of tokens ends one that never ends."""


@dataclass(frozen=True)
class EditState:
    """What can be edited now: the grammar of the next edit is made of it and of nothing else."""

    files: tuple[ShownFile, ...] = ()
    new: tuple[str, ...] = ()
    """Files that the user named and that do not exist."""
    folders: tuple[Folder, ...] = ()
    """Where the model may create files beside ``new``; none when it may not."""
    edits: tuple[Edit, ...] = ()
    """What this answer has changed so far."""
    limits: EditLimits = field(default_factory=EditLimits)

    def after(self, edit: Edit) -> EditState:
        """The state in which the next edit is written."""
        return replace(self, edits=(*self.edits, edit))

"""What a coding session tells its face while it works, beside the engine's own events.

Not for: how any of it is drawn (``cli.code_view``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from edgemind.coder.diffing import FileDiff
from edgemind.coder.types import Edit, FileChange
from edgemind.coder.verifying import TestResult
from edgemind.coder.watching import Looking

if TYPE_CHECKING:
    from edgemind.coder.asking import Citation
    from edgemind.coder.context import Context
    from edgemind.coder.syntax import SyntaxProblem
    from edgemind.engine.events import Event

Outcome = Literal["applied", "verified", "failing", "nothing", "declined", "shown", "stopped", "answered"]
"""``verified``: applied, and the test passed. ``failing``: applied, and the test or the syntax check still fails.
``shown``: a dry run. ``nothing``: the model gave no edit. ``answered``: a question."""


@dataclass(frozen=True)
class Note:
    """Something that the user should know."""

    text: str


@dataclass(frozen=True)
class ContextChosen:
    """What the model is shown for this round."""

    context: Context
    round: int
    """0 is the task itself, from 1 on they are repairs."""


@dataclass(frozen=True)
class EditWritten:
    """One edit is complete; nothing is written to a file yet."""

    edit: Edit


@dataclass(frozen=True)
class EditDropped:
    """An edit that was cut, with the reason as a sentence."""

    reason: str


@dataclass(frozen=True)
class Proposal:
    """What would be written."""

    changes: tuple[FileChange, ...]
    diffs: tuple[FileDiff, ...]
    protected: tuple[tuple[str, str], ...]
    """Paths that need a question of their own, with the reason as the end of a sentence."""
    problems: tuple[tuple[str, SyntaxProblem], ...]
    """Syntax errors that these changes bring in."""

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(change.path for change in self.changes)


@dataclass(frozen=True)
class Applied:
    """The proposal is on the disk, as this step of the journal."""

    step: int
    paths: tuple[str, ...]
    removed: tuple[str, ...] = ()
    """Those of ``paths`` that are no more."""


@dataclass(frozen=True)
class Testing:
    __test__ = False

    command: str


@dataclass(frozen=True)
class Tested:
    __test__ = False

    result: TestResult


@dataclass(frozen=True)
class Repairing:
    """The check failed and the model tries again."""

    round: int
    rounds: int


@dataclass(frozen=True)
class Committed:
    branch: str
    commit: str
    message: str


@dataclass(frozen=True)
class Cited:
    """The places that an answer names."""

    citations: tuple[Citation, ...]


@dataclass(frozen=True)
class Finished:
    """The last event of a task."""

    outcome: Outcome
    text: str
    """One sentence."""
    hint: str = ""
    steps: tuple[int, ...] = ()
    """Of the journal, oldest first."""


SessionEvent: TypeAlias = (
    "Event | Looking | Note | ContextChosen | EditWritten | EditDropped | Proposal | Applied | Testing | Tested"
    " | Repairing | Committed | Cited | Finished"
)

"""The one way from a change to the disk: refused, or asked about, then a step of the journal that can be taken back.

Not for: where changes come from (``session``, ``patches``), how a step is written (``journal``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from edgemind.coder import diffing, syntax
from edgemind.coder.journal import Journal, forget_old, state_folder
from edgemind.coder.problems import NothingToUndo
from edgemind.coder.protection import protected
from edgemind.coder.session_events import Applied, Note, Proposal
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.coder.steps import Step, Summary
    from edgemind.coder.types import FileChange
    from edgemind.coder.workspace import Workspace

LABEL = 80


class Decisions(Protocol):
    """What only the user decides. Each is asked on the thread that works."""

    def apply(self, proposal: Proposal) -> bool:
        """Whether this is written."""

    def touch(self, path: str, reason: str) -> bool:
        """Whether a protected file may be written too; asked once for each."""

    def commit(self, branch: str, message: str) -> str | None:
        """The message to commit with, or ``None`` for no commit."""


class Writing:
    """Proposals and steps of one workspace."""

    def __init__(self, workspace: Workspace, decisions: Decisions) -> None:
        self.workspace = workspace
        self.journal = Journal(state_folder(), workspace)
        self.last: tuple[diffing.FileDiff, ...] = ()
        """What the last step of this process changed."""
        self._decisions = decisions
        self._mended: str | None = None

    def open(self) -> list[Note]:
        """Mend what an interrupted run left; to be called before anything else.

        Raises:
            JournalProblem, NoRoom, NotWritable: it cannot be mended now.
        """
        forget_old(state_folder(), self.journal.folder)
        notes = []
        for one in self.journal.recover():
            self._mended = one.label
            notes.append(Note(f"an interrupted step was taken back: {clean_line(one.label)}"))
            for path in one.kept:
                where = f"; what it was before is in {one.rescued}" if one.rescued else ""
                notes.append(Note(f"{clean_line(path)} was changed since and stays as it is{where}"))
        return notes

    def propose(self, changes: Sequence[FileChange]) -> Proposal:
        """What would be written; a file that may not be is an error now, before anybody is asked.

        Raises:
            WorkspaceProblem: that error.
        """
        reasons = []
        problems = []
        hooks = self.workspace.hooks()
        for change in changes:
            refused = self.workspace.refusal(change.path)
            if refused:
                raise refused
            reason = protected(change, hooks)
            if reason:
                reasons.append((change.path, reason))
            if change.after is not None:
                found = syntax.new_problems(change.path, change.before, change.after)
                problems += [(change.path, problem) for problem in found]
        return Proposal(tuple(changes), tuple(map(diffing.diff, changes)), tuple(reasons), tuple(problems))

    def write(self, proposal: Proposal, label: str) -> Applied | None:
        """Ask, and write; ``None`` when the user says no.

        Raises:
            WorkspaceProblem: it cannot be written; nothing is.
        """
        if not all(self._decisions.touch(path, reason) for path, reason in proposal.protected):
            return None
        if not self._decisions.apply(proposal):
            return None
        step = self.journal.apply(proposal.changes, label_of(label))
        self.last, self._mended = proposal.diffs, None
        removed = tuple(change.path for change in proposal.changes if change.after is None)
        return Applied(step, proposal.paths, removed)

    def undo(self) -> Step:
        """Take back the last step. Raises as ``Journal.undo``, and when ``open`` has just taken back one that had been
        interrupted: that was the last."""
        if self._mended is not None:
            label, self._mended = clean_line(self._mended), None
            raise NothingToUndo(
                f"The last step, {label}, is taken back already.", "For the one before it: edgemind code undo"
            )
        step = self.journal.undo()
        self.last = ()
        return step

    def log(self) -> list[Summary]:
        """The steps that can be undone, the last first."""
        return self.journal.steps()


def label_of(text: str) -> str:
    """One short line."""
    line = clean_line(text.strip().split("\n", 1)[0])
    return line if len(line) <= LABEL else line[: LABEL - 1] + "…"

"""The questions of a coding session, on a terminal; what is answered where there is none.

Not for: what is asked when (``coder.session``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.cli import console
from edgemind.coder.session_events import Proposal
from edgemind.errors import UsageError, WorkspaceProblem
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.cli.interrupt import Interrupt


@dataclass(frozen=True)
class Consent:
    """What the user agreed to on the command line."""

    apply: bool = False
    """Edits are written without a question; a protected file still needs one."""
    yes: bool = False
    """The same, and a commit is made without a question."""


class Answers:
    """``writing.Decisions`` of a person at a terminal, or of flags."""

    def __init__(self, consent: Consent) -> None:
        self._consent = consent
        self._before: Callable[[], None] = lambda: None
        self._after: Callable[[], None] = lambda: None

    def keep(self, interrupt: Interrupt, stop: Callable[[], None]) -> None:
        """From now on the first Ctrl-C calls ``stop``; while a question is put it leaves at once."""
        interrupt.keep(stop)
        self._before, self._after = interrupt.release, lambda: interrupt.keep(stop)

    def apply(self, proposal: Proposal) -> bool:
        if self._consent.apply or self._consent.yes:
            return True
        count = len(proposal.changes)
        what = clean_line(proposal.paths[0]) if count == 1 else f"these {count} files"
        return self._yes(f"Write {what}?")

    def touch(self, path: str, reason: str) -> bool:
        if not can_ask():
            raise WorkspaceProblem(
                f"{clean_line(path)} {reason}, so writing it needs a question, and there is no terminal to ask on.",
                "Run the same command on a terminal.",
            )
        return self._yes(f"{clean_line(path)} {reason}. Write it all the same?")

    def commit(self, branch: str, message: str) -> str | None:
        if self._consent.yes:
            return message
        if not can_ask():
            return None
        answer = self._line(f"Commit on {branch} as {message!r}? [y/N/another message] ")
        if answer.lower() in ("y", "yes"):
            return message
        return None if answer.lower() in ("", "n", "no") else answer

    def _yes(self, question: str) -> bool:
        return self._line(f"{question} [y/N] ").lower() in ("y", "yes")

    def _line(self, question: str) -> str:
        self._before()
        try:
            console.err(question)
            line = sys.stdin.readline()
            if not line.endswith("\n"):
                console.err("\n")
            return line.strip()
        finally:
            self._after()


def can_ask() -> bool:
    return console.is_terminal(sys.stdin) and console.is_terminal(sys.stderr)


def need_consent(consent: Consent, dry_run: bool) -> None:
    """Raises ``UsageError`` when somebody would have to be asked and cannot be."""
    if not (consent.apply or consent.yes or dry_run or can_ask()):
        raise UsageError(
            "There is no terminal to ask on before something is written.",
            "Add --dry-run to see the edits, or --apply to write them.",
        )

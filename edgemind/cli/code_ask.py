"""The questions of a coding session, on a terminal; what is answered where there is none.

Not for: what is asked when (``coder.session``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from edgemind.cli import console
from edgemind.coder.diffing import as_text
from edgemind.coder.session_events import Proposal
from edgemind.errors import UsageError, WorkspaceProblem
from edgemind.terminal import clean, clean_line

if TYPE_CHECKING:
    from edgemind.cli.interrupt import Interrupt


@dataclass(frozen=True)
class Consent:
    """What the user agreed to on the command line."""

    apply: bool = False
    """Edits are written without a question; a protected file still needs one."""
    yes: bool = False
    """The same, and a commit is made without a question."""
    json: bool = False
    """Standard output is for one object: no question goes there."""

    @property
    def asks(self) -> bool:
        """Whether there is a terminal to put a question on."""
        return console.is_terminal(sys.stdin) and console.is_terminal(self.screen)

    @property
    def screen(self) -> TextIO | None:
        """Where questions are put: standard error, or standard output where that is the terminal."""
        return sys.stderr if self.json or console.is_terminal(sys.stderr) else sys.stdout


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

    def see(self, proposal: Proposal) -> None:
        """Whoever is asked has seen what about, also where standard output is for an object."""
        if self._consent.json and (proposal.protected or not (self._consent.apply or self._consent.yes)):
            console.err(as_text(proposal.diffs))

    def apply(self, proposal: Proposal) -> bool:
        if self._consent.apply or self._consent.yes:
            return True
        count = len(proposal.changes)
        what = clean_line(proposal.paths[0]) if count == 1 else f"these {count} files"
        return self._yes(f"Write {what}?")

    def touch(self, path: str, reason: str) -> bool:
        if not self._consent.asks:
            raise WorkspaceProblem(
                f"{clean_line(path)} {reason}, so writing it needs a question, and there is no terminal to ask on.",
                "Run the same command on a terminal.",
            )
        return self._yes(f"{clean_line(path)} {reason}. Write it all the same?")

    def commit(self, branch: str, message: str) -> str | None:
        if self._consent.yes:
            return message
        if not self._consent.asks:
            return None
        answer = self._line(f"Commit on {branch} as {message!r}? [y/N/another message] ")
        if answer.lower() in ("y", "yes"):
            return message
        return None if answer.lower() in ("", "n", "no") else answer

    def _yes(self, question: str) -> bool:
        return self._line(f"{question} [y/N] ").lower() in ("y", "yes")

    def _line(self, question: str) -> str:
        self._before()
        say = console.err if self._consent.screen is sys.stderr else console.out
        try:
            say(clean(question))
            line = sys.stdin.readline()
            if not line.endswith("\n"):
                say("\n")
            return line.strip()
        except KeyboardInterrupt:
            say("\n")
            raise
        finally:
            self._after()


def need_consent(consent: Consent, dry_run: bool, commit: bool = False) -> None:
    """Raises ``UsageError`` when somebody would have to be asked and cannot be."""
    if consent.yes or dry_run or consent.asks:
        return
    if commit:
        raise UsageError(
            "There is no terminal to ask on before something is committed.", "Add --yes to write and commit."
        )
    if not consent.apply:
        raise UsageError(
            "There is no terminal to ask on before something is written.",
            "Add --dry-run to see the edits, or --apply to write them.",
        )

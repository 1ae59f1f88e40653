"""The flags of ``edgemind code`` as they were typed, and what contradicts among them.

Not for: carrying them out (``code_run``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from edgemind.errors import UsageError


@dataclass(frozen=True)
class CodeFlags:
    """One field for each flag."""

    task: str | None
    files: list[str] | None
    model: str | None
    ask: bool
    apply: bool
    yes: bool
    dry_run: bool
    test: str | None
    test_timeout: float
    rounds: int
    commit: bool
    max_files: int | None
    max_tokens: int | None
    think: bool
    no_think: bool
    hide_thinking: bool
    temperature: float | None
    seed: int | None
    context: int | None
    threads: int | None
    json_output: bool

    def check(self) -> None:
        """Raises ``UsageError`` for flags that contradict each other."""
        for one, other in (
            ("apply", "dry_run"),
            ("yes", "dry_run"),
            ("think", "no_think"),
            ("test", "dry_run"),
            ("commit", "dry_run"),
            ("ask", "apply"),
            ("ask", "yes"),
            ("ask", "dry_run"),
            ("ask", "test"),
            ("ask", "commit"),
        ):
            if getattr(self, one) and getattr(self, other):
                flags = [f"--{name.replace('_', '-')}" for name in (one, other)]
                raise UsageError(f"{flags[0]} and {flags[1]} contradict each other.", "Give one of the two.")

    @property
    def only_files(self) -> list[str]:
        """The files, when no task was given: a lone word that is a file is no task."""
        given = [self.task or "", *(self.files or ())]
        return given if self.task and all(" " not in one and os.path.isfile(one) for one in given) else []

    @property
    def named(self) -> list[str]:
        """All files that were given."""
        return self.only_files or list(self.files or ())

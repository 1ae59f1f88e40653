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

    task: str | None = None
    files: list[str] | None = None
    model: str | None = None
    ask: bool = False
    apply: bool = False
    yes: bool = False
    dry_run: bool = False
    test: str | None = None
    test_timeout: float = 120.0
    rounds: int = 3
    commit: bool = False
    max_files: int | None = None
    max_tokens: int | None = None
    think: bool = False
    no_think: bool = False
    hide_thinking: bool = False
    temperature: float | None = None
    seed: int | None = None
    context: int | None = None
    threads: int | None = None
    json_output: bool = False

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

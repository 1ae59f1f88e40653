"""What one task has done so far: its steps, what is wrong after the last, and what the next round is about.

Not for: going from round to round (``session``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

from edgemind.coder import syntax
from edgemind.coder.types import Delete, Insert, Replace

if TYPE_CHECKING:
    from edgemind.coder.context_types import Attempt, Context
    from edgemind.coder.session_events import Applied
    from edgemind.coder.types import Edit, EditState, FileChange, ShownFile
    from edgemind.coder.verifying import TestResult

TOLD = 4000
"""Characters of a failed test's end that the model is told."""


@dataclass
class Work:
    """What one task has done so far."""

    task: str
    steps: list[int] = field(default_factory=list)
    changed: dict[str, FileChange] = field(default_factory=dict)
    """By path, from before the first step to after the last."""
    again: dict[str, list[str]] = field(default_factory=dict)
    """By path, what a repair is shown of it: no more than was shown before, since that has to fit."""
    attempts: list[Attempt] = field(default_factory=list)
    failing: str = ""
    """What the last check said, as the end of a sentence."""
    named: frozenset[str] = frozenset()
    """The files that the user named, as such or in the task."""
    branch: str = ""
    """On which it was committed."""
    first: Context | None = None

    def names(self, files: Sequence[str]) -> list[str]:
        """What the next round is about: the files that the user named, and those that were changed."""
        changed = tuple(f"{path}:" for path in self.changed)
        return [*(file for file in files if not f"{file}:".startswith(changed)), *chain(*self.again.values())]

    def add(self, applied: Applied, changes: Iterable[FileChange], edits: Sequence[Edit], state: EditState) -> None:
        self.steps.append(applied.step)
        shown = {file.path: file for file in state.files}
        for change in changes:
            self.again[change.path] = _again(edits, change, shown.get(change.path))
            self.changed[change.path] = replace(change, before=self.changed.get(change.path, change).before)

    def check(self, result: TestResult | None) -> str:
        """What the model is told is wrong; "" when all is well. A test that passes has the last word."""
        if result is not None:
            wrong = "" if result.passed else f"{result.summary}\n{result.output[-TOLD:]}".strip()
            fails = result.problem or f"the test still {'does not end in time' if result.timed_out else 'fails'}"
        else:
            wrong = "\n".join(
                f"{path}:{problem.line}: syntax error: {problem.message}"
                for path, change in self.changed.items()
                for problem in syntax.new_problems(path, change.before, change.after)
            )
            fails = "there is still a syntax error"
        self.failing = fails if wrong else ""
        return wrong

    def still_failing(self, why: str = "") -> str:
        """What is written and what is wrong with it, as one sentence; ``why`` there is no further try, as its end."""
        tries = f"after {len(self.steps)} {'try' if len(self.steps) == 1 else 'tries'}"
        if all(change.before == change.after for change in self.changed.values()):
            return f"The files are as they were, and {tries} {self.failing}{why}."
        return f"The edits are written, and {tries} {self.failing}{why}."

    def asked(self, found: Context) -> Context:
        """A small model is asked the same each time: it knows the task, and not what to make of a file or a failure."""
        if found.style != "bare":
            return found
        if self.first is None:
            self.first = _without_folders(found)
        return replace(found, messages=self.first.messages, parts=self.first.parts, tokens=self.first.tokens)


def _without_folders(found: Context) -> Context:
    """Small models know tasks that name a file, not a path; where the file goes is decided here anyway."""
    message = found.messages[-1]
    content = message.content
    for path in found.state.new:
        content = content.replace(path, path.rsplit("/", 1)[-1])
    return replace(found, messages=(*found.messages[:-1], message.model_copy(update={"content": content})))


def _again(edits: Iterable[Edit], change: FileChange, shown: ShownFile | None) -> list[str]:
    """The name of the file, or of those of its lines that were shown where it was changed, as they count now."""
    if shown is None or change.after is None:
        return [change.path]
    grown: list[tuple[int, int]] = []
    """Lines of the text before, and by how many it grew there."""
    for edit in edits:
        if edit.path == change.path and isinstance(edit, Insert):
            grown.append((edit.after, len(edit.lines)))
        elif edit.path == change.path and isinstance(edit, Delete | Replace):
            lines = len(edit.lines) if isinstance(edit, Replace) else 0
            grown.append((edit.first, lines - (edit.last - edit.first + 1)))
    found = []
    for first, last in shown.shown:
        if any(first - 1 <= line <= last for line, _ in grown):
            begin = first + sum(by for line, by in grown if line < first - 1)
            end = last + sum(by for line, by in grown if line <= last)
            found += [f"{change.path}:{begin}-{end}"] if begin <= end else []
    whole = shown.shown == ((1, len(shown.text.lines)),)
    return [change.path] if whole or not found else found

"""What one task has done so far: its steps, what is wrong after the last, and what the next round is about.

Not for: going from round to round (``session``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgemind.coder import syntax
from edgemind.coder.file_text import FileText
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
    again: dict[str, str] = field(default_factory=dict)
    """By path, what a repair is shown of it: no more than was shown before, since that has to fit."""
    attempts: list[Attempt] = field(default_factory=list)
    failing: str = ""
    """What the last check said, as the end of a sentence."""
    branch: str = ""
    """On which it was committed."""
    first: Context | None = None

    def names(self, files: Sequence[str]) -> list[str]:
        """What the next round is about: the files that the user named, and those that were changed."""
        changed = tuple(f"{path}:" for path in self.changed)
        return [*(file for file in files if not f"{file}:".startswith(changed)), *self.again.values()]

    def add(self, applied: Applied, changes: Iterable[FileChange], edits: Sequence[Edit], state: EditState) -> None:
        self.steps.append(applied.step)
        shown = {file.path: file for file in state.files}
        for change in changes:
            self.again[change.path] = _lines_around(edits, change, shown.get(change.path))
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


def _lines_around(edits: Iterable[Edit], change: FileChange, shown: ShownFile | None) -> str:
    """The name of the file, or of those of its lines that were shown where the edits are, as they count now."""
    lines = {
        line
        for edit in edits
        if edit.path == change.path and isinstance(edit, Delete | Insert | Replace)
        for line in ((edit.after, edit.after + 1) if isinstance(edit, Insert) else (edit.first, edit.last))
    }
    spans = [span for span in shown.shown if any(span[0] <= line <= span[1] for line in lines)] if shown else []
    if shown is None or change.after is None or not spans:
        return change.path
    first, last = spans[0][0], spans[-1][1]
    before, now = len(shown.text.lines), len(FileText.read(change.after).lines)
    last += now - before
    return change.path if (first, last) == (1, now) or last < first else f"{change.path}:{first}-{last}"

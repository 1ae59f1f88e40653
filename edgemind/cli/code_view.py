"""Draws a coding session: the model's words as in ``run``, diffs, tests and how it ended.

On a terminal everything goes to standard output. When standard output is a pipe the diffs go there and the rest to
standard error, so that ``edgemind code --dry-run ... | git apply`` works. Not for: questions (``code_ask``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgemind.cli import console
from edgemind.cli.render import StepWriter, Waiting, remark
from edgemind.coder.diffing import FileDiff, as_text, header
from edgemind.coder.session_events import (
    Applied,
    Cited,
    Committed,
    ContextChosen,
    EditDropped,
    EditWritten,
    Finished,
    Note,
    Proposal,
    Repairing,
    SessionEvent,
    Tested,
    Testing,
)
from edgemind.coder.watching import Looking
from edgemind.engine.events import Answer, Done, Loading, PromptProgress, Thinking
from edgemind.terminal import clean, clean_line

if TYPE_CHECKING:
    from edgemind.coder.asking import Citation
    from edgemind.coder.context import Context
    from edgemind.coder.verifying import TestResult

BOLD, RED, GREEN, CYAN = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[36m"
TEST_LINES = 15
"""Of a failed test's output that are shown; the model is told more."""

TEST_COLUMNS = 500
"""Characters of one of them."""

LISTED = 4


class CodeView:
    """Draws events.

    Args:
        hide_thinking: show that the model thinks, not what.
        dry_run: nobody is asked about protected files, so they are told here.
    """

    def __init__(
        self, model: str, *, hide_thinking: bool = False, answers: bool = False, dry_run: bool = False
    ) -> None:
        self._terminal = console.is_terminal(sys.stdout)
        self._hide_thinking = hide_thinking
        self.answers = answers
        """What the model says is what was asked for, not the way to an edit."""
        self._dry_run = dry_run
        self._model_name = model
        self._waiting = Waiting(model)
        self._steps = StepWriter(self._terminal)
        self._line_open = False
        self._unsaid = ""
        self._answered = False
        self._dropped = ""
        self._colour = console.has_colour(sys.stdout)
        self._notes: set[str] = set()

    def __enter__(self) -> CodeView:
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()
        self._waiting.close()

    def show(self, event: SessionEvent) -> None:
        if isinstance(event, Loading):
            self._waiting.say(f"loading {self._model_name}")
        elif isinstance(event, Looking):
            self._waiting.say(looked(event))
        elif isinstance(event, PromptProgress):
            self._waiting.show(event)
        elif isinstance(event, Thinking):
            self._think(event)
        elif isinstance(event, Answer):
            self._answer(event)
        elif isinstance(event, Done):
            self._end(event)
        elif isinstance(event, EditWritten):
            self.rest()
        elif isinstance(event, ContextChosen):
            self._chosen(event)
        elif isinstance(event, Proposal):
            self._proposal(event)
        elif isinstance(event, Cited):
            self._cited(event.citations)
        else:
            self._happened(event)

    def rest(self) -> None:
        """Leave the cursor at the beginning of a line."""
        self._waiting.clear()
        if self._steps.is_open:
            self._steps.end()
        if self._line_open:
            self._model("\n")

    def note(self, text: str) -> None:
        """A remark in brackets, once."""
        if text in self._notes:
            return
        self._notes.add(text)
        self.rest()
        remark(text)

    def say(self, text: str) -> None:
        """A line about what happens."""
        self.rest()
        if self._terminal:
            console.out(f"{clean(text)}\n")
        else:
            console.err(f"{text}\n")

    def answer_without_edit(self) -> None:
        """What the model said instead, where it was not shown while it came; the rest of an edit is nothing to read."""
        if self._unsaid.strip() and not self._dropped:
            self.say(self._unsaid.strip())

    def diffs(self, diffs: Sequence[FileDiff]) -> None:
        """Always on standard output; where that is a pipe, to the byte."""
        self.rest()
        if self._terminal:
            console.out("".join(f"{line}\n" for one in diffs for line in self._diff(one)))
        else:
            console.out_bytes(as_text(diffs).encode("utf-8", "surrogateescape"))

    def _think(self, event: Thinking) -> None:
        if self._hide_thinking:
            self._waiting.say(f"thinking, step {event.step}")
            return
        self._waiting.clear()
        if self._line_open:
            self._model("\n")
        self._steps.add(event)

    def _answer(self, event: Answer) -> None:
        self._waiting.clear()
        if self._steps.is_open:
            self._steps.end()
            if self._terminal:
                console.out("\n")
        text = event.text if self._answered else event.text.lstrip("\n")
        if not text:
            return
        self._answered = True
        if self.answers:
            console.out(clean(text) if self._terminal else text)
            self._line_open = not text.endswith("\n")
        elif self._terminal:
            self._model(text)
        else:
            self._unsaid += text
            self._waiting.say("writing")

    def _model(self, text: str) -> None:
        """What the model writes on the way to an edit, or the end of a line."""
        dim, reset = (console.DIM, console.RESET) if self._colour and not self.answers else ("", "")
        console.out(f"{dim}{clean(text)}{reset}")
        self._line_open = not text.endswith("\n")

    def _end(self, done: Done) -> None:
        self.rest()
        if done.stop_reason == "context_full":
            self.note(f"cut off: the context of {done.stats.context_limit:,} tokens is full")
        elif done.stop_reason == "max_tokens":
            self.note("cut off at --max-tokens")

    def _chosen(self, event: ContextChosen) -> None:
        self._unsaid, self._answered, self._dropped = "", False, ""
        if not event.round:
            self._notes.clear()
        for line in context_lines(event.context):
            self.note(line)

    def _proposal(self, event: Proposal) -> None:
        if self._dropped:
            self.note(self._dropped)
        if self._terminal:
            self.say("")
        self.diffs(event.diffs)
        for path, problem in event.problems[:LISTED]:
            self.note(f"{path}:{problem.line}: this would be a syntax error: {problem.message}")
        for path, reason in event.protected if self._dry_run else ():
            self.note(f"{path} {reason}")

    def _cited(self, citations: Sequence[Citation]) -> None:
        for one in citations:
            if one.status == "wrong":
                self.note(f"{one.text} is not there: the model made it up")

    def _happened(self, event: SessionEvent) -> None:
        if isinstance(event, Applied):
            written = [clean_line(path) for path in event.paths if path not in event.removed]
            removed = [clean_line(path) for path in event.removed]
            parts = [("Written", written), ("Removed", removed)]
            said = "  ".join(f"{what}: {', '.join(paths)}" for what, paths in parts if paths)
            self.say(f"{said}  (step {event.step})")
        elif isinstance(event, Testing):
            self.rest()
            self._waiting.say(f"testing: {event.command}")
        elif isinstance(event, Tested):
            self._tested(event.result)
        elif isinstance(event, Repairing):
            self.say(f"Trying again, {event.round} of at most {event.rounds}.")
        elif isinstance(event, Committed):
            self.say(f"Committed {event.commit} on {event.branch}: {event.message.splitlines()[0]}")
        elif isinstance(event, EditDropped):
            self._dropped = event.reason
        elif isinstance(event, Note):
            self.note(event.text)
        elif isinstance(event, Finished) and event.text:
            self.say(event.text)

    def _tested(self, result: TestResult) -> None:
        self.rest()
        if not result.passed:
            lines = result.output.splitlines()
            if len(lines) > TEST_LINES:
                self.say(f"  [{len(lines) - TEST_LINES} lines before]")
            for line in lines[-TEST_LINES:]:
                self.say(f"  {line if len(line) <= TEST_COLUMNS else line[: TEST_COLUMNS - 1] + '…'}")
        self.say(result.summary)

    def _diff(self, one: FileDiff) -> list[str]:
        if not self._colour:
            return [*header(one), *one.lines]
        colours = {"+": GREEN, "-": RED, "@": CYAN}
        lines = [f"{BOLD}{line}{console.RESET}" for line in header(one)]
        for line in one.lines:
            colour = colours.get(line[:1], "")
            lines.append(f"{colour}{line}{console.RESET}" if colour else line)
        return lines


def looked(event: Looking) -> str:
    """How far the search is, on the passing line."""
    if not event.done:
        return event.what
    return f"{event.what}: {event.done:,}{f' of {event.total:,}' if event.total else ''} files"


def context_lines(context: Context) -> list[str]:
    """What the model is shown and what is kept from it, for a person."""
    used = [part for part in context.parts if part.used and part.kind in ("file", "excerpt", "map")]
    lines = []
    if used:
        shown = [_part(part.kind, part.path, part.first, part.last, part.tokens) for part in used[:LISTED]]
        more = [f"{len(used) - LISTED} more"] if len(used) > LISTED else []
        lines.append(f"the model sees {', '.join([*shown, *more])}: {context.tokens:,} of {context.limit:,} tokens")
    lines += [
        f"left out: {part.path or part.kind}{f', {part.note}' if part.note else ''}"
        for part in context.parts
        if not part.used and part.note
    ][:LISTED]
    for one in context.hidden[:LISTED]:
        lines.append(f"{one.path}:{one.line} holds {', '.join(one.what)}, which the model is not shown")
    return [*lines, *context.notes]


def _part(kind: str, path: str, first: int, last: int, tokens: int) -> str:
    if kind == "map":
        return f"a map ({tokens:,})"
    return f"{path}{f':{first}-{last}' if kind == 'excerpt' and first else ''} ({tokens:,})"

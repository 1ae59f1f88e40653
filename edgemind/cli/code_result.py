"""What one task gave, collected from its events, and the object that ``--json`` prints.

Not for: people (``code_view``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgemind.coder.diffing import FileDiff, as_text
from edgemind.coder.editing import BETWEEN
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
    SessionEvent,
    Tested,
)
from edgemind.engine.events import Answer, Thinking


def file_objects(diffs: Sequence[FileDiff]) -> list[dict[str, Any]]:
    """What is written to which file."""
    return [{"path": one.path, "kind": one.kind, "added": one.added, "removed": one.removed} for one in diffs]


@dataclass
class Collected:
    """Everything that came, whatever the end was."""

    model: str
    task: str
    finished: Finished | None = None
    _rounds: list[dict[str, Any]] = field(default_factory=list)
    _more: dict[str, Any] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)
    _edited: bool = False
    """What the model says next begins another edit."""

    def add(self, event: SessionEvent) -> None:
        if isinstance(event, ContextChosen):
            chosen = event.context
            shown = [vars(part) for part in chosen.parts]
            context = {"tokens": chosen.tokens, "limit": chosen.limit, "parts": shown}
            self._notes += chosen.notes
            self._edited = False
            self._rounds.append({"context": context, "reasoning": "", "answer": ""})
        elif isinstance(event, Finished):
            self.finished = event
        elif isinstance(event, (Note, EditDropped)):
            self._notes.append(event.text if isinstance(event, Note) else event.reason)
        elif isinstance(event, Committed):
            self._more["commit"] = {"branch": event.branch, "commit": event.commit, "message": event.message}
        elif isinstance(event, Cited):
            self._more["citations"] = [
                {"path": one.path, "first": one.first, "last": one.last, "status": one.status, "text": one.text}
                for one in event.citations
            ]
        elif self._rounds:
            self._add_to(self._rounds[-1], event)

    def _add_to(self, now: dict[str, Any], event: SessionEvent) -> None:
        if isinstance(event, Thinking):
            now["reasoning"] += event.text
        elif isinstance(event, Answer):
            now["answer"] += BETWEEN + event.text if self._edited else event.text
            self._edited = False
        elif isinstance(event, EditWritten):
            self._edited = True
        elif isinstance(event, Proposal):
            now["files"] = file_objects(event.diffs)
            now["diff"] = as_text(event.diffs)
            now["syntax_errors"] = [
                {"path": path, "line": problem.line, "column": problem.column, "message": problem.message}
                for path, problem in event.problems
            ]
        elif isinstance(event, Applied):
            now["step"] = event.step
        elif isinstance(event, Tested):
            result = event.result
            now["test"] = {
                "command": result.command,
                "passed": result.passed,
                "exit_code": result.code,
                "timed_out": result.timed_out,
                "seconds": round(result.seconds, 3),
                "output": result.output,
                "message": result.summary,
            }

    def as_object(self, error: dict[str, str] | None = None) -> dict[str, Any]:
        """The object; with ``error`` when it failed."""
        done = self.finished
        if done is not None and done.outcome in ("failing", "nothing"):
            kind = "checks_failed" if done.outcome == "failing" else "error"
            error = {"kind": kind, "message": done.text, "hint": done.hint}
        return {
            **({"error": error} if error else {}),
            "model": self.model,
            "task": self.task,
            "outcome": done.outcome if done else None,
            "message": done.text if done else None,
            "steps": list(done.steps) if done else [one["step"] for one in self._rounds if "step" in one],
            "rounds": self._rounds,
            **self._more,
            **({"notes": self._notes} if self._notes else {}),
        }

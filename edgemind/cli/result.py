"""What one generation gave, collected from its events, and the object that ``--json`` prints."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgemind.cli.confidence import is_guess
from edgemind.engine.events import Answer, Done, Event, Failed, Loaded, ModelInfo, Thinking, TokenConfidence

if TYPE_CHECKING:
    from edgemind.errors import EdgemindError


@dataclass
class Transcript:
    """Everything that came, whatever the end was. Seconds count from the start of the process's work."""

    started: float = field(default_factory=time.perf_counter)
    reasoning: str = ""
    answer: str = ""
    tokens: list[TokenConfidence] = field(default_factory=list)
    info: ModelInfo | None = None
    done: Done | None = None
    failed: Failed | None = None
    first_token_seconds: float | None = None
    total_seconds: float = 0.0
    _thought: list[str] = field(default_factory=list)
    _said: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        if isinstance(event, (Thinking, Answer)):
            if self.first_token_seconds is None:
                self.first_token_seconds = time.perf_counter() - self.started
            if isinstance(event, Thinking):
                self._thought.append(event.text)
            else:
                self._said.append(event.text)
                self.tokens.extend(event.confidence)
        elif isinstance(event, Loaded):
            self.info = event.info
        elif isinstance(event, (Done, Failed)):
            self.done = event if isinstance(event, Done) else None
            self.failed = event if isinstance(event, Failed) else None
            self.reasoning, self.answer = "".join(self._thought), "".join(self._said)
            self.total_seconds = time.perf_counter() - self.started

    @property
    def began(self) -> bool:
        """Whether there is any text yet."""
        return self.first_token_seconds is not None


def as_object(model: str, seen: Transcript, *, confidence: bool, hide_thinking: bool) -> dict[str, Any]:
    """The object that ``--json`` prints when an answer came to its end, or was stopped.

    With ``hide_thinking`` the reasoning is left empty and there are no steps.
    """
    assert seen.done is not None
    steps = [] if hide_thinking else [step.model_dump() for step in seen.done.steps]
    result: dict[str, Any] = {
        "model": model,
        "answer": seen.answer,
        "reasoning": "" if hide_thinking else seen.reasoning,
        "steps": steps,
    }
    if confidence:
        result["confidence"] = [
            {
                "text": token.text,
                "probability": token.probability,
                "entropy": token.entropy,
                "guessed": is_guess(token),
            }
            for token in seen.tokens
        ]
    result["stop_reason"] = seen.done.stop_reason
    result["stats"] = {
        **seen.done.stats.model_dump(),
        "budget_spent": seen.done.budget_spent,
        "first_token_seconds": seen.first_token_seconds,
        "total_seconds": seen.total_seconds,
        "offline": seen.info.offline if seen.info else None,
    }
    return result


def as_failure(model: str, seen: Transcript, problem: EdgemindError, *, hide_thinking: bool) -> dict[str, Any]:
    """The same after a failure: what came until then, and ``error``."""
    return {
        "error": {"kind": problem.kind, "message": problem.message, "hint": problem.hint},
        "model": model,
        "answer": seen.answer,
        "reasoning": "" if hide_thinking else seen.reasoning,
        "stop_reason": "worker_died" if problem.kind == "worker_died" else None,
    }

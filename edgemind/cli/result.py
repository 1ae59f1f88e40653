"""What one generation gave, collected from its events, and the object that ``--json`` prints."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from edgemind.cli.confidence import is_guess
from edgemind.engine.events import Answer, Done, Event, Failed, Loaded, ModelInfo, Step, Thinking, TokenConfidence


@dataclass
class _OpenStep:
    began: float
    ended: float = 0.0
    tokens: int = 0
    text: list[str] = field(default_factory=list)

    def add(self, event: Thinking, now: float) -> None:
        self.ended = now
        self.tokens += event.tokens
        self.text.append(event.text)

    def closed(self) -> Step:
        return Step(text="".join(self.text).strip("\n"), tokens=self.tokens, seconds=self.ended - self.began)


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
    answer_tokens: int = 0
    _thought: list[str] = field(default_factory=list)
    _said: list[str] = field(default_factory=list)
    _steps: dict[int, _OpenStep] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        if isinstance(event, (Thinking, Answer)):
            now = time.perf_counter() - self.started
            if self.first_token_seconds is None:
                self.first_token_seconds = now
            if isinstance(event, Thinking):
                self._thought.append(event.text)
                self._steps.setdefault(event.step, _OpenStep(now)).add(event, now)
            else:
                self._said.append(event.text)
                self.answer_tokens += event.tokens
                self.tokens.extend(event.confidence)
        elif isinstance(event, Loaded):
            self.info = event.info
        elif isinstance(event, (Done, Failed)):
            self.done = event if isinstance(event, Done) else None
            self.failed = event if isinstance(event, Failed) else None
            self.end()

    def end(self) -> None:
        """Put together what has come until now."""
        self.reasoning, self.answer = "".join(self._thought), "".join(self._said)
        self.total_seconds = time.perf_counter() - self.started

    def steps(self) -> list[Step]:
        """The worker's; what was seen of them when it said nothing at the end."""
        return list(self.done.steps) if self.done else [step.closed() for step in self._steps.values()]

    @property
    def began(self) -> bool:
        """Whether there is any text yet."""
        return self.first_token_seconds is not None


def as_object(model: str, seen: Transcript, *, confidence: bool, hide_thinking: bool) -> dict[str, Any]:
    """The object that ``--json`` prints when an answer came to its end, or was stopped.

    With ``hide_thinking`` the reasoning is left empty and there are no steps. ``notes`` are there when there are any.
    """
    assert seen.done is not None
    return {
        **_text(model, seen, confidence, hide_thinking),
        "stop_reason": seen.done.stop_reason,
        "stats": {**seen.done.stats.model_dump(), "budget_spent": seen.done.budget_spent, **_clock(seen)},
        **_notes(seen),
    }


def as_failure(
    model: str,
    seen: Transcript,
    error: dict[str, str],
    stop_reason: str | None,
    *,
    confidence: bool,
    hide_thinking: bool,
) -> dict[str, Any]:
    """The same after a failure or a second Ctrl-C: ``error``, and what came until then.

    Its ``stats`` are what could be counted from outside; there are none when there was no text.
    """
    counted = {"thinking_tokens": sum(step.tokens for step in seen.steps()), "answer_tokens": seen.answer_tokens}
    return {
        "error": error,
        **_text(model, seen, confidence, hide_thinking),
        "stop_reason": stop_reason,
        **({"stats": {**counted, **_clock(seen)}} if seen.began else {}),
        **_notes(seen),
    }


def _text(model: str, seen: Transcript, confidence: bool, hide_thinking: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "model": model,
        "answer": seen.answer,
        "reasoning": "" if hide_thinking else seen.reasoning,
        "steps": [] if hide_thinking else [step.model_dump() for step in seen.steps()],
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
    return result


def _clock(seen: Transcript) -> dict[str, Any]:
    return {
        "first_token_seconds": seen.first_token_seconds,
        "total_seconds": seen.total_seconds,
        "offline": seen.info.offline if seen.info else None,
    }


def _notes(seen: Transcript) -> dict[str, Any]:
    return {"notes": list(seen.info.notes)} if seen.info and seen.info.notes else {}

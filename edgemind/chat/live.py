"""An answer while it is being written: the pump puts events in, a face takes what is new, the saver looks at all of it.

Taking costs what is new, however long the answer is. Not for: threads, the history (``session``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edgemind.engine.events import ContextTrimmed, Done, Failed, TokenConfidence

Phase = Literal["loading", "prompt", "thinking", "answer", "done", "failed"]


@dataclass(frozen=True)
class LiveStep:
    """What is new in one step of the thought."""

    number: int
    """From 1."""
    text: str
    """The piece that was added; the pieces of a step joined are its text."""
    tokens: int
    """Of the step so far."""
    seconds: float
    """Since the step began, up to its newest piece."""


@dataclass(frozen=True)
class Delta:
    """What is new since the last ``take``, and the figures as they are now."""

    thinking: str
    """New text of the thought: the ``text`` of ``steps``, joined."""
    answer: str
    """New text of the answer."""
    confidence: tuple[TokenConfidence, ...]
    """Of new answer tokens; joined over all deltas their texts are the answer."""
    steps: tuple[LiveStep, ...]
    """Only those that got new text."""
    phase: Phase
    loading: float
    """The loaded fraction of the model, 0 to 1."""
    prompt_done: int
    """Prompt tokens that are in the context, of ``prompt_total``; ``prompt_cached`` of them were there before."""
    prompt_total: int
    prompt_cached: int
    tokens: int
    """Thought and answer together."""
    thinking_tokens: int
    budget: int | None
    """Most tokens of thought."""
    seconds: float
    """Since the request."""
    thinking_seconds: float
    """How long the thought took, or takes so far."""
    rate: float
    """Tokens a second, lately; 0 when there is nothing to measure."""
    context_used: int
    context_limit: int
    """0 while unknown."""
    trimmed: ContextTrimmed | None
    note: str
    """One line about what goes on (``summarising report.pdf: part 2 of 5``); mostly empty."""
    failed: Failed | None
    done: Done | None

    @property
    def over(self) -> bool:
        """Nothing more will come, and the history has the whole answer, or could not take it."""
        return self.phase in ("done", "failed")


class Live:
    """One answer that grows. ``take`` has one consumer; every method is safe from any thread."""

    def take(self) -> Delta:
        """What is new since the last call. Never waits for the engine or the disk."""
        raise NotImplementedError

    def take_all(self) -> Delta:
        """Everything so far as one delta, for a face that comes later; ``take`` goes on from there."""
        raise NotImplementedError

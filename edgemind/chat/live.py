"""An answer while it is being written: the pump puts events in, a face takes what is new, the saver looks at all of it.

Taking costs what is new, however long the answer is. Not for: threads, the history (``session``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from edgemind.engine.events import (
    Answer,
    ContextTrimmed,
    Done,
    Event,
    Failed,
    Loaded,
    Loading,
    PromptProgress,
    Step,
    Thinking,
    TokenConfidence,
)

if TYPE_CHECKING:
    from edgemind.chat.types import Turn

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


@dataclass(frozen=True)
class Written:
    """All that an answer holds at one moment, for saving it."""

    reasoning: str
    content: str
    steps: tuple[Step, ...]
    confidence: tuple[TokenConfidence, ...]
    trimmed: ContextTrimmed | None


@dataclass
class _StepSoFar:
    parts: list[str]
    began: float
    last: float
    tokens: int = 0


RECENT = 32
"""Events that the rate is measured over."""


class Live:
    """One answer that grows. ``take`` has one consumer; every method is safe from any thread.

    Args:
        turn: the answer's turn; what it holds already (a continued answer) is no news.
        budget: most tokens of thought.
        context_limit: of the model, if it is known already.
    """

    def __init__(self, turn: Turn, *, budget: int | None = None, context_limit: int = 0, ready: bool = False) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._budget = budget
        # All of it, for the saver.
        self._thought = [turn.reasoning] if turn.reasoning else []
        self._answer = [turn.content] if turn.content else []
        self._steps = [_StepSoFar([step.text], 0.0, step.seconds, step.tokens) for step in turn.steps]
        self._confidence: list[TokenConfidence] = list(turn.confidence)
        self._first = turn.content
        # What nobody has taken yet.
        self._new_thought: list[tuple[int, str]] = []
        self._new_answer: list[str] = []
        self._new_confidence: list[TokenConfidence] = []
        # Figures.
        self._phase: Phase = "prompt" if ready else "loading"
        self._loading = 1.0 if ready else 0.0
        self._prompt = (0, 0, 0)
        self._tokens = 0
        self._thinking_tokens = turn.stats.thinking_tokens if turn.stats and turn.reasoning else 0
        self._thought_began: float | None = None
        self._thought_seconds = sum(step.seconds for step in turn.steps)
        self._thought_before = self._thought_seconds
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self._limit = context_limit
        self._trimmed: ContextTrimmed | None = turn.trimmed
        self._note = ""
        self._failed: Failed | None = None
        self._done: Done | None = None
        self._ended: float | None = None

    def take(self) -> Delta:
        """What is new since the last call. Never waits for the engine or the disk."""
        with self._lock:
            return self._delta(self._take_thought(), self._take_answer())

    def take_all(self) -> Delta:
        """Everything so far as one delta, for a face that comes later; ``take`` goes on from there."""
        with self._lock:
            self._take_thought()
            self._take_answer()
            steps = tuple(
                LiveStep(number, "".join(step.parts), step.tokens, step.last - step.began)
                for number, step in enumerate(self._steps, 1)
            )
            delta = self._delta((), ([], []))
            return replace(
                delta,
                thinking="".join(self._thought),
                answer="".join(self._answer),
                confidence=tuple(self._confidence),
                steps=steps,
            )

    @property
    def phase(self) -> Phase:
        return self._phase

    def put(self, event: Event) -> None:
        """The engine says something; the last event is given to ``end``."""
        now = time.monotonic()
        with self._lock:
            if isinstance(event, Thinking):
                self._put_thought(event, now)
            elif isinstance(event, Answer):
                self._put_answer(event, now)
            elif isinstance(event, PromptProgress):
                self._phase, self._loading = "prompt", 1.0
                self._prompt = (event.done, event.total, event.cached)
            elif isinstance(event, ContextTrimmed):
                self._trimmed = event
                self._limit = event.context_limit
            elif isinstance(event, Loading) and self._phase in ("loading", "prompt"):
                self._phase, self._loading = "loading", max(event.fraction, self._loading if event.note else 0.0)
            elif isinstance(event, Loaded):
                self._phase, self._loading, self._limit = "prompt", 1.0, event.info.context_limit

    def say(self, note: str, done: int = 0, total: int = 0) -> None:
        """What goes on before the answer, and how far it is."""
        with self._lock:
            self._note = note
            if note:
                self._phase, self._prompt = "prompt", (done, total, 0)

    def amend_trimmed(self, trimmed: ContextTrimmed) -> None:
        """Turns that were left out before the engine saw them are counted too."""
        with self._lock:
            self._trimmed = trimmed

    def end(self, last: Done | Failed) -> None:
        """The last event. Only the first one counts."""
        with self._lock:
            if self._done or self._failed:
                return
            self._ended = time.monotonic()
            if isinstance(last, Done):
                self._done, self._phase = last, "done"
                self._limit = last.stats.context_limit or self._limit
            else:
                self._failed, self._phase = last, "failed"

    def written(self) -> Written:
        """All of it as it is now."""
        with self._lock:
            return Written(
                "".join(self._thought),
                "".join(self._answer),
                tuple(
                    Step(text="".join(step.parts).strip(), tokens=step.tokens, seconds=step.last - step.began)
                    for step in self._steps
                ),
                tuple(self._confidence),
                self._trimmed,
            )

    def _put_thought(self, event: Thinking, now: float) -> None:
        self._phase = "thinking"
        if self._thought_began is None:
            self._thought_began = now
        self._thought_seconds = self._thought_before + now - self._thought_began
        self._tokens += event.tokens
        self._thinking_tokens += event.tokens
        self._recent.append((now, event.tokens))
        while len(self._steps) < event.step:
            self._steps.append(_StepSoFar([], now, now))
        step = self._steps[event.step - 1]
        step.tokens += event.tokens
        if step.began == 0.0:  # from before this request: its seconds so far are kept
            step.began, step.last = now - step.last, now
        step.last = now
        if event.text:
            step.parts.append(event.text)
            self._thought.append(event.text)
            self._new_thought.append((event.step, event.text))

    def _put_answer(self, event: Answer, now: float) -> None:
        self._phase = "answer"
        self._tokens += event.tokens
        self._recent.append((now, event.tokens))
        if event.confidence:
            if not self._confidence and self._first:
                self._measured(TokenConfidence(text=self._first, probability=1.0, entropy=0.0))
            for measure in event.confidence:
                self._measured(measure)
        if event.text:
            self._answer.append(event.text)
            self._new_answer.append(event.text)

    def _measured(self, measure: TokenConfidence) -> None:
        self._confidence.append(measure)
        self._new_confidence.append(measure)

    def _take_thought(self) -> tuple[LiveStep, ...]:
        new, self._new_thought = self._new_thought, []
        joined: list[tuple[int, list[str]]] = []
        for number, text in new:
            if joined and joined[-1][0] == number:
                joined[-1][1].append(text)
            else:
                joined.append((number, [text]))
        taken = []
        for number, parts in joined:
            step = self._steps[number - 1]
            taken.append(LiveStep(number, "".join(parts), step.tokens, step.last - step.began))
        return tuple(taken)

    def _take_answer(self) -> tuple[list[str], list[TokenConfidence]]:
        new = self._new_answer, self._new_confidence
        self._new_answer, self._new_confidence = [], []
        return new

    def _delta(self, steps: tuple[LiveStep, ...], answer: tuple[list[str], list[TokenConfidence]]) -> Delta:
        done, total, cached = self._prompt
        stats = self._done.stats if self._done else None
        return Delta(
            thinking="".join(step.text for step in steps),
            answer="".join(answer[0]),
            confidence=tuple(answer[1]),
            steps=steps,
            phase=self._phase,
            loading=self._loading,
            prompt_done=done,
            prompt_total=total,
            prompt_cached=cached,
            tokens=self._tokens,
            thinking_tokens=self._thinking_tokens,
            budget=self._budget,
            seconds=(self._ended or time.monotonic()) - self._began,
            thinking_seconds=self._thought_seconds,
            rate=stats.decode_rate if stats else self._rate(),
            context_used=stats.context_used if stats else done + self._tokens,
            context_limit=self._limit,
            trimmed=self._trimmed,
            note=self._note,
            failed=self._failed,
            done=self._done,
        )

    def _rate(self) -> float:
        if len(self._recent) < 2:
            return 0.0
        took = self._recent[-1][0] - self._recent[0][0]
        return (sum(tokens for _, tokens in self._recent) - self._recent[0][1]) / took if took > 0 else 0.0

"""Asks the model for the edits of a task, one at a time, each under the grammar of what can be edited then.

The model thinks once; every edit goes on with the same answer, so that only its own tokens are computed. An edit that
a limit cuts off is dropped whole. For the style ``bare`` it is one free answer, whose first code block is the file.
Not for: what the model is shown (``context``), applying and verifying (``session``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from edgemind.coder.edit_grammar import grammar
from edgemind.coder.edit_reading import NoMoreEdits, read_edit
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.whole import read_answer
from edgemind.coder.types import Edit
from edgemind.engine.events import (
    Answer,
    Done,
    Event,
    Failed,
    GenerateRequest,
    Message,
    Sampling,
    Stats,
    Thinking,
    ThinkingPolicy,
)
from edgemind.errors import PromptTooLong

if TYPE_CHECKING:
    from edgemind.coder.context import Context
    from edgemind.engine.client import Engine, Generation

MOST_EDITS = 40
"""Of one answer; a model that never says that it is done is stopped there."""
BETWEEN = "\n\n"
_CUT = {
    "max_tokens": "The last edit was cut off by the limit of tokens and was dropped whole.",
    "context_full": "The last edit did not fit into the model's context and was dropped whole.",
    "cancelled": "The last edit was stopped before it was whole and was dropped.",
}

_FULL = "The model's context is full, so it was not asked for more edits."


@dataclass(frozen=True)
class EditingOptions:
    """How edits are asked for. ``max_tokens`` holds for the thought with the first edit, and for each further edit."""

    thinking: ThinkingPolicy = "auto"
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int | None = None
    thinking_budget: int | None = None
    """Half of what the context has left, when not given."""
    max_edits: int = MOST_EDITS


@dataclass(frozen=True)
class Proposed:
    """One edit is complete."""

    edit: Edit


@dataclass(frozen=True)
class Dropped:
    """An edit that cannot be taken, or edits that were not asked for any more."""

    reason: str
    """A sentence."""


EditingEvent: TypeAlias = Event | Proposed | Dropped


class Editing:
    """One answer. To be iterated once: the engine's events, among them what they come to, at last ``Done`` or
    ``Failed``."""

    def __init__(self, engine: Engine, context: Context, options: EditingOptions | None = None) -> None:
        self._engine = engine
        self._context = context
        self._options = options or EditingOptions()
        self._generation: Generation | None = None
        self._stopped = False
        self._thought = ""
        self._text = ""
        """Of the edit that is being written."""
        self._dones: list[Done] = []
        self._failure: Failed | None = None
        self.edits: list[Edit] = []
        self.answer = ""
        """All that was answered so far, as the model would be shown it again."""

    def __iter__(self) -> Iterator[EditingEvent]:
        yield from self._freely() if self._context.style == "bare" else self._edit_by_edit()
        if self._failure:
            yield self._failure
        elif self._dones:
            yield _together(self._dones)

    def cancel(self) -> None:
        """Stop within one token; complete edits stay. Safe from any thread."""
        self._stopped = True
        if self._generation:
            self._generation.cancel()

    def answer_now(self) -> None:
        """Close the thought."""
        if self._generation:
            self._generation.answer_now()

    def _freely(self) -> Iterator[EditingEvent]:
        yield from self._generate(self._request())
        self.answer = self._text
        if self._failure:
            return
        task = self._context.messages[-1].content
        try:
            edit = read_answer(self._text, self._context.state, task=task, thought=self._thought)
        except BadPatch as problem:
            yield Dropped(problem.message)
            return
        if edit is None:
            return
        if self._dones[-1].stop_reason != "end" and not edit.closed:
            yield self._cut()
            return
        self.edits.append(edit.edit)
        yield Proposed(edit.edit)

    def _edit_by_edit(self) -> Iterator[EditingEvent]:
        state = self._context.state
        for number in range(self._options.max_edits):
            request = self._request().model_copy(update={"grammar": grammar(state)})
            yield from self._generate(self._continued(request) if number else request)
            if self._failure:
                if number and self._failure.kind == PromptTooLong.kind:
                    self._failure = None
                    yield Dropped(_FULL)
                return
            if self._dones[-1].stop_reason != "end":
                if self._text or not number:
                    yield self._cut()
                return
            edit = read_edit(self._text, state)
            self.answer += self._text
            if isinstance(edit, NoMoreEdits):
                return
            self.answer += BETWEEN
            state = state.after(edit)
            self.edits.append(edit)
            yield Proposed(edit)
            if self._stopped:
                return
        yield Dropped(f"The model had not finished after {self._options.max_edits} edits and was stopped there.")

    def _cut(self) -> Dropped:
        return Dropped(_CUT.get(self._dones[-1].stop_reason, _CUT["cancelled"]))

    def _request(self) -> GenerateRequest:
        options, room = self._options, max(64, self._context.limit - self._context.tokens)
        return GenerateRequest(
            messages=self._context.messages,
            sampling=options.sampling,
            max_tokens=options.max_tokens,
            thinking=options.thinking,
            thinking_budget=room // 2 if options.thinking_budget is None else options.thinking_budget,
        )

    def _continued(self, request: GenerateRequest) -> GenerateRequest:
        begun = Message(role="assistant", content=self.answer, reasoning=self._thought or None)
        messages = (*self._context.messages, begun)
        return request.model_copy(update={"messages": messages, "continue_": True, "grammar_of_rest": True})

    def _generate(self, request: GenerateRequest) -> Iterator[Event]:
        self._text = ""
        with self._engine.generate(request) as generation:
            self._generation = generation
            if self._stopped:
                generation.cancel()
            for event in generation:
                if isinstance(event, Thinking):
                    self._thought += event.text
                elif isinstance(event, Answer):
                    self._text += event.text
                elif isinstance(event, Failed):
                    self._failure = event
                    break
                elif isinstance(event, Done):
                    self._dones.append(event)
                    break
                yield event
        self._generation = None


def _together(dones: list[Done]) -> Done:
    """One end of several generations that were one answer."""
    first, last = dones[0], dones[-1]
    if len(dones) == 1:
        return last
    stats = [done.stats for done in dones]
    answer, seconds = sum(one.answer_tokens for one in stats), sum(one.decode_seconds for one in stats)
    written = answer + first.stats.thinking_tokens
    joined = first.stats.model_copy(
        update={
            "answer_tokens": answer,
            "decode_seconds": seconds,
            "decode_rate": max(0, written - len(dones)) / seconds if seconds > 0 else 0.0,
            "context_used": last.stats.context_used,
            "context_size": last.stats.context_size,
        }
    )
    return last.model_copy(
        update={"stats": Stats.model_validate(joined), "steps": first.steps, "budget_spent": first.budget_spent}
    )

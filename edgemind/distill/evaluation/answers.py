"""What a model writes to problems, greedily, through the engine that users run.

Not for: whether it is right (``evaluate``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.errors import PromptTooLong

if TYPE_CHECKING:
    from edgemind.distill.problems.base import Problem
    from edgemind.engine.client import Generation
    from edgemind.engine.events import GenerateRequest, ModelInfo

OUTSTANDING = 4
"""Requests that wait in the worker for each that it writes: enough that no sequence is ever idle."""


@dataclass(frozen=True)
class Reply:
    """What a model wrote to one problem.

    Attributes:
        ended: it came to its end by itself.
        confidence: the probability of the least sure token of the answer; ``None`` where nobody looked.
    """

    thought: str
    answer: str
    ended: bool
    thought_tokens: int
    answer_tokens: int
    confidence: float | None = None

    @property
    def tokens(self) -> int:
        return self.thought_tokens + self.answer_tokens


@dataclass(frozen=True)
class Replies:
    """All of them, in the order of the problems, and how long they took, without the loading of the model."""

    replies: list[Reply]
    seconds: float
    model: ModelInfo | None = None


OnReply = Callable[[Reply], None]


def _silent(reply: Reply) -> None:
    pass


def engine_replies(
    path: Path,
    problems: Sequence[Problem],
    *,
    max_tokens: int,
    sequences: int,
    threads: int | None = None,
    parts: Sequence[Path] = (),
    confidence: bool = True,
    on_reply: OnReply = _silent,
) -> Replies:
    """Through the engine that users run, ``sequences`` at once.

    Args:
        parts: all files of a model that is split; ``path`` is the first.
        on_reply: told of each reply as it is complete.

    Raises:
        EdgemindError: the model cannot be loaded or died. A prompt that is too long for it is answered with nothing.
    """
    from edgemind.engine.client import Engine
    from edgemind.engine.events import LoadOptions

    files = tuple(str(part) for part in parts)
    options = LoadOptions(path=str(path), parts=files, sequences=sequences, threads=threads)
    with Engine(options) as engine:
        model = engine.wait_loaded()
        began = time.perf_counter()
        asked: list[Generation] = []
        replies: list[Reply] = []
        for problem in problems:
            if len(asked) - len(replies) >= OUTSTANDING * sequences:
                replies.append(_reply(asked[len(replies)]))
                on_reply(replies[-1])
            asked.append(engine.generate(_request(problem, max_tokens, confidence)))
        while len(replies) < len(asked):
            replies.append(_reply(asked[len(replies)]))
            on_reply(replies[-1])
        return Replies(replies, time.perf_counter() - began, model)


def _request(problem: Problem, max_tokens: int, confidence: bool) -> GenerateRequest:
    from edgemind.engine.events import GenerateRequest, Message, Sampling

    messages = [] if problem.system is None else [Message(role="system", content=problem.system)]
    for user, assistant in problem.history:
        messages += [Message(role="user", content=user), Message(role="assistant", content=assistant)]
    messages.append(Message(role="user", content=problem.prompt))
    return GenerateRequest(
        messages=tuple(messages),
        sampling=Sampling(temperature=0),
        max_tokens=max_tokens,
        thinking="auto" if problem.thinking else "off",
        confidence=confidence,
    )


def _reply(generation: Generation) -> Reply:
    from edgemind.engine.client import error_from
    from edgemind.engine.events import Answer, Done, Failed, Thinking

    thought: list[str] = []
    answer: list[str] = []
    least: float | None = None
    for event in generation:
        if isinstance(event, Thinking):
            thought.append(event.text)
        elif isinstance(event, Answer):
            answer.append(event.text)
            for one in event.confidence:
                least = one.probability if least is None else min(least, one.probability)
        elif isinstance(event, Failed):
            problem = error_from(event)
            if isinstance(problem, PromptTooLong):
                return Reply("", "", False, 0, 0)
            raise problem
        elif isinstance(event, Done):
            stats = event.stats
            return Reply(
                "".join(thought).strip(),
                "".join(answer).strip(),
                event.stop_reason in ("end", "stop_string"),
                stats.thinking_tokens,
                stats.answer_tokens,
                least,
            )
    raise AssertionError("a generation ends with Done or Failed")

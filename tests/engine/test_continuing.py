"""An answer that was cut and is continued: the two parts joined are what would have been written in one go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgemind.engine.client import Engine
from edgemind.engine.events import (
    Answer,
    Done,
    Failed,
    GenerateRequest,
    LoadOptions,
    Message,
    Sampling,
    Step,
    Thinking,
)
from edgemind.engine.reasoning import FORMATS, ReasoningParser
from edgemind.engine.steps import StepSplitter
from edgemind.models import builtin

ASKED = Message(role="user", content="Anna has 48 apples and buys 37 more. How many apples does she have?")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(LoadOptions(path=str(builtin.path()), sequences=2)) as running:
        running.wait_loaded()
        yield running


def write(engine: Engine, begun: tuple[str, str] | None = None, **more: object) -> tuple[str, str, Done]:
    """``(thought, answer, Done)`` of what was written anew."""
    messages = [ASKED]
    if begun:
        messages.append(Message(role="assistant", reasoning=begun[0], content=begun[1]))
    request = GenerateRequest(
        messages=tuple(messages), continue_=begun is not None, sampling=Sampling(temperature=0), **more
    )
    events = list(engine.generate(request))
    assert isinstance(events[-1], Done), events[-1]
    thought = "".join(event.text for event in events if isinstance(event, Thinking))
    answer = "".join(event.text for event in events if isinstance(event, Answer))
    return thought, answer, events[-1]


def refusal(engine: Engine, request: GenerateRequest) -> Failed:
    (failed,) = (event for event in engine.generate(request) if isinstance(event, Failed))
    return failed


@pytest.fixture(scope="module")
def whole(engine: Engine) -> tuple[str, str, Done]:
    return write(engine)


@pytest.mark.parametrize("share", [0.1, 0.28, 0.9, 0.97])
def test_the_parts_joined_are_the_whole(engine: Engine, whole: tuple[str, str, Done], share: float) -> None:
    """Cuts lie in the thought, at a line's end in it, between thought and answer, and in the answer."""
    thought, answer, done = whole
    tokens = done.stats.thinking_tokens + done.stats.answer_tokens
    first = write(engine, max_tokens=max(1, int(tokens * share)))
    assert first[2].stop_reason == "max_tokens"
    assert first[2].thought_closed == (share >= 0.9)
    answered = "\n" if first[2].thought_closed and not first[1] else first[1]
    second = write(engine, begun=(first[0], answered))
    assert first[0] + second[0] == thought
    assert first[1] + second[1] == answer
    assert second[2].stats.cached_tokens >= second[2].stats.prompt_tokens - 4
    if first[1]:
        assert second[0] == ""
    assert [step.text for step in second[2].steps] == [step.text for step in done.steps]


def test_the_steps_of_a_continued_thought_keep_their_numbers(engine: Engine, whole: tuple[str, str, Done]) -> None:
    first = write(engine, max_tokens=int(whole[2].stats.thinking_tokens * 0.6))
    request = GenerateRequest(
        messages=(ASKED, Message(role="assistant", reasoning=first[0], content="")),
        continue_=True,
        sampling=Sampling(temperature=0),
    )
    numbers = [event.step for event in engine.generate(request) if isinstance(event, Thinking)]
    assert numbers[0] >= len(first[2].steps) >= 2
    assert numbers == sorted(numbers)


def test_what_was_not_begun_is_written_from_the_beginning(engine: Engine, whole: tuple[str, str, Done]) -> None:
    assert write(engine, begun=("", ""))[:2] == whole[:2]


def test_an_answer_without_a_thought_goes_on_without_one(engine: Engine) -> None:
    first = write(engine, thinking="off", max_tokens=3)
    second = write(engine, begun=("", first[1]), thinking="off")
    assert first[0] == second[0] == ""
    assert first[1] + second[1] == write(engine, thinking="off")[1]


def test_what_cannot_be_continued_is_refused(engine: Engine) -> None:
    nothing = refusal(engine, GenerateRequest(messages=(ASKED,), continue_=True))
    assert (nothing.kind, "assistant" in nothing.message) == ("usage", True)
    begun = (ASKED, Message(role="assistant", content="Anna"))
    held = refusal(engine, GenerateRequest(messages=begun, continue_=True, json_schema={"type": "object"}))
    assert (held.kind, "grammar" in held.message) == ("usage", True)


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_parser_goes_on_where_another_was_cut(cut: int) -> None:
    """At every place of a text with a tag in code, a tag, and an answer with a tag in code."""
    text = "First `</think>` is text.\n\nSo\n</think>\n\nIt is `<think>` x."
    cut = len(text) * cut // 30
    one = ReasoningParser(FORMATS["think"], inside=True)
    whole = one.feed(text) + one.finish()
    first = ReasoningParser(FORMATS["think"], inside=True)
    pieces = first.feed(text[:cut]) + first.finish(cut=True)
    thought = "".join(piece.text for piece in pieces if piece.kind == "thinking")
    answer = "".join(piece.text for piece in pieces if piece.kind == "answer")
    rest = text[cut:] if answer else text[text.index(thought) + len(thought) :]
    if answer:
        rest = text[text.index(answer) + len(answer) :]
    elif "</think>" in text[len(thought) : cut]:
        rest = text[len(thought) :]
    second = ReasoningParser(FORMATS["think"], inside=not answer)
    second.resume(thought, answer)
    pieces += second.feed(rest) + second.finish()
    for kind in ("thinking", "answer"):
        joined = "".join(piece.text for piece in pieces if piece.kind == kind)
        assert joined.strip() == "".join(piece.text for piece in whole if piece.kind == kind).strip()


def test_a_splitter_says_what_still_waits() -> None:
    text = "First I add.\n1"
    splitter = StepSplitter()
    assert splitter.resume(text) == 1
    assert splitter.feed(". Then more", 3, 1.0) == [(2, "1. Then more")]
    assert splitter.finish(1.5) == (
        Step(text="First I add.", tokens=0, seconds=0.0),
        Step(text="1. Then more", tokens=3, seconds=0.5),
    )

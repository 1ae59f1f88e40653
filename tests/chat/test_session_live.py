"""An answer while it grows: what is taken is what was put in, once, however threads race, for what is new."""

from __future__ import annotations

import threading

import pytest

from edgemind.chat.answering import added, merged
from edgemind.chat.live import Live
from edgemind.chat.types import Turn
from edgemind.engine.events import Answer, ContextTrimmed, Done, Failed, Loading, PromptProgress, Stats, Step, Thinking
from edgemind.engine.events import TokenConfidence as Measure

EMPTY = Turn(id="t", chat="c", parent=None, role="assistant", state="writing")


def test_no_piece_is_lost_or_doubled_in_a_race() -> None:
    live = Live(EMPTY)
    thoughts = [f"<{number}>" for number in range(8_000)]
    answers = [f"[{number}]" for number in range(8_000)]

    def put() -> None:
        for number, text in enumerate(thoughts):
            live.put(Thinking(text=text, step=1 + number // 200))
        for text in answers:
            live.put(Answer(text=text, confidence=(Measure(text=text, probability=0.5, entropy=1.0),)))
        live.end(Done(stop_reason="end"))

    writer = threading.Thread(target=put)
    saved = []
    saver = threading.Thread(target=lambda: saved.extend(live.written() for _ in range(20)))
    writer.start()
    saver.start()
    thought, answer, measured, steps = [], [], [], []
    while True:
        delta = live.take()
        thought.append(delta.thinking)
        answer.append(delta.answer)
        measured += delta.confidence
        steps += delta.steps
        if delta.over:
            break
    writer.join()
    saver.join()
    assert "".join(thought) == "".join(thoughts)
    assert "".join(answer) == "".join(one.text for one in measured) == "".join(answers)
    assert "".join(step.text for step in steps) == "".join(thoughts)
    assert sorted({step.number for step in steps}) == list(range(1, 41))
    assert all("".join(thoughts).startswith(one.reasoning) for one in saved)
    rest = live.take()
    assert (rest.thinking, rest.answer, rest.steps, rest.confidence) == ("", "", (), ())


def test_taking_holds_nothing_of_what_was_taken() -> None:
    """After 50,000 pieces a delta is as small as after one."""
    live = Live(EMPTY)
    for _ in range(50_000):
        live.put(Answer(text="word "))
    assert len(live.take().answer) == 250_000
    live.put(Answer(text="one more"))
    delta = live.take()
    assert (delta.answer, delta.steps, delta.confidence) == ("one more", (), ())
    assert delta.tokens == 50_001


def test_a_face_that_comes_later_gets_everything_once() -> None:
    live = Live(Turn(id="t", chat="c", parent=None, role="assistant", content="Be", reasoning="I add."))
    live.put(Answer(text="gun, "))
    assert live.take().answer == "gun, "
    live.put(Answer(text="and "))
    everything = live.take_all()
    assert (everything.thinking, everything.answer) == ("I add.", "Begun, and ")
    live.put(Answer(text="on."))
    assert live.take().answer == "on."


def test_phases_and_figures() -> None:
    live = Live(EMPTY, budget=100)
    assert live.take().phase == "loading"
    live.put(Loading(fraction=0.5))
    assert live.take().loading == 0.5
    live.put(ContextTrimmed(dropped_turns=2, dropped_tokens=10, kept_tokens=20, context_limit=1024))
    live.put(PromptProgress(done=5, total=20, cached=3))
    delta = live.take()
    assert (delta.phase, delta.prompt_done, delta.prompt_total, delta.prompt_cached) == ("prompt", 5, 20, 3)
    assert (delta.context_limit, delta.budget) == (1024, 100)
    live.put(PromptProgress(done=20, total=20, cached=3))
    live.put(Thinking(text="So", step=1, tokens=2))
    delta = live.take()
    assert (delta.phase, delta.thinking_tokens, delta.context_used) == ("thinking", 2, 22)
    live.put(Answer(text="85", tokens=1))
    assert live.take().phase == "answer"
    assert not live.take().over
    live.end(Failed(kind="worker_died", message="Gone."))
    live.end(Done(stop_reason="end"))
    last = live.take()
    assert (last.phase, last.over, last.done) == ("failed", True, None)
    assert last.trimmed
    assert last.trimmed.dropped_turns == 2


@pytest.mark.parametrize("old", [0, 1, 2, 3])
def test_steps_of_a_thought_that_was_continued_add_up(old: int) -> None:
    before = tuple(Step(text=f"{number}", tokens=5, seconds=1.0) for number in range(old))
    now = tuple(Step(text=f"{number}!", tokens=0 if number < 2 else 7, seconds=0.5) for number in range(3))
    found = merged(before, now)
    assert [step.text for step in found] == ["0!", "1!", "2!"]
    assert sum(step.tokens for step in found) == 5 * old + 7
    assert merged(before, ()) == before
    turn = Turn(id="t", chat="c", parent=None, role="assistant", content="x", stats=Stats(answer_tokens=3))
    assert added(turn, Stats(answer_tokens=4, prompt_tokens=9)).answer_tokens == 7

"""A conversation with the real worker and the built-in model: sent, stopped, killed, continued, branched, renamed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from edgemind.chat.engines import Engines
from edgemind.chat.history import History
from edgemind.chat.live import Delta, Live
from edgemind.chat.session import Busy, Session
from edgemind.chat.types import Parameters, Turn
from edgemind.engine.events import Sampling
from edgemind.errors import BadInput
from edgemind.settings import Settings

GREEDY = Parameters(sampling=Sampling(temperature=0))
ASKED = "What is 48 + 37?"


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    running = Engines(Settings())
    running.load()
    running.engine().wait_loaded()
    yield running
    running.close()


@pytest.fixture
def history() -> Iterator[History]:
    kept = History.in_memory()
    yield kept
    kept.close()


@pytest.fixture
def session(history: History, engines: Engines) -> Iterator[Session]:
    opened = Session(history, engines, history.create_chat(parameters=GREEDY), titles=False)
    yield opened
    opened.close()


def watch(live: Live | None, until: Callable[[Delta], bool] = lambda delta: delta.over) -> tuple[str, str, Delta]:
    """Take what comes until a delta is the one; ``(thought, answer, delta)``."""
    assert live is not None
    thought = answer = ""
    while True:
        delta = live.take()
        thought, answer = thought + delta.thinking, answer + delta.answer
        if until(delta) or delta.over:
            return thought, answer, delta
        time.sleep(0.005)


def finish(session: Session) -> tuple[str, str, Delta]:
    return watch(session.live)


def now(session: Session, turn: Turn) -> Turn:
    found = session.turn(turn.id)
    assert found is not None
    return found


def test_a_message_is_committed_before_it_is_answered(session: Session, history: History) -> None:
    user, answer = session.send(ASKED)
    assert history.turn(user.id).content == ASKED
    assert history.turn(answer.id).state == "writing"
    with pytest.raises(Busy):
        session.send("And?")
    thought, text, last = finish(session)
    kept = history.turn(answer.id)
    assert (kept.reasoning, kept.content, kept.state, kept.parent) == (thought, text, "done", user.id)
    assert "85" in text
    assert kept.model == "edgemind-nano"
    assert kept.stats == last.done.stats if last.done else False
    assert [step.text for step in kept.steps] == [step.text for step in last.done.steps] if last.done else False
    assert session.live is None
    assert session.chat.title == ASKED


def test_the_next_message_finds_the_last_one_in_the_cache(session: Session) -> None:
    session.send(ASKED)
    first = finish(session)[2].done
    session.send("What is 12 + 30?")
    second = finish(session)[2].done
    assert first
    assert second
    assert second.stats.cached_tokens >= first.stats.prompt_tokens - 1


def test_nothing_and_half_characters(session: Session, history: History) -> None:
    with pytest.raises(BadInput):
        session.send(" \n")
    user, _ = session.send("half \ud83d of one")
    finish(session)
    assert history.turn(user.id).content == "half ? of one"


def test_stopped_and_continued(session: Session, history: History) -> None:
    session.send(ASKED)
    whole = finish(session)
    answer = session.regenerate()
    watch(session.live, lambda delta: delta.tokens > 20)
    live = session.live
    session.stop()
    watch(live)
    cut = history.turn(answer.id)
    assert cut.state == "stopped"
    assert whole[0].startswith(cut.reasoning.rstrip())
    assert session.can_continue()
    again = session.continue_answer()
    assert (again.id, again.reasoning) == (answer.id, cut.reasoning)
    thought, text, _ = finish(session)
    kept = history.turn(answer.id)
    assert (cut.reasoning + thought, cut.content + text) == (whole[0], whole[1])
    assert (kept.reasoning, kept.content, kept.state) == (whole[0], whole[1], "done")
    assert kept.stats
    assert kept.stats.thinking_tokens >= 40
    assert not session.can_continue()


def test_cut_at_every_limit_and_continued(session: Session, history: History) -> None:
    """Ten tokens at a time, through the thought, its end, and the answer."""
    session.send(ASKED)
    whole = finish(session)
    session.set_parameters(GREEDY.model_copy(update={"max_tokens": 13}))
    answer = session.regenerate()
    finish(session)
    for _ in range(12):
        if not session.can_continue():
            break
        session.continue_answer(answer.id)
        finish(session)
    kept = history.turn(answer.id)
    assert (kept.reasoning, kept.content, kept.state) == (whole[0], whole[1], "done")


def test_the_worker_is_killed(session: Session, history: History, engines: Engines) -> None:
    _, answer = session.send(ASKED)
    live = session.live
    shown = watch(live, lambda delta: delta.thinking_tokens > 12)
    assert engines.pid
    os.kill(engines.pid, signal.SIGKILL)
    rest = watch(live)
    assert rest[2].failed
    kept = history.turn(answer.id)
    assert (kept.state, kept.reasoning) == ("failed", shown[0] + rest[0])
    assert "killed" in kept.error
    assert session.can_continue()
    again = session.retry()
    text = finish(session)[1]
    assert "85" in text
    assert session.siblings(again.id) == [answer.id, again.id]
    assert engines.state == "ready"
    shown_now = session.switch_branch(again.id, -1)
    assert shown_now.id == answer.id
    assert [turn.id for turn in session.page()][-1] == answer.id
    assert session.switch_branch(answer.id, -1).id == answer.id


def test_a_failure_without_a_word_is_no_branch(session: Session, history: History) -> None:
    user, answer = session.send("word " * 3000)
    assert finish(session)[2].failed
    assert history.turn(answer.id).state == "failed"
    assert "context" in history.turn(answer.id).error
    assert session.retry().id == answer.id
    finish(session)
    edited, other = session.edit(user.id, ASKED)
    assert other
    finish(session)
    assert session.siblings(edited.id) == [user.id, edited.id]


def test_edited_messages_are_branches(session: Session) -> None:
    user, _ = session.send(ASKED)
    finish(session)
    session.send("Thanks.")
    finish(session)
    edited, answer = session.edit(user.id, "What is 12 + 30?")
    assert answer
    finish(session)
    assert [turn.id for turn in session.page()] == [edited.id, answer.id]
    assert "42" in now(session, answer).content
    session.switch_branch(edited.id, -1)
    assert len(session.page()) == 4
    own, nothing = session.edit(answer.id, "It is 42.")
    assert nothing is None
    assert (own.role, own.state) == ("assistant", "done")
    assert session.page()[-1].content == "It is 42."


def test_answer_now_ends_the_thought(session: Session) -> None:
    session.send("Anna has 48 apples and buys 37 more. How many apples does she have?")
    live = session.live
    watch(live, lambda delta: delta.thinking_tokens > 5)
    session.answer_now()
    last = watch(live)[2]
    assert last.done
    assert last.done.budget_spent
    assert last.thinking_tokens < 60


def test_a_budget_counts_across_a_cut(session: Session, history: History) -> None:
    session.set_parameters(GREEDY.model_copy(update={"thinking_budget": 20, "max_tokens": 15}))
    _, answer = session.send(ASKED)
    assert finish(session)[2].budget == 20
    session.set_parameters(GREEDY.model_copy(update={"thinking_budget": 20}))
    session.continue_answer()
    finish(session)
    kept = history.turn(answer.id)
    assert kept.stats
    assert kept.stats.thinking_tokens < 40
    assert kept.content


def test_a_system_prompt_midway_is_told(session: Session) -> None:
    session.send(ASKED)
    finish(session)
    session.set_system("Answer in one word.")
    session.send("And 1 + 1?")
    finish(session)
    assert [turn.role for turn in session.page()] == ["user", "assistant", "note", "user", "assistant"]
    assert session.chat.system == "Answer in one word."


def test_a_long_chat_is_read_as_far_back_as_counts(session: Session, history: History, engines: Engines) -> None:
    chat = session.chat
    leaf = None
    for number in range(60):
        leaf = history.add_turn(chat.id, leaf, "user", f"{number}: " + "word " * 60).id
        leaf = history.add_turn(chat.id, leaf, "assistant", "Yes. " * 60).id
    long = Session(history, engines, history.chat(chat.id), titles=False)
    _, answer = long.send(ASKED)
    finish(long)
    kept = history.turn(answer.id)
    assert kept.trimmed
    assert kept.stats
    turns = sum(turn.role == "user" for turn in history.path(chat.id)) - 1
    assert kept.trimmed.dropped_turns <= turns
    assert kept.trimmed.dropped_turns > turns - 8
    assert "85" in kept.content


def test_confidence_is_that_of_the_whole_answer(session: Session, history: History) -> None:
    """Also when it was switched on for the second half only."""
    session.set_parameters(GREEDY.model_copy(update={"max_tokens": 58}))
    _, answer = session.send(ASKED)
    finish(session)
    cut = history.turn(answer.id)
    assert cut.state == "cut"
    assert cut.content.strip()
    session.set_parameters(GREEDY.model_copy(update={"confidence": True}))
    session.continue_answer()
    finish(session)
    kept = history.turn(answer.id)
    assert "".join(one.text for one in kept.confidence) == kept.content
    assert len(kept.confidence) > 2
    assert kept.confidence[-1].alternatives


def test_a_message_of_another_chat_is_not_answered_here(session: Session, history: History) -> None:
    other = history.create_chat()
    foreign = history.add_turn(other.id, None, "user", ASKED)
    for way in (lambda: session.edit(foreign.id, "And?"), lambda: session.regenerate(foreign.id)):
        with pytest.raises(BadInput, match="in this chat"):
            way()
    assert not session.not_saving
    session.rename("Sums")
    assert history.chat(session.chat.id).title == "Sums"

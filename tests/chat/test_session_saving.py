"""When the disk is full, stands still or comes back; titles in idle moments; another model midway."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgemind.chat import titles
from edgemind.chat.engines import Engines
from edgemind.chat.history import History
from edgemind.chat.keeping import Keeper
from edgemind.chat.live import Live
from edgemind.chat.session import Session
from edgemind.chat.types import Parameters, Turn
from edgemind.engine.events import Answer, Done, Sampling, Step
from edgemind.errors import HistoryProblem
from edgemind.models import builtin
from edgemind.settings import Settings

GREEDY = Parameters(sampling=Sampling(temperature=0))
ASKED = "What is 48 + 37?"


class Disk:
    """A database file that can be made full."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._open: list[sqlite3.Connection] = []

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, check_same_thread=False, isolation_level=None)
        self._open.append(connection)
        return connection

    def fill(self) -> None:
        """No page more: what SQLite says then is what it says of a full disk."""
        for connection in self._open:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
            free = connection.execute("PRAGMA freelist_count").fetchone()[0]
            assert free < 8

    def empty(self) -> None:
        for connection in self._open:
            connection.execute("PRAGMA max_page_count = 1000000")


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "history.db")


@pytest.fixture
def history(disk: Disk) -> Iterator[History]:
    kept = History(disk.connect)
    yield kept
    kept.close()


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    running = Engines(Settings())
    running.load()
    running.engine().wait_loaded()
    yield running
    running.close()


def finish(live: Live | None) -> tuple[str, str]:
    assert live is not None
    thought = answer = ""
    while True:
        delta = live.take()
        thought, answer = thought + delta.thinking, answer + delta.answer
        if delta.over:
            return thought, answer
        time.sleep(0.005)


def test_a_full_disk_ends_nothing_and_is_told(history: History, disk: Disk, engines: Engines) -> None:
    changes: list[str] = []
    session = Session(history, engines, history.create_chat(parameters=GREEDY), titles=False)
    session.on_change = lambda: changes.append(session.not_saving)
    session.send("First.")
    finish(session.live)
    disk.fill()
    user, answer = session.send(f"{ASKED} " + "x" * 9000)
    assert "full" in session.not_saving
    assert changes[-1]
    finish(session.live)
    edited, other = session.edit(user.id, ASKED)
    assert other
    thought, text = finish(session.live)
    assert [turn.id for turn in session.page()][-2:] == [edited.id, other.id]
    assert session.page()[-1].content == text
    assert session.siblings(edited.id) == [user.id, edited.id]
    session.switch_branch(edited.id, -1)
    assert session.page()[-1].id == answer.id
    session.switch_branch(user.id, 1)
    assert len(session.page(before=other.id)) == 3
    disk.empty()
    session.rename("Sums")
    assert session.not_saving == changes[-1] == ""
    assert [turn.content for turn in history.path(session.chat.id)][-2:] == [ASKED, text]
    assert history.turn(other.id).reasoning == thought
    assert history.turn(answer.id).parent == user.id
    assert history.chat(session.chat.id).title == "Sums"
    session.close()


def test_a_disk_that_stands_still_holds_up_nothing(
    history: History, disk: Disk, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemind.chat.answering.LAST_SAVE_SECONDS", 0.1)
    session = Session(history, engines, history.create_chat(parameters=GREEDY), titles=False)
    _, answer = session.send("Anna has 48 apples and buys 37 more. How many apples does she have?")
    stuck = disk.connect()
    stuck.execute("BEGIN IMMEDIATE")
    thought, text = finish(session.live)
    assert "85" in text
    assert history.turn(answer.id).state == "writing"
    kept = session.turn(answer.id)
    assert kept
    assert (kept.reasoning, kept.content, kept.state) == (thought, text, "done")
    stuck.execute("ROLLBACK")
    session.close(wait=10)
    assert not session.not_saving
    assert history.turn(answer.id).content == text


def test_partial_answers_are_in_the_history(
    history: History, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemind.chat.answering.SAVE_SECONDS", 0.002)  # this model answers in a tenth of a second
    session = Session(history, engines, history.create_chat(parameters=GREEDY), titles=False)
    _, answer = session.send("Anna has 48 apples and buys 37 more. How many apples does she have?")
    live = session.live
    assert live
    partial = history.turn(answer.id)
    while not live.take().over and not partial.reasoning:
        partial = history.turn(answer.id)
    finish(live)
    assert partial.state == "writing"
    assert history.turn(answer.id).reasoning.startswith(partial.reasoning)
    session.close()


def test_what_is_held_is_written_in_order(history: History, disk: Disk) -> None:
    keeper = Keeper(history, history.create_chat(), lambda: None)
    disk.fill()
    leaf = None
    for number in range(40):
        turn = Turn(id=f"{number:032x}", chat=keeper.chat.id, parent=leaf, role="user", content=f"{number}" * 2000)
        leaf = keeper.add(turn).id
    assert keeper.not_saving
    assert [turn.id for turn in keeper.page(None, 100)] == [f"{number:032x}" for number in range(40)]
    disk.empty()
    keeper.update_chat(title="x")
    assert [turn.id for turn in history.path(keeper.chat.id)] == [f"{number:032x}" for number in range(40)]


def test_what_fails_midway_is_written_whole_later(history: History, disk: Disk) -> None:
    keeper = Keeper(history, history.create_chat(), lambda: None)
    disk.fill()
    turn = Turn(id="a" * 32, chat=keeper.chat.id, parent=None, role="assistant", state="writing")
    turn = replace(
        keeper.add(turn), state="done", content="long " * 2000, steps=(Step(text="One.", tokens=2, seconds=1),)
    )
    keeper.save(turn)
    assert keeper.not_saving
    disk.empty()
    usual = history.save_turn

    def fails(_: Turn) -> None:
        history.save_turn = usual  # type: ignore[method-assign]
        raise HistoryProblem("The disk is full once more.", "")

    history.save_turn = fails  # type: ignore[method-assign]
    keeper.update_chat(title="x")
    assert keeper.not_saving
    keeper.update_chat(title="y")
    assert not keeper.not_saving
    assert history.turn(turn.id) == turn
    assert history.chat(keeper.chat.id).title == "y"


def test_a_branch_that_was_left_while_nothing_was_saved_stays_left(history: History, disk: Disk) -> None:
    keeper = Keeper(history, history.create_chat(), lambda: None)

    def message(name: str) -> Turn:
        return Turn(id=name * 32, chat=keeper.chat.id, parent=None, role="user", content=name * 9000)

    first = keeper.add(message("a"))
    disk.fill()
    keeper.add(message("b"), beside=first.id)
    keeper.update_chat(leaf=first.id)
    last = keeper.add(message("c"), beside=first.id)
    disk.empty()
    keeper.update_chat(title="x")
    assert history.chat(keeper.chat.id).leaf == keeper.chat.leaf == last.id


def test_titles_come_in_idle_moments_and_go_at_once(
    history: History, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The built-in model writes no titles, so what it says is taken as one here."""
    monkeypatch.setattr("edgemind.chat.session.TITLE_SECONDS", 0.01)
    monkeypatch.setattr(titles, "title_of", lambda events, asked, answered: "Adding" if events else None)
    changed = threading.Event()
    session = Session(history, engines, history.create_chat(parameters=GREEDY))
    session.on_change = lambda: changed.set() if session.chat.titled else None
    session.send(ASKED)
    first = session.live
    finish(first)
    assert changed.wait(60)
    assert history.chat(session.chat.id).title == "Adding"
    _, answer = session.send("What is 12 + 30?")
    finish(session.live)
    kept = session.turn(answer.id)
    assert kept
    assert kept.stats
    assert kept.stats.cached_tokens >= 17
    session.close()


def test_a_closed_session_asks_for_no_title(
    history: History, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("edgemind.chat.session.TITLE_SECONDS", 0.3)
    monkeypatch.setattr(engines, "in_idleness", asked.append)
    session = Session(history, engines, history.create_chat(parameters=GREEDY))
    session.send(ASKED)
    finish(session.live)
    session.close()
    for timer in [one for one in threading.enumerate() if isinstance(one, threading.Timer)]:
        timer.join(20)
    assert asked == []


def test_a_pastime_yields_to_a_user(engines: Engines) -> None:
    request = titles.request("Tell me a story.", "Once").model_copy(update={"max_tokens": 900, "ignore_end": True})
    found: list[object] = []
    pastime = threading.Thread(target=lambda: found.append(engines.in_idleness(request)))
    pastime.start()
    while engines._pastime is None and pastime.is_alive():
        time.sleep(0.001)
    with engines.in_use():
        pastime.join(30)
        assert found == [None]
        assert engines.in_idleness(request) is None


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Adding two numbers", "Adding two numbers"),
        ('Title: "The sum of 48 and 37."', "The sum of 48 and 37"),
        ("**Sums**", "Sums"),
        ("Sums\nwith apples", None),
        ("A recipe for soup", None),
        ("Sum " * 30, None),
        ("", None),
        ("sum\x1b[2J", None),
    ],
)
def test_only_what_looks_like_a_title_is_one(said: str, title: str | None) -> None:
    assert titles.checked(said, "Adding numbers: what is the sum of 48 and 37 apples? Sums are easy.") == title
    events = [Answer(text=said), Done(stop_reason="max_tokens")]
    assert titles.title_of(events, "sum", "sum") is None


def test_first_words() -> None:
    assert titles.first_words("\n  # What   is this?\nMore") == "What is this?"
    long = titles.first_words("word " * 40)
    assert len(long) <= titles.LONGEST
    assert long.endswith("word…")


def test_another_model_midway(history: History, engines: Engines) -> None:
    session = Session(history, engines, history.create_chat(parameters=GREEDY), titles=False)
    session.send(ASKED)
    finish(session.live)
    before = engines.pid
    session.set_model(str(builtin.path()))
    session.send("What is 12 + 30?")
    assert "42" in finish(session.live)[1]
    assert engines.pid not in (None, before)
    session.set_model("no-such-model")
    _, answer = session.send("And?")
    finish(session.live)
    failed = session.turn(answer.id)
    assert failed
    assert failed.state == "failed"
    assert "no-such-model" in failed.error
    assert engines.state == "failed"
    session.set_model(builtin.NAME)
    session.retry()
    assert finish(session.live)[1]
    assert engines.name == builtin.NAME
    session.close()

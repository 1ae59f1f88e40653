"""A terminal that is gone ends the app and its worker, in every state and whether or not SIGHUP arrives."""

from __future__ import annotations

import os
import pty
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from on_terminal import COMPOSER, Terminal
from vaults import new_vault, say

from edgemind.tui.ending import Ending

READY = "/1,024"
"""Drawn once the model has loaded."""


@pytest.fixture(params=["told", "not told"])
def hangup(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whether SIGHUP ends a process that does not handle it, or is ignored as under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if request.param == "not told" else signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def starting(terminal: Terminal) -> None:
    time.sleep(0.6)


def drawn(terminal: Terminal) -> None:
    terminal.until(COMPOSER)


def with_a_dialog(terminal: Terminal) -> None:
    terminal.until(COMPOSER)
    terminal.type("\x1bOP")
    terminal.until("Writing")


def streaming(terminal: Terminal) -> None:
    terminal.until(READY)
    terminal.type("Tell me a long story\r")
    terminal.until("esc stop")


def leaving(terminal: Terminal) -> None:
    streaming(terminal)
    terminal.type("\x11")


@pytest.mark.parametrize("state", [starting, drawn, with_a_dialog, streaming, leaving])
@pytest.mark.usefixtures("hangup")
def test_a_closed_terminal_ends_the_app_and_its_worker(home: Path, state: Callable[[Terminal], None]) -> None:
    with Terminal(home, "chat", "--ephemeral") as terminal:
        state(terminal)
        workers = terminal.children()
        terminal.hang_up()
        assert terminal.ended() != 0
        assert not any(running(pid) for pid in workers)


@pytest.mark.usefixtures("hangup")
def test_a_closed_terminal_ends_a_locked_app(home: Path) -> None:
    new_vault(home / "data" / "history").lock()
    with Terminal(home) as terminal:
        terminal.until("is locked")
        terminal.hang_up()
        assert terminal.ended() != 0


def test_what_was_said_is_there_after_the_terminal_was_lost(home: Path) -> None:
    opened = new_vault(home / "data" / "history")
    say(opened.history(), "First", "One", "Two")
    opened.lock()
    with Terminal(home) as terminal:
        terminal.until("is locked")
        terminal.type("correct horse battery\r")
        terminal.until(READY)
        terminal.type("Zebedee tells a long story\r")
        terminal.until("esc stop")
        terminal.hang_up()
        assert terminal.ended() != 0
    from edgemind.chat.vault import Vault

    history = Vault(home / "data" / "history").unlock(passphrase="correct horse battery").history()
    assert history.search("Zebedee", 5)
    assert history.recover_writing() == 0


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_end(home: Path) -> None:
    with Terminal(home) as terminal:
        terminal.until(COMPOSER)
        for _ in range(4):  # the terminal is full when nobody reads what is drawn
            terminal.type("many words " * 40 + "\x1b[D" * 100)
            time.sleep(0.3)
        terminal.signal(signal.SIGTERM)
        while not terminal.over():
            time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Hard:
    """In the place of ``os._exit``."""

    def __init__(self) -> None:
        self.happened = threading.Event()
        self.code: int | None = None

    def __call__(self, code: int) -> None:
        self.code = code
        self.happened.set()


def test_the_end_is_hard_when_its_time_is_up_and_saves_before() -> None:
    hard, saved = Hard(), threading.Event()
    ending = Ending(None, hard=hard)
    ending.save = saved.set
    ending.watch()
    assert not hard.happened.wait(0.1)
    ending.within(60, 1)
    ending.within(0.01, 7)
    ending.within(60, 1)
    assert hard.happened.wait(30)
    assert hard.code == 7
    assert saved.is_set()


def test_saving_that_fails_or_hangs_does_not_hold_up_the_end() -> None:
    never = threading.Event()
    for save in (lambda: 1 / 0, never.wait):
        hard = Hard()
        ending = Ending(None, hard=hard)
        ending.save = save  # type: ignore[assignment]
        ending.watch()
        ending.within(0.01)
        assert hard.happened.wait(30)
    never.set()


def test_a_terminal_that_goes_is_told_once_and_at_once() -> None:
    hard, told = Hard(), threading.Event()
    master, slave = pty.openpty()
    ending = Ending(slave, hard=hard)
    ending.on_gone = told.set
    ending.watch()
    assert not told.wait(0.1)
    os.close(master)
    assert told.wait(30)
    assert ending.gone.is_set()
    assert not hard.happened.is_set()
    os.close(slave)


def test_a_terminal_that_goes_before_there_is_an_app_ends_the_process() -> None:
    hard = Hard()
    master, slave = pty.openpty()
    ending = Ending(slave, hard=hard)
    ending.watch()
    os.close(master)
    assert hard.happened.wait(30)
    os.close(slave)

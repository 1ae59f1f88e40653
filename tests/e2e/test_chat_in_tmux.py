"""The chat app as its user meets it: the installed command, the built-in model, a terminal, an encrypted history."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from tmux import COMPOSER, PATIENCE, READY, Tmux, needs_tmux, running
from vaults import PASSPHRASE, new_vault

pytestmark = needs_tmux


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def unlock(terminal: Tmux) -> None:
    terminal.until("is locked")
    terminal.type(PASSPHRASE)
    terminal.until("•" * len(PASSPHRASE))
    terminal.press("Enter")
    terminal.until(COMPOSER)


def test_a_session_from_the_first_key_to_the_last(home: Path) -> None:
    new_vault(home / "data" / "history").lock()
    with Tmux(home) as terminal:
        unlock(terminal)
        ready = terminal.until(READY)
        assert "kernel-enforced" in ready
        assert "encrypted" in ready

        terminal.say("What is 48 + 37?")
        terminal.until("= 85.")
        folded = terminal.until("thought for")
        assert "1 │" not in folded
        terminal.press("C-t")
        terminal.until("1 │")
        terminal.press("C-t")
        terminal.until("1 │", gone=True)

        terminal.press("C-n")
        terminal.until("New chat")
        terminal.press("C-f")
        terminal.until("Search")
        terminal.type("48")
        terminal.until("What is 48 + 37?")
        terminal.press("Enter")
        terminal.until("= 85.")

        terminal.press("C-l")
        locked = terminal.until("is locked")
        assert "85" not in locked
        terminal.type("not the passphrase")
        terminal.press("Enter")
        terminal.until("does not open")
        time.sleep(1.1)  # the next try has to wait
        unlock(terminal)
        terminal.press("C-b")
        terminal.until("What is 48")
        terminal.press("C-q")
        ended = terminal.until("ended with 0")
        assert "Traceback" not in ended


def test_a_terminal_that_is_resized_while_an_answer_streams(home: Path) -> None:
    with Tmux(home) as terminal:
        terminal.until(READY)
        terminal.say("A train has 12 cars with 24 seats each, how many seats?")
        for columns, rows in ((120, 40), (40, 12), (20, 5), (100, 30), (80, 24)):
            terminal.resize(columns, rows)
            time.sleep(0.1)
        terminal.until("thought for")
        screen = terminal.until(COMPOSER)
        assert screen.splitlines()[-1].strip().startswith("enter send")
        assert all(len(line) <= 80 for line in screen.splitlines())


def test_a_size_in_the_environment_is_not_believed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LINES", "60")
    with Tmux(home) as terminal:
        terminal.until(READY)
        terminal.until(f"╰{'─' * 78}╯")
        terminal.resize(60, 20)
        terminal.until(f"╰{'─' * 58}╯")


def test_a_tmux_that_is_killed_leaves_nothing_running(home: Path) -> None:
    with Tmux(home) as terminal:
        terminal.until(READY)
        terminal.say("Tell me a long story")
        processes = terminal.processes()
        assert len(processes) > 2
        os.kill(terminal.server(), signal.SIGKILL)
        end = time.monotonic() + PATIENCE
        while any(running(pid) for pid in processes):
            assert time.monotonic() < end, "it lives on"
            time.sleep(0.1)

"""``/code``: the coding session in the chat's terminal, and the way back."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
from on_terminal import COMPOSER, PATIENCE, Terminal

from edgemind.tui import coding

READY = "ctrl+d leaves"
PROMPT = "code>"


def _opened(terminal: Terminal) -> None:
    terminal.until(COMPOSER)
    terminal.type("/code")
    terminal.until("/code")
    terminal.type("\r")
    terminal.until(READY)


def _once_more(terminal: Terminal, wanted: str, keys: str) -> None:
    """Type, and wait until this is drawn after what was drawn before.

    Between two prompts the terminal takes ctrl+d as its own: it is typed again, as somebody would.
    """
    end = time.monotonic() + PATIENCE
    drawn = len(terminal.text) if keys else terminal.text.rindex("Done")
    again = time.monotonic()
    while wanted not in terminal.text[drawn:]:
        if keys and time.monotonic() >= again:
            terminal.type(keys)
            again = time.monotonic() + 3
        assert time.monotonic() < end, terminal.text[-2000:]
        assert not terminal.over(), terminal.text[-2000:]
        terminal.read()


def test_a_file_is_written_and_the_chat_comes_back(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with Terminal(home, "chat", "--ephemeral", PROMPT_TOOLKIT_NO_CPR="1") as terminal:
        _opened(terminal)
        terminal.type("write a function that sorts a list into sort.py\r")
        terminal.until("Write sort.py?")
        terminal.type("y\r")
        terminal.until("Done: sort.py written.")
        _once_more(terminal, PROMPT, "")
        _once_more(terminal, PROMPT, "\x03")  # is the session's, and ends neither it nor the app
        _once_more(terminal, COMPOSER, "\x04")
        terminal.type("What is 48 + 37?\r")
        terminal.until("85.")
        terminal.type("\x11")
        assert terminal.ended() == 0
    assert (folder / "sort.py").read_text() == "def sort_list(items):\n    return sorted(items)\n"
    assert (folder / "sort.py").stat().st_mode & 0o044


def test_told_to_end_the_app_takes_the_session_with_it(home: Path) -> None:
    with Terminal(home, "chat", "--ephemeral", PROMPT_TOOLKIT_NO_CPR="1") as terminal:
        _opened(terminal)
        family = psutil.Process(terminal.pid).children(recursive=True)
        terminal.signal(signal.SIGTERM)
        terminal.ended()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_the_command_line_has_the_model_and_no_current_folder_on_its_path() -> None:
    assert coding.command("some-model")[-3:] == ["code", "--model", "some-model"]
    assert coding.command(None)[-1] == "code"
    assert coding.command(None)[0] == sys.executable
    assert "filter(None, sys.path)" in coding.START

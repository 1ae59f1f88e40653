"""The installed command on a terminal: starting, small and odd terminals, signals, and what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from on_terminal import COMMAND, COMPOSER, Terminal

from edgemind.privacy import jail

QUIT = "\x11\x11"
"""Twice, since nothing is saved."""


def test_edgemind_alone_is_the_chat_and_answers(home: Path) -> None:
    with Terminal(home) as terminal:
        terminal.until(COMPOSER)
        terminal.type("What is 48 + 37?")
        terminal.until("48 + 37?")
        terminal.type("\r")
        terminal.until("85.")
        terminal.type("\x11")
        terminal.until("not saved is lost")
        terminal.type("y")
        assert terminal.ended() == 0
    assert "Traceback" not in terminal.text


def test_what_is_typed_before_the_first_frame_is_in_it(home: Path) -> None:
    with Terminal(home) as terminal:
        terminal.type("typed")
        time.sleep(0.3)
        terminal.type(" ahead")
        terminal.until(COMPOSER)
        drawn = terminal.text.index(COMPOSER)
        while "typed ahead" not in terminal.text[drawn:]:
            terminal.until(COMPOSER)
            terminal.read()


def test_what_is_typed_meanwhile_does_not_stay_on_the_shell_s_screen(home: Path) -> None:
    with Terminal(home) as terminal:
        time.sleep(0.5)
        terminal.type("Zebedee\r")
        terminal.until(COMPOSER)
        terminal.until("Zebedee")
        assert "Zebedee" not in terminal.raw.split("\x1b[?1049h")[0]


def test_the_process_and_its_worker_are_in_the_jail(home: Path) -> None:
    with Terminal(home) as terminal:
        terminal.until("/1,024")
        worker = terminal.children()
        assert worker
        for pid in (terminal.pid, *worker):
            assert jail.status(pid)["enforced"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end_it_ends_with_its_worker_and_gives_the_terminal_back(home: Path, number: int) -> None:
    with Terminal(home) as terminal:
        terminal.until(COMPOSER)
        terminal.until("/1,024")
        workers = terminal.children()
        terminal.type("Tell me a story\r")
        time.sleep(0.5)
        terminal.signal(number)
        assert terminal.ended() == 0
        assert terminal.raw.rstrip().endswith(("\x1b[?1004l", "\x1b[?25h")) or "\x1b[?1049l" in terminal.raw
        assert not any(os.path.exists(f"/proc/{pid}/fd/0") for pid in workers)


def test_ctrl_c_twice_quits(home: Path) -> None:
    with Terminal(home) as terminal:
        terminal.until(COMPOSER)
        terminal.type("\x03")
        terminal.until("once more")
        terminal.type("\x03")
        assert terminal.ended() == 0


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (1, 1), (300, 80)])
def test_any_size_of_terminal(home: Path, size: tuple[int, int]) -> None:
    with Terminal(home, size=size) as terminal:
        while "\x1b[?2004h" not in terminal.raw:
            terminal.read()
        terminal.type("What is 48 + 37?\r")
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            terminal.read()
            assert not terminal.over()
        terminal.type(QUIT)
        assert terminal.ended() == 0


def test_a_terminal_without_utf8_gets_ascii_and_is_told(home: Path) -> None:
    with Terminal(home, LC_ALL="C") as terminal:
        terminal.until(COMPOSER)
        terminal.until("ASCII")
        terminal.type("naïve\r")
        terminal.read(1)
        assert terminal.raw.isascii()
        assert "+--" in terminal.text


def test_no_color_leaves_no_colour(home: Path) -> None:
    with Terminal(home, NO_COLOR="1") as terminal:
        terminal.until(COMPOSER)
        colours = {part for part in terminal.raw.split("\x1b[") if part.startswith("38;2;")}
        for colour in colours:
            red, green, blue = colour.removeprefix("38;2;").split("m")[0].split(";")[:3]
            assert red == green == blue


def test_a_redirected_standard_error_gets_no_conversation(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Terminal(home, stderr=log) as terminal:
        terminal.until(COMPOSER)
        terminal.type("The patient is Zebedee\r")
        terminal.until("Zebedee")
        terminal.type(QUIT)
        assert terminal.ended() == 0
    assert b"Zebedee" not in log.read_bytes()


def test_without_a_terminal_it_names_the_command_that_needs_none(home: Path) -> None:
    done = subprocess.run(
        [COMMAND, "chat"], capture_output=True, text=True, env={**os.environ, "EDGEMIND_HOME": str(home)}, timeout=60
    )
    assert done.returncode == 2
    assert "terminal" in done.stderr
    assert "edgemind run" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_terminal_that_cannot_be_drawn_on(home: Path) -> None:
    with Terminal(home, "chat", TERM="dumb") as terminal:
        assert terminal.ended() == 2
    assert "edgemind run" in terminal.text


def test_textual_s_switches_in_the_environment_do_nothing(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "textual.log"
    with Terminal(home, TEXTUAL="devtools,debug", TEXTUAL_LOG=str(log), TEXTUAL_SCREENSHOT="1") as terminal:
        terminal.until(COMPOSER)
        terminal.type("Zebedee\r")
        terminal.until("Zebedee")
        terminal.type(QUIT)
        assert terminal.ended() == 0
    assert not log.exists()
    assert not list(tmp_path.rglob("*.svg"))

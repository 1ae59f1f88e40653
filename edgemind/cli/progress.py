"""One line on a terminal that says what is being waited for, and goes away when there is something better to show.

Nothing is ever written where standard error is no terminal. Not for: anything that should stay to be read.
"""

from __future__ import annotations

import os
import sys
import threading
import unicodedata

from edgemind.cli import console
from edgemind.terminal import clean_line

DELAY = 0.3
"""Seconds before the line appears at all, so that what is fast does not flicker."""

PERIOD = 0.1
ERASE = "\r\x1b[2K"


class Progress:
    """The line. ``say`` and ``clear`` may be called from any thread."""

    def __init__(self) -> None:
        self._shows = console.is_smart(sys.stderr)
        self._frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if console.draws(sys.stderr, "⠋") else "|/-\\"
        self._text = ""
        self._drawn = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def say(self, text: str) -> None:
        """Show this from the next turn of the wheel on."""
        if not self._shows:
            return
        with self._lock:
            self._text = text
            if self._thread is None:
                self._thread = threading.Thread(target=self._turn, daemon=True)
                self._thread.start()

    def clear(self) -> None:
        """Take the line away; it comes back with the next ``say``."""
        if not self._text and not self._drawn:
            return
        with self._lock:
            self._text = ""
            if self._drawn:
                console.err_raw(ERASE)
                self._drawn = False

    def close(self) -> None:
        self._ended.set()
        self.clear()
        if self._thread:
            self._thread.join(1.0)

    def _turn(self) -> None:
        wait, frame = DELAY, 0
        while not self._ended.wait(wait):
            wait = PERIOD
            with self._lock:
                if self._text:
                    wheel = self._frames[frame % len(self._frames)]
                    text = fitting(self._text, terminal_columns() - 3)
                    console.err_raw(f"{ERASE}{console.DIM}{wheel} {text}{console.RESET}")
                    self._drawn = True
            frame += 1


def fitting(text: str, columns: int) -> str:
    """As much of the text as fits on the line: one that wraps cannot be taken away again."""
    shown = clean_line(text)
    for index, character in enumerate(shown):
        columns -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if columns < 0:
            return shown[:index]
    return shown


def terminal_columns() -> int:
    """Of standard error; 80 when it is no terminal."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80

"""What is typed while the app starts: not echoed, so that it does not stay on the shell's screen, and kept as it is.

Without it a terminal shows type-ahead above the app for good, makes enter a line feed, and swallows ctrl+q.
Not for: the time when the app runs (``driver``).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

_before: list[Any] | None = None


def before() -> list[Any] | None:
    """The terminal's settings as the shell left them; ``None`` when they were not changed."""
    return _before


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back the echo; afterwards the terminal is as it was, whatever happens."""
    global _before
    try:
        import termios
    except ImportError:
        yield
        return
    try:
        number = sys.stdin.fileno()
        _before = termios.tcgetattr(number)
    except (OSError, ValueError, AttributeError, termios.error):
        yield
        return
    quiet = termios.tcgetattr(number)
    quiet[0] &= ~(termios.ICRNL | termios.IXON)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    quiet[6][termios.VMIN], quiet[6][termios.VTIME] = 1, 0
    try:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(number, termios.TCSANOW, quiet)
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(number, termios.TCSANOW, _before)
        _before = None

"""What is typed while the app starts: not echoed, so that it does not stay on the shell's screen, and kept as it is.

Without it a terminal shows type-ahead above the app for good, makes enter a line feed, and swallows ctrl+q.
Not for: the time when the app runs (``driver``).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

LEAVE = b"\x1b[?2004l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1004l\x1b[<u\x1b[?7h\x1b[?1049l\x1b[?25h"
"""What undoes all that the app has told the terminal."""

_before: list[Any] | None = None


def before() -> list[Any] | None:
    """The terminal's settings as the shell left them; ``None`` when they were not changed."""
    return _before


def restore() -> None:
    """Give the terminal back as it was, for a process that cannot end in good order."""
    import os
    import termios

    if _before is not None:
        number = sys.__stdin__.fileno() if sys.__stdin__ is not None else 0
        with contextlib.suppress(OSError, ValueError, termios.error):
            termios.tcsetattr(number, termios.TCSANOW, _before)
            os.write(number, LEAVE)


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

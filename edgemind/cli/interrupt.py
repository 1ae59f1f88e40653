"""Ctrl-C: the first ends the answer and keeps what is there; before any text, or the second time, it leaves.

Not for: what leaving means (``app``: exit code 130, quietly; ``Engine.__exit__`` ends the worker).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType


class Interrupt:
    """The handler, while it is entered."""

    def __init__(self) -> None:
        self._cancel: Callable[[], None] | None = None
        self._asked = False
        self._leaving = False

    def keep(self, cancel: Callable[[], None]) -> None:
        """From now on there is text: the first Ctrl-C calls ``cancel`` instead of leaving."""
        self._cancel = cancel

    def release(self) -> None:
        """Nothing is being written any more: the next Ctrl-C leaves."""
        self._cancel, self._asked = None, False

    def check(self) -> None:
        """Leave if that was asked for; a library may have swallowed the exception that said so.

        Raises:
            KeyboardInterrupt: yes.
        """
        if self._leaving:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupt:
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        if self._cancel is None or self._asked:
            self._leaving = True
            raise KeyboardInterrupt
        self._asked = True
        # On a thread of its own: this one may hold the lock that sending needs.
        threading.Thread(target=self._cancel, daemon=True).start()

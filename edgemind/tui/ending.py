"""The app ends, come what may: a thread of its own watches the terminal and a deadline, and sleeps otherwise.

A terminal that is gone (closed, its tmux killed, ssh lost) is noticed here in every state, whether or not SIGHUP
arrives: the app is told to save and end. What has not ended when its time is up is ended hard, after a last attempt to
save; the worker's input closes with this process, so it leaves too.
Not for: what saving and ending mean (``app``), signals (``signals``).
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

GONE_WITHIN = 5.0
"""Seconds to save and end in, once the terminal is gone or the system says so."""

QUIT_WITHIN = 20.0
"""The same when the user has asked for it and may be waiting for a slow disk."""

START_WITHIN = 0.5
"""The same while there is no app yet, and so nothing to save."""

LEFT_WITHIN = 3.0
"""Seconds for a process in which everything is saved already."""

SAVING = 2.0
"""Seconds for the last attempt to save."""

NO_TERMINAL = 129
"""The exit code, as after SIGHUP."""


class Ending:
    """Watch from ``watch`` on until the process ends.

    Args:
        terminal: descriptor of the terminal; ``None`` watches the clock only.
        hard: how a process ends at once, by its exit code.
    """

    def __init__(self, terminal: int | None, *, hard: Callable[[int], object] = os._exit) -> None:
        self.on_gone: Callable[[], object] | None = None
        """Called on the watching thread, once, when the terminal is gone; set it before ``watch`` or call
        ``tell_gone`` after setting it."""
        self.save: Callable[[], None] | None = None
        """The last attempt to save, on a thread that is not waited for for long."""
        self.restore: Callable[[], None] | None = None
        """Gives the terminal back."""
        self.gone = threading.Event()
        self._terminal = terminal
        self._hard = hard
        self._deadline: float | None = None
        self._code = NO_TERMINAL
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._waking, False)

    def watch(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, name="ending", daemon=True).start()

    def within(self, seconds: float, code: int = NO_TERMINAL) -> None:
        """The process ends within this time; an earlier deadline stays. Safe in a signal handler."""
        deadline = time.monotonic() + seconds
        if self._deadline is None or deadline < self._deadline:
            self._deadline, self._code = deadline, code
            with contextlib.suppress(OSError):
                os.write(self._waking, b"\0")

    def tell_gone(self) -> None:
        """Call ``on_gone`` again if the terminal went before there was anybody to be told."""
        if self.gone.is_set() and self.on_gone is not None:
            self.on_gone()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._terminal is not None:
            poll.register(self._terminal, 0)  # nothing but its end
        while True:
            deadline = self._deadline
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if left == 0.0:
                self._end_hard()
                return
            for descriptor, what in poll.poll(None if left is None else left * 1000 + 1):
                if descriptor == self._woken:
                    os.read(self._woken, 64)
                    continue
                poll.unregister(descriptor)
                if what & (select.POLLHUP | select.POLLERR):
                    self._is_gone()

    def _is_gone(self) -> None:
        self.gone.set()
        told = self.on_gone
        self.within(GONE_WITHIN if told else START_WITHIN)
        if told is not None:
            with contextlib.suppress(RuntimeError):  # there is no loop any more: it is ending already
                told()

    def _end_hard(self) -> None:
        for last in (self.save, None if self.gone.is_set() else self.restore):
            if last is not None:
                thread = threading.Thread(target=_quietly, args=(last,), name="last", daemon=True)
                thread.start()
                thread.join(SAVING)
        self._hard(self._code)


def _quietly(do: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):
        do()

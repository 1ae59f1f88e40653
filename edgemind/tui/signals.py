"""What other processes and the terminal tell the app: end (SIGTERM, SIGHUP), lock (SIGUSR1). Ctrl-Z is Textual's own.

``end`` and ``lock`` run in the event loop, so they may do what a key may do; that the end comes is noted at once, even
while the loop is held up.
Not for: what ending and locking mean (``app``), an end that does not come (``ending``).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import types
from collections.abc import Callable
from typing import NoReturn

ENDS = ("SIGTERM", "SIGHUP")


def listen(*, end: Callable[[], None], lock: Callable[[], None], ending: Callable[[], None] | None = None) -> None:
    """Call ``end`` and ``lock`` from the running loop when a signal says so, where there are signals.

    Args:
        ending: called first, at once, wherever the main thread is; it must only do what a signal handler may.
    """
    loop = asyncio.get_running_loop()

    def asked_to_end(number: int, frame: types.FrameType | None) -> None:
        if ending is not None:
            ending()
        try:
            loop.call_soon_threadsafe(end)
        except RuntimeError:  # the app is over
            if ending is None:
                _leave(number, frame)

    for name in ENDS:
        _set(name, asked_to_end)
    number = getattr(signal, "SIGUSR1", None)
    if number is not None:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, lock)


def leave_when_told() -> None:
    """Before there is a loop: an end is an exception, so that the terminal is given back."""
    for name in ENDS:
        _set(name, _leave)


def _leave(number: int, _frame: types.FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _set(name: str, do: Callable[[int, types.FrameType | None], object]) -> None:
    number = getattr(signal, name, None)
    if number is not None:
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(number, do)

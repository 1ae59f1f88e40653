"""What other processes and the terminal tell the app: end (SIGTERM, SIGHUP), lock (SIGUSR1).

Each handler runs in the event loop, so it may do what a key may do. Ctrl-Z is Textual's own.
Not for: what ending and locking mean (``app``).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable


def listen(*, end: Callable[[], None], lock: Callable[[], None]) -> None:
    """Call ``end`` and ``lock`` from the running loop when a signal says so, where there are signals."""
    loop = asyncio.get_running_loop()
    for name, do in (("SIGTERM", end), ("SIGHUP", end), ("SIGUSR1", lock)):
        number = getattr(signal, name, None)
        if number is not None:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, do)

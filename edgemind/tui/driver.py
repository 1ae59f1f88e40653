"""Textual's terminal driver with two changes: what is typed before the first frame is kept for it, and while no key is
pressed the reading thread sleeps.

Textual throws away what arrives before a widget has the focus: on a busy machine seconds of typing. And it asks every
0.1 s whether an escape that stands alone was the key. That question only has an answer shortly after a byte has come,
so only then it is asked here; otherwise the thread waits for the next byte, or for the end.
Not for: what bytes mean (``terminal_input``).
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import threading
import time
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

from edgemind.tui import hush
from edgemind.tui.terminal_input import TerminalInput

TICK = 0.1
"""Seconds between two looks while something is undecided."""

PATIENCE = 30.0
"""Seconds after which input is taken although nobody said where it goes."""

UNDECIDED = 0.5
"""Seconds after the last byte in which an escape may still be decided."""


class QuietDriver(LinuxDriver):
    """For Linux and macOS."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._woken, self._waking = os.pipe()
        self._welcome = threading.Event()

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        before = hush.before()
        if before is not None:
            self.attrs_before = before

    def let_in(self) -> None:
        """What is typed has somewhere to go from now on; until then it waits in the terminal."""
        self._welcome.set()

    def run_input_thread(self) -> None:
        """Wait for input and hand out what it means."""
        began = time.monotonic()
        while not self._welcome.wait(TICK) and not self.exit_event.is_set():
            if time.monotonic() - began > PATIENCE:
                break
        parser = TerminalInput(self._debug)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        looks = 0
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                ready = {key.fd for key, _ in selector.select(TICK if looks else None)}
                looks = max(0, looks - 1)
                if self.fileno in ready:
                    data = self._read()
                    if not data:
                        self._app.call_later(self._app.exit)
                        selector.unregister(self.fileno)
                        continue
                    looks = round(UNDECIDED / TICK)
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
                if not looks and getattr(parser, "_pasted", None) is not None:
                    looks = 1
            with contextlib.suppress(BlockingIOError):
                os.set_blocking(self._woken, False)
                os.read(self._woken, 16)

    def _read(self) -> bytes:
        """What the terminal sent; nothing when it is gone."""
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""

    def disable_input(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._waking, b"\0")
        super().disable_input()

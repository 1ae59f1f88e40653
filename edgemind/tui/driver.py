"""Textual's terminal driver with three changes: what is typed before the first frame is kept for it, while no key is
pressed the reading thread sleeps, and the size is the terminal's own.

Textual throws away what arrives before a widget has the focus: on a busy machine seconds of typing. And it asks every
0.1 s whether an escape that stands alone was the key. That question only has an answer shortly after a byte has come,
so only then it is asked here; otherwise the thread waits for the next byte, or for the end.
A terminal that is gone must not hold anything up either: Textual's writing thread dies of it and then blocks whoever
draws, SIGCONT (the system sends it along with SIGHUP) makes it start a second reading thread beside the first, and
neither lets the process end.
Not for: what bytes mean (``terminal_input``), who ends the app then (``ending``).
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import threading
import time
from typing import Any

from textual.drivers import linux_driver
from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver

from edgemind.tui import hush
from edgemind.tui.terminal_input import TerminalInput

TICK = 0.1
"""Seconds between two looks while something is undecided."""

PATIENCE = 30.0
"""Seconds after which input is taken although nobody said where it goes."""

UNDECIDED = 0.5
"""Seconds after the last byte in which an escape may still be decided."""


class Writer(WriterThread):
    """Goes on taking what is drawn when it can be written nowhere any more, so that nobody waits for it."""

    def run(self) -> None:
        lost = False
        while (text := self._queue.get()) is not None:
            if lost:
                continue
            try:
                self._file.write(text)
                if self._queue.empty():
                    self._file.flush()
            except BlockingIOError:  # another program has left the terminal non-blocking
                with contextlib.suppress(OSError, ValueError):
                    os.set_blocking(self._file.fileno(), True)
            except (OSError, ValueError):
                lost = True
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()


class Reader(threading.Thread):
    """Nothing waits for it at the end of the process."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named, daemon=True)


linux_driver.WriterThread = Writer  # type: ignore[attr-defined]
linux_driver.Thread = Reader  # type: ignore[attr-defined]


class QuietDriver(LinuxDriver):
    """For Linux and macOS."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._woken, self._waking = os.pipe()
        self._welcome = threading.Event()

    def start_application_mode(self) -> None:
        if self._key_thread is not None and self._key_thread.is_alive():  # SIGCONT after a stop that was not ours
            self.suspend_application_mode()
            self._must_signal_resume = True
        if not os.isatty(self.fileno):  # it went away while the app started: ``ending`` ends the app
            assert self._file is not None
            self._writer_thread = Writer(self._file)
            self._writer_thread.start()
            return
        super().start_application_mode()  # type: ignore[no-untyped-call]
        before = hush.before()
        if before is not None:
            self.attrs_before = before

    def _get_terminal_size(self) -> tuple[int, int]:
        """In columns and rows: what the terminal says. ``COLUMNS`` and ``LINES`` are those of when they were set."""
        try:
            columns, rows = os.get_terminal_size(self.fileno)
        except OSError:
            columns = rows = 0
        return (columns, rows) if columns and rows else super()._get_terminal_size()

    def _sigcont_application(self, *_: Any) -> None:
        if os.isatty(self.fileno):  # a terminal that is gone sends SIGCONT along with SIGHUP
            super()._sigcont_application()

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
                if self._woken in ready:
                    os.read(self._woken, 16)
                    continue
                if self.fileno in ready:
                    data = self._read()
                    if not data:
                        selector.unregister(self.fileno)
                        self._app.call_later(getattr(self._app, "end", self._app.exit))
                        continue
                    looks = round(UNDECIDED / TICK)
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
                if not looks and getattr(parser, "_pasted", None) is not None:
                    looks = 1

    def _read(self) -> bytes:
        """What the terminal sent; nothing when it is gone."""
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""

    def disable_input(self) -> None:
        reader = self._key_thread
        if reader is not None and reader.is_alive() and not self.exit_event.is_set():
            self.exit_event.set()
            with contextlib.suppress(OSError):
                os.write(self._waking, b"\0")
            reader.join(PATIENCE if os.isatty(self.fileno) else TICK)
            self.exit_event.clear()
        super().disable_input()

"""What a terminal sends, made into keys and pastes: Textual's parser with three repairs.

- A bracketed paste is taken as it is until its closing bracket. Textual's parser (8.2) turns an escape sequence inside
  a paste into key presses, so that a pasted text could press enter or ctrl+q.
- alt+enter arrives as ESC CR, and shift+enter from xterm as ``CSI 27;2;13~``; both would be a plain enter.
- Bytes that are not UTF-8, as a Latin-1 terminal sends them, become U+FFFD and do not end the app.

Not for: what a key does (``keys``).
"""

from __future__ import annotations

import codecs
import functools
import importlib
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from textual import constants, events
from textual._xterm_parser import XTermParser
from textual.message import Message

START, END = "\x1b[200~", "\x1b[201~"
SILENCE = 5.0
"""Seconds without a byte after which a paste that was never closed is taken to be over."""

_BEGUN = re.compile(r"\x1b(?:\[(?:2(?:00?|7(?:;(?:\d(?:;(?:13?)?)?)?)?)?)?)?\Z")
"""The beginning of a bracket or of one of ``_ENTERS`` at the end of a piece; alone it may be the escape key."""
_ENTERS = re.compile(r"\x1b\r|\x1b\[27;(\d);13~")


class TerminalInput(XTermParser):
    """Give it text in pieces of any size."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._pasted: list[str] | None = None
        self._held = ""
        """The last characters, whose meaning the next ones will tell."""
        self._fed_at = 0.0

    def feed(self, data: str) -> Iterable[Message]:
        if not data:
            yield from super().feed(data)
            return
        self._fed_at = time.monotonic()
        data = self._held + data
        self._held = ""
        while data:
            if self._pasted is None:
                keys, bracket, data = data.partition(START)
                begun = None if bracket else _BEGUN.search(keys)
                if begun:
                    keys, self._held = keys[: begun.start()], begun[0]
                yield from self._keys(keys)
                if bracket:
                    self._pasted = []
            else:
                text, bracket, data = data.partition(END)
                if not bracket:
                    text, self._held = _without_beginning(text, END)
                self._pasted.append(text)
                if bracket:
                    yield self._paste()

    def tick(self) -> Iterable[Message]:
        waited = time.monotonic() - self._fed_at
        if self._pasted is not None:
            if waited > SILENCE:
                self._pasted.append(self._held)
                self._held = ""
                yield self._paste()
        elif self._held and waited > constants.ESCAPE_DELAY:
            held, self._held = self._held, ""
            yield from self._keys(held)
            if self._timeout_time is not None:
                self._timeout_time = 0.0  # it has been waited for already
        yield from super().tick()

    def _paste(self) -> Message:
        text = "".join(self._pasted or ()).replace("\x00", "")
        self._pasted = None
        return events.Paste(text)

    def _keys(self, keys: str) -> Iterable[Message]:
        keys = _ENTERS.sub(lambda found: f"\x1b[13;{found[1] or 3}u", keys)
        if keys:
            yield from super().feed(keys)


def _without_beginning(text: str, bracket: str) -> tuple[str, str]:
    """``text`` without what at its end may be the beginning of ``bracket``, and that."""
    for size in range(min(len(bracket) - 1, len(text)), 0, -1):
        if text.endswith(bracket[:size]):
            return text[:-size], text[-size:]
    return text, ""


def install() -> None:
    """Make Textual's drivers read with it; once, before the app runs."""
    for name in ("linux_driver", "linux_inline_driver"):
        driver: Any = importlib.import_module(f"textual.drivers.{name}")
        driver.XTermParser = TerminalInput
        driver.getincrementaldecoder = _forgiving


def _forgiving(encoding: str) -> Callable[[], Any]:
    return functools.partial(codecs.getincrementaldecoder(encoding), errors="replace")

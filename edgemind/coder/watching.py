"""Long work that somebody waits for: how far it is, and that it ends when it is no longer wanted.

The work runs on a thread of its own and calls its ``Watch`` again and again; whoever waits goes through what it says.
Not for: drawing (``cli``), answers of a model (they have events and ``cancel``).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

Watch: TypeAlias = Callable[[str, int, int], None]
"""Told what is done, how many files of it are done, and how many there are (0: not known). May raise ``Stopped``."""

FIRST_S = 0.3
"""Until anything is told; shorter work needs no word."""

EVERY_S = 0.2
PATIENCE_S = 1.0
"""For the work to end once it is not wanted."""

Result = TypeVar("Result")


class Stopped(Exception):
    """The work is no longer wanted."""


@dataclass(frozen=True)
class Looking:
    """How far the search for what the model is shown has come."""

    what: str
    done: int
    """Files."""
    total: int
    """0: not known yet."""


def unwatched(what: str, done: int, total: int) -> None:
    """For work that nobody waits for."""


class Watched(Generic[Result]):
    """One piece of work on a thread. Going through it yields its ``Looking`` and starts it."""

    def __init__(self, work: Callable[[Watch], Result], stop: threading.Event) -> None:
        """``stop``: set from anywhere when the result is not wanted."""
        self._work = work
        self._stop = stop
        self._left = threading.Event()
        self._said: queue.SimpleQueue[Looking | None] = queue.SimpleQueue()
        self._result: Result
        self._problem: BaseException | None = None
        self._next = 0.0

    def run(self) -> Generator[Looking, None, Result]:
        """What the work returns, or raises.

        Raises:
            Stopped: ``stop`` was set before it was done.
        """
        self._next = time.monotonic() + FIRST_S
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            while not self._stop.is_set():
                try:
                    said = self._said.get(timeout=0.05)
                except queue.Empty:
                    continue
                if said is None:
                    break
                yield said
        finally:
            self._left.set()
            thread.join(PATIENCE_S)
        if self._stop.is_set():
            raise Stopped
        if self._problem is not None:
            raise self._problem
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._work(self._watch)
        except BaseException as problem:  # handed to whoever waits
            self._problem = problem
        self._said.put(None)

    def _watch(self, what: str, done: int, total: int) -> None:
        if self._left.is_set() or self._stop.is_set():
            raise Stopped
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY_S
            self._said.put(Looking(what, done, total))

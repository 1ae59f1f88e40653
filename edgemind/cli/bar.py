"""A bar on a terminal for work whose size is known: hashing, copying. It goes away when the work is done.

Nothing is written where standard error is no terminal, nor for work that is over at once.
Not for: waiting for something of unknown length (``progress``).
"""

from __future__ import annotations

import sys
import time
from types import TracebackType

from edgemind.cli import console
from edgemind.cli.progress import DELAY, ERASE, PERIOD, fitting, terminal_columns
from edgemind.models.sizes import human_bytes

CELLS = 20
FEWEST = 4
"""Cells of the bar on a wide and on a narrow screen."""


class Bar:
    """Call it with bytes done and bytes in all, as the store's long operations do; use it as a context manager."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._shows = console.is_smart(sys.stderr)
        self._full, self._empty = "━─" if console.draws(sys.stderr, "━─") else "#-"
        self._started = time.monotonic()
        self._next = self._started + DELAY
        self._drawn = False

    def begin(self, label: str) -> None:
        """What is worked on now; its time is counted from here."""
        self._label = label
        self._started = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._shows or now < self._next:
            return
        self._next = now + PERIOD
        columns = terminal_columns() - 1
        line = progress_line(self._label, done, total, now - self._started, self._full, self._empty, columns)
        console.err_raw(f"{ERASE}{fitting(line, columns)}")
        self._drawn = True

    def clear(self) -> None:
        """Take the bar away, for a line that stays; it comes back with the next call."""
        if self._drawn:
            console.err_raw(ERASE)
            self._drawn = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()


def progress_line(
    label: str,
    done: int,
    total: int,
    seconds: float,
    full: str = "#",
    empty: str = "-",
    columns: int | None = None,
) -> str:
    """``label ####----  50 %  1.2 GB of 2.4 GB, 300.0 MB/s, 4 s left``; the bar is shorter where columns are few."""
    share = min(1.0, done / total) if total > 0 else 0.0
    text = f" {100 * share:3.0f} %  {human_bytes(done)}"
    if total > 0:
        text += f" of {human_bytes(total)}"
    if seconds > 0 and done > 0:
        text += f", {human_bytes(done / seconds)}/s"
        if done < total:
            text += f", {_duration((total - done) * seconds / done)} left"
    cells = CELLS if columns is None else max(FEWEST, min(CELLS, columns - len(label) - 1 - len(text)))
    filled = round(cells * share)
    return f"{label} {full * filled}{empty * (cells - filled)}{text}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

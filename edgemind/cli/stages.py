"""How long work of several steps is going: a bar or a line on a terminal, one JSON object a line where there is none.

Not for: what is done (``engine.production``), the result.
"""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Literal

from edgemind.cli import console
from edgemind.cli.bar import Bar
from edgemind.cli.progress import Progress

PERIOD = 1.0
"""Seconds between two lines for a program."""


class Stages:
    """Use as a context manager; ``begin`` a step, then call it with what is done and what there is in all."""

    def __init__(self) -> None:
        self._lines = not console.is_terminal(sys.stderr)
        self._bar = Bar("")
        self._line = Progress()
        self._what = ""
        self._unit: Literal["bytes", "pieces"] = "bytes"
        self._next = 0.0
        self._began = 0.0

    def begin(self, what: str, unit: Literal["bytes", "pieces"] = "bytes") -> None:
        """A new step, whose progress is counted in bytes or in pieces."""
        self._clear()
        self._what, self._unit = what, unit
        self._next, self._began = 0.0, time.monotonic()
        self._bar.begin(what)
        if self._lines:
            self._write("step")
        elif unit == "pieces":
            self._line.say(what)

    def __call__(self, done: int, total: int) -> None:
        if self._lines:
            now = time.monotonic()
            if now >= self._next or done == total:
                self._next = now + PERIOD
                self._write("progress", done=done, total=total)
        elif self._unit == "bytes":
            self._bar(done, total)
        else:
            self._line.say(f"{self._what}: {done} of {total}{self._left(done, total)}")

    def __enter__(self) -> Stages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()
        self._line.close()

    def _clear(self) -> None:
        self._bar.clear()
        self._line.clear()

    def _left(self, done: int, total: int) -> str:
        if not 0 < done < total:
            return ""
        seconds = (time.monotonic() - self._began) / done * (total - done)
        return f", {seconds:.0f} s left" if seconds < 90 else f", {seconds / 60:.0f} min left"

    def _write(self, event: str, **values: int) -> None:
        unit = {"unit": self._unit} if values else {}
        console.err(json.dumps({"event": event, "step": self._what, **values, **unit}) + "\n")

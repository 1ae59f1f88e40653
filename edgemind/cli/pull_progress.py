"""How a pull is going: a bar on a terminal, one JSON object a line where standard error is none.

Not for: what is done (``models.pull``), the result (``pull``).
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edgemind.cli import console
from edgemind.cli.bar import progress_line
from edgemind.cli.progress import ERASE, fitting, terminal_columns

if TYPE_CHECKING:
    from edgemind.models.pull_plan import Plan
    from edgemind.models.remote import RemoteFile

WINDOW = 10.0
"""Seconds over which the speed is taken."""


class Speed:
    """Bytes a second, of late."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, now: float, done: int) -> float:
        """Note that ``done`` bytes are there; the speed over the last seconds. Going back begins anew."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW:
            self._seen.popleft()
        first, before = self._seen[0]
        return (done - before) / (now - first) if now > first else 0.0


class Progress:
    """What both ways of telling share: how much of the whole pull is done. Use as a context manager."""

    period = 0.1

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._finished = 0
        self._current: RemoteFile | None = None
        self._done = 0
        self._fetched = False
        self._speed = Speed()
        self._next = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is KeyboardInterrupt and self._done and self._fetched:
            self.stopped()

    def starting(self, file: RemoteFile, number: int, count: int) -> None:
        if self._current is not None:
            self._finished += self._current.size
        self._current, self._done, self._next = file, 0, 0.0

    def present(self, file: RemoteFile) -> None:
        self._done = file.size
        self._speed = Speed()

    def advanced(self, file: RemoteFile, done: int, part: Path) -> None:
        self._fetched = True
        self._note(done, "")

    def waiting(self, file: RemoteFile, part: Path) -> None:
        try:
            done = part.stat().st_size
        except OSError:
            done = self._done
        self._note(done, "another edgemind fetches it")

    def rehashing(self, file: RemoteFile, kept: int) -> None:
        self._speed = Speed()

    def retrying(self, file: RemoteFile, why: str, seconds: float) -> None: ...
    def restarted(self, file: RemoteFile, why: str) -> None: ...
    def show(self, done: int, total: int, rate: float, remark: str) -> None: ...
    def stopped(self) -> None: ...
    def close(self) -> None: ...

    def _note(self, done: int, remark: str) -> None:
        self._done = done
        now = time.monotonic()
        last = self._current is not None and done >= self._current.size
        if now < self._next and not last:
            return
        self._next = now + self.period
        whole = self._finished + done
        self.show(whole, self._plan.choice.size, self._speed.at(now, whole), remark)


class Screen(Progress):
    """A bar that is drawn over, and sentences that stay."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._full, self._empty = "━─" if console.draws(sys.stderr, "━─") else "#-"
        self._smart = console.is_smart(sys.stderr)
        if not self._smart:
            self.period = 5.0

    def show(self, done: int, total: int, rate: float, remark: str) -> None:
        columns = terminal_columns() - 1
        room = columns + 1 - (len(remark) + 4 if remark else 0)
        line = progress_line("", done, total, done / rate if rate else 0.0, self._full, self._empty, room).strip()
        line = f"{line}  ({remark})" if remark else line
        if self._smart:
            console.err_raw(f"{ERASE}{fitting(line, columns)}")
        else:
            console.err(f"{line}\n")

    def rehashing(self, file: RemoteFile, kept: int) -> None:
        from edgemind.models.sizes import human_bytes

        super().rehashing(file, kept)
        if kept > 256 << 20:
            self._sentence(f"Reading again the {human_bytes(kept)} that are here.")

    def retrying(self, file: RemoteFile, why: str, seconds: float) -> None:
        self._sentence(f"{why.rstrip('.')}; trying again in {seconds:.0f} s.")

    def restarted(self, file: RemoteFile, why: str) -> None:
        self._sentence(f"Beginning {file.path} again: {why}.")

    def stopped(self) -> None:
        from edgemind.models.sizes import human_bytes

        kept = human_bytes(self._finished + self._done)
        console.err(f"Stopped; {kept} are kept. The same command goes on from there.\n")

    def close(self) -> None:
        if self._smart:
            console.err_raw(ERASE)

    def _sentence(self, text: str) -> None:
        self.close()
        console.err(f"{text}\n")


class Lines(Progress):
    """One JSON object a line, for a program; pure ASCII."""

    period = 1.0

    def starting(self, file: RemoteFile, number: int, count: int) -> None:
        super().starting(file, number, count)
        self._line("file", file=file.path, size=file.size, number=number, count=count)

    def present(self, file: RemoteFile) -> None:
        super().present(file)
        self._line("present", file=file.path)

    def show(self, done: int, total: int, rate: float, remark: str) -> None:
        left = (total - done) / rate if rate else None
        values: dict[str, Any] = {"done": done, "total": total, "bytes_per_second": round(rate)}
        self._line("waiting" if remark else "progress", **values, seconds_left=None if left is None else round(left, 1))

    def rehashing(self, file: RemoteFile, kept: int) -> None:
        super().rehashing(file, kept)
        self._line("resumed", file=file.path, kept=kept)

    def retrying(self, file: RemoteFile, why: str, seconds: float) -> None:
        self._line("retry", file=file.path, why=why, seconds=seconds)

    def restarted(self, file: RemoteFile, why: str) -> None:
        self._line("restart", file=file.path, why=why)

    def stopped(self) -> None:
        self._line("stopped", kept=self._finished + self._done)

    def _line(self, event: str, **values: Any) -> None:
        console.err(json.dumps({"event": event, "name": self._plan.name, **values}) + "\n")


def observer(plan: Plan) -> Progress:
    """The one for this standard error."""
    return Screen(plan) if console.is_terminal(sys.stderr) else Lines(plan)

"""A process that runs one command and ends everything that came of it, also when the program that asked for it is gone.

Run as a script: ``python -I -S supervised.py REPORT GRACE COMMAND ...``. Standard input is a pipe of which only the
asking program has the other end: once that closes, the command is told to end, and killed ``GRACE`` seconds later.
Where the system can (Linux), what loses its parent becomes a child of this process, so that nothing gets away by
leaving the group or the session. How it ended is written to the descriptor ``REPORT``: ``exit CODE`` or
``errno NUMBER``.
Not for: limits of time, output (``verifying``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

LONGEST_S = 5.0
"""Spent on killing what starts new processes all the time."""

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    report, grace, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(report, False)
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as problem:
        said = f"errno {problem.errno}"
    else:  # it keeps its name: one that is forgotten asks for the status itself
        code = _followed(process.pid, woken, grace)
        _end(process.pid)
        said = f"exit {code}"
    os.write(report, said.encode())
    os._exit(0)


def _followed(group: int, woken: int, grace: float) -> int:
    """Wait for the end of the command; its exit code, negative for a signal."""
    deadline: float | None = None
    while True:
        for pid, status in _ended():
            if pid == group:
                return os.waitstatus_to_exitcode(status)
        if deadline is None:
            ready, _, _ = select.select([0, woken], [], [])
        elif time.monotonic() < deadline:
            ready, _, _ = select.select([woken], [], [], deadline - time.monotonic())
        else:
            _kill(group, signal.SIGKILL)
            ready, _, _ = select.select([woken], [], [])
        if woken in ready:
            os.read(woken, 1 << 10)
        if 0 in ready:
            deadline = time.monotonic() + grace
            _kill(group, signal.SIGTERM)


def _ended() -> list[tuple[int, int]]:
    """Children that have ended since the last look, with their status."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(one)
    return found


def _end(group: int) -> None:
    """Kill what is left until nothing is: the children of what is killed become ours."""
    _kill(group, signal.SIGKILL)
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for pid in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _descendants(of: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, at = [of], 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found[1:]


def _kill(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    main()

"""A command on a pseudo terminal of its own, and what it takes: for the scripts that measure the chat app."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

import psutil

COLOURS = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
KEPT = 4096
"""Bytes of what was drawn last."""


class Terminal:
    """A terminal that does not echo by itself, and the command that has it.

    Args:
        size: columns and rows.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], size: tuple[int, int]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        mode = termios.tcgetattr(slave)
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        self.last = b""
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env={**environment, **COLOURS}, start_new_session=True
        )
        os.close(slave)
        self._seen = psutil.Process(self.process.pid)

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.began

    def read(self, seconds: float, *, at_once: bool = False) -> bytes:
        """What is drawn within this time; with ``at_once`` no more than comes together."""
        data = b""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0 and not (at_once and data):
            if select.select([self.master], [], [], left)[0]:
                try:
                    data += os.read(self.master, 1 << 16)
                except OSError:  # nobody has the other end any more
                    break
        self.last = (self.last + data)[-KEPT:]
        return data

    def until(self, text: str, limit: float) -> float:
        """Seconds from the start until this is among what was drawn last."""
        while text.encode() not in self.last:
            if self.over or self.age > limit:
                raise SystemExit(f"{self.process.args!r}: {text!r} was not drawn within {limit:.0f} s\n{self.last!r}")
            self.read(0.2, at_once=True)
        return self.age

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def processor(self) -> float:
        """Seconds that the process has run so far, its children left out."""
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        """Resident bytes."""
        return int(self._seen.memory_info().rss)

    def wake_ups(self) -> int:
        """How often its threads have been put to sleep so far."""
        threads = (psutil.Process(thread.id) for thread in self._seen.threads())
        return sum(thread.num_ctx_switches().voluntary for thread in threads)

    def end(self) -> None:
        """Ask it to end, and after ten seconds do not ask."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        until = time.perf_counter() + 10
        while not self.over and time.perf_counter() < until:
            self.read(0.1, at_once=True)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)

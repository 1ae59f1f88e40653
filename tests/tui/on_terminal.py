"""The installed command on a pseudo terminal of any size."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("edgemind"))
PATIENCE = 60.0
COMPOSER = "Write a message"
DROPPED = ("NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG", "HF_HUB_OFFLINE")

_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?<>=$]*[a-zA-Z]|\][^\x07]*\x07|.)")


class Terminal:
    """``edgemind`` with these arguments; everything it draws is collected."""

    def __init__(
        self, home: Path, *arguments: str, size: tuple[int, int] = (80, 24), stderr: Path | None = None, **more: str
    ) -> None:
        self.code: int | None = None
        self._seen = bytearray()
        kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
        environment = {
            **kept,
            "EDGEMIND_HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            **more,
        }
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            if stderr is not None:
                os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT), 2)
            os.execve(COMMAND, [COMMAND, *arguments], environment)

    def read(self, seconds: float = 0.2) -> None:
        """What has been drawn, and what comes within this time."""
        if self.fd < 0:
            time.sleep(min(seconds, 0.05))
            return
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                self._seen += os.read(self.fd, 65536)
            except OSError:
                time.sleep(0.02)

    @property
    def raw(self) -> str:
        return self._seen.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """Without the control sequences; in the order in which it was drawn."""
        return _SEQUENCE.sub("", self.raw)

    def until(self, wanted: str) -> None:
        end = time.monotonic() + PATIENCE
        while wanted not in self.text:
            assert time.monotonic() < end, f"{wanted!r} was not drawn:\n{self.text[-2000:]}"
            assert not self.over(), f"it ended before {wanted!r}:\n{self.text[-2000:]}"
            self.read()

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """The terminal is gone, as after its window was closed or its tmux killed."""
        os.close(self.fd)
        self.fd = -1

    def children(self) -> list[int]:
        return [int(name) for name in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def over(self) -> bool:
        """Whether the process has ended; its exit code is in ``code`` then."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        end = time.monotonic() + PATIENCE
        while not self.over():
            assert time.monotonic() < end, "it does not end"
            self.read()
        self.read(0)
        assert self.code is not None
        return self.code

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.over():
            self.signal(signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.code = -9
        if self.fd >= 0:
            os.close(self.fd)

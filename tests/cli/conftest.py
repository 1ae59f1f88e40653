"""The installed command, run for real, and terminals to run it on."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

COMMAND = str(Path(sys.executable).with_name("edgemind"))
TIMEOUT = 120.0
DROPPED = ("NO_COLOR", "FORCE_COLOR", "EDGEMIND_DEBUG", "EDGEMIND_HOME", "HF_HUB_OFFLINE")


def _mind_ctrl_c() -> None:
    """Tests that run in the background of a shell are started with SIGINT ignored, and would pass that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Ran:
    code: int
    out: str
    err: str


@dataclass
class Command:
    """``edgemind`` with folders of its own."""

    home: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
        return {**kept, "EDGEMIND_HOME": str(self.home), "TERM": "xterm-256color", **more}

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[bytes]:
        environment = options.pop("env", None) or self.environment()
        options.setdefault("preexec_fn", _mind_ctrl_c)
        return subprocess.Popen([COMMAND, *arguments], env=environment, **options)  # type: ignore[call-overload]

    def __call__(self, *arguments: str, stdin: bytes | str | None = None, **environment: str) -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [COMMAND, *arguments],
            input=data if data is not None else b"",
            capture_output=True,
            timeout=TIMEOUT,
            env=self.environment(**environment),
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def on_terminal(self, *arguments: str, **environment: str) -> Ran:
        """Standard streams on one terminal; everything that it was sent is in ``out``."""
        with Screen() as screen:
            process = self.start(
                *arguments,
                stdin=screen.slave,
                stdout=screen.slave,
                stderr=screen.slave,
                env=self.environment(**environment),
            )
            code = process.wait(TIMEOUT)
            return Ran(code, screen.text(), "")


class Screen:
    """A terminal: what is written to ``slave`` is collected."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        attributes = termios.tcgetattr(self.slave)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)
        self._seen = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self.master, 65536)
            except OSError:
                return
            self._seen += part

    def stream(self) -> TextIO:
        return open(os.dup(self.slave), "w", encoding="utf-8", buffering=1)

    def text(self) -> str:
        """Everything so far; the terminal is closed."""
        termios.tcdrain(self.slave)
        os.close(self.slave)
        self.slave = -1
        self._reader.join(5)
        return self._seen.decode("utf-8", "replace")

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        if self.slave >= 0:
            os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def edgemind(tmp_path: Path) -> Command:
    return Command(tmp_path / "home")


@pytest.fixture
def screen() -> Iterator[Screen]:
    with Screen() as opened:
        yield opened


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put other streams in the place of standard output and error."""

    def put(out: TextIO, err: TextIO, **environment: str) -> None:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": "xterm-256color", **environment}.items():
            monkeypatch.setenv(name, value)

    return put

"""The installed command in a real terminal emulator: tmux, with a server of the test's own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("edgemind"))
PATIENCE = 90.0
COMPOSER = "Write a message"
READY = "/1,024"
"""Drawn once the model has loaded."""

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Tmux:
    """``edgemind`` with these arguments, started by a shell that says how it ended."""

    def __init__(
        self, home: Path, *arguments: str, size: tuple[int, int] = (80, 24), wrapper: tuple[str, ...] = ()
    ) -> None:
        self._socket = f"edgemind-{uuid.uuid4().hex[:8]}"
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("TMUX", "NO_COLOR", "LC_ALL")},
            "EDGEMIND_HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        line = f'{shlex.join([*wrapper, COMMAND, *arguments])}; echo "ended with $?"; exec cat'
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), line,
                   environment=environment)  # fmt: skip

    def _tmux(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-L", self._socket, *arguments], capture_output=True, text=True, env=environment, timeout=60
        )
        return done.stdout

    def screen(self) -> str:
        """What the terminal shows."""
        return self._tmux("capture-pane", "-p")

    def until(self, wanted: str, *, gone: bool = False) -> str:
        """Wait until it is shown, or not any more; the screen."""
        end = time.monotonic() + PATIENCE
        while (wanted in (screen := self.screen())) == gone:
            assert time.monotonic() < end, f"{wanted!r} {'stays' if gone else 'is not shown'}:\n{screen}"
            time.sleep(0.1)
        return screen

    def type(self, text: str) -> None:
        """As if typed."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """As tmux calls them: ``Enter``, ``C-q``, ``Escape``, ``F1``."""
        self._tmux("send-keys", *keys)

    def say(self, text: str) -> None:
        """Type a message into the composer and send it."""
        self.type(text)
        self.until(text[-20:])
        self.press("Enter")

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def processes(self) -> list[int]:
        """Of the shell in the terminal and everything below it."""
        found = [int(pid) for pid in self._tmux("list-panes", "-F", "#{pane_pid}").split()]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            found += [int(child) for child in children.read_text().split()] if children.exists() else []
        return found

    def server(self) -> int:
        return int(self._tmux("display-message", "-p", "#{pid}"))

    def close(self) -> None:
        self._tmux("kill-server")

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

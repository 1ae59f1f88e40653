"""Running the user's own test command: without a network, within a time, with nothing of it left running.

The command is split as a shell would, but no shell runs it. Its process group is killed at the time limit, on a
stop and at its end. What it printed is kept as a cleaned tail, since the end of a test's output says what is wrong.
Not for: syntax (``syntax``), what a failure leads to (``session``).
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from edgemind.errors import UsageError
from edgemind.privacy import jail
from edgemind.terminal import clean, clean_line

LIMIT_S = 120.0
KEPT_BYTES = 64 << 10
GRACE_S = 2.0
"""For a test that is told to end before it is killed."""

LINGER_S = 0.5
"""How long output is still read when the command has ended but something that it started holds the pipe."""

_LOOK_S = 0.1
_SHELL_WORDS = {"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"}
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]")


@dataclass(frozen=True)
class TestCommand:
    """A command that was found, ready to run."""

    __test__ = False

    text: str
    """As the user wrote it."""
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class TestResult:
    """What came of it."""

    __test__ = False

    command: str
    code: int | None
    """The exit code, negative for a signal; ``None`` when it was killed at the limit or never started."""
    output: str
    """The end of what it printed, on both streams, cleaned."""
    seconds: float
    timed_out: bool = False
    stopped: bool = False
    """The user stopped it."""
    problem: str = ""
    """Why it could not be run, as a sentence."""

    @property
    def passed(self) -> bool:
        return self.code == 0

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.problem:
            return self.problem
        if self.stopped:
            return f"The test was stopped after {self.seconds:.1f} s."
        if self.timed_out:
            return f"The test did not end within {self.seconds:.0f} s and was killed."
        if self.passed:
            return f"The test passed in {self.seconds:.1f} s."
        assert self.code is not None
        how = f"was ended by signal {-self.code}" if self.code < 0 else f"failed with exit code {self.code}"
        return f"The test {how} after {self.seconds:.1f} s."


def test_command(text: str, folder: Path) -> TestCommand:
    """The command that a text means.

    Raises:
        UsageError: it is none, needs a shell, or its program is not there.
    """
    try:
        arguments = shlex.split(text)
    except ValueError as problem:
        raise UsageError(f"The test command cannot be read: {problem}.", "Look at its quotes.") from None
    if not arguments or "\0" in text:
        raise UsageError("The test command is empty.", "edgemind code --test 'python -m pytest -q'")
    special = next((word for word in arguments[1:] if word in _SHELL_WORDS or word.endswith(";")), None)
    if special or "=" in arguments[0]:
        raise UsageError(
            f"The test command needs a shell ({clean_line(special or arguments[0])}), and none runs it.",
            f"--test \"sh -c '{text}'\"" if not set(text) & set("'\"") else "Put it into a script: --test ./test.sh",
        )
    program = arguments[0]
    if _found(program, folder) is None:
        other = next((name for name in _OTHERWISE.get(program, ()) if shutil.which(name)), None)
        hint = f"--test {shlex.quote(shlex.join([other, *arguments[1:]]))}" if other else "Look at --test."
        raise UsageError(f"The test command's program {clean_line(program)!r} is not there.", hint)
    return TestCommand(text, tuple(arguments))


test_command.__test__ = False  # type: ignore[attr-defined]

_OTHERWISE = {"python": ("python3",), "python3": ("python",), "pytest": ("pytest-3",), "make": ("gmake",)}


def run_test(
    command: TestCommand, folder: Path, limit_s: float = LIMIT_S, stop: threading.Event | None = None
) -> TestResult:
    """Run it in ``folder`` until it ends, ``limit_s`` is over or ``stop`` is set.

    Raises:
        NotOffline: the network cannot be shut although this system could.
    """
    jail.arm("ui")
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            jail.sandbox_command(command.arguments),
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        said = f"The test could not be started: {clean_line(command.arguments[0])}: {reason}."
        return TestResult(command.text, None, "", 0.0, problem=said)
    with process:
        tail = _Tail()
        try:
            end = _follow(process, tail, started + limit_s, stop)
        finally:
            _end_group(process)
    seconds = time.monotonic() - started
    code = None if end else process.returncode
    return TestResult(command.text, code, tail.text(), seconds, end == "late", end == "stopped")


class _Tail:
    """The last bytes of a stream."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._cut = False

    def add(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > 2 * KEPT_BYTES:
            del self._data[:-KEPT_BYTES]
            self._cut = True

    def text(self) -> str:
        cut = self._cut or len(self._data) > KEPT_BYTES
        text = bytes(self._data[-KEPT_BYTES:]).decode("utf-8", "replace").replace("\r\n", "\n")
        lines = [line.rsplit("\r", 1)[-1].rstrip() for line in _ESCAPES.sub("", text).split("\n")]
        body = clean("\n".join(lines[1:] if cut else lines)).strip("\n")
        return f"[...]\n{body}" if cut else body


def _follow(process: subprocess.Popen[bytes], tail: _Tail, deadline: float, stop: threading.Event | None) -> str:
    """Read until the end; "" when it ended by itself, else why not."""
    assert process.stdout is not None
    ended_at: float | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            if stop is not None and stop.is_set():
                return "stopped"
            if ended_at is None and process.poll() is not None:
                ended_at = now
            if ended_at is not None and now - ended_at > LINGER_S:
                return ""
            if ended_at is None and now > deadline:
                return "late"
            if selector.get_map():
                for key, _ in selector.select(_LOOK_S):
                    data = os.read(key.fd, 1 << 16)
                    tail.add(data)
                    if not data:
                        selector.unregister(process.stdout)
            elif ended_at is not None:
                return ""
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_S)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Whatever the command started and left in its group ends with it."""
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _found(program: str, folder: Path) -> str | None:
    if os.sep in program:
        whole = folder / program
        return str(whole) if whole.is_file() and os.access(whole, os.X_OK) else None
    return shutil.which(program)


def _environment() -> dict[str, str]:
    """The user's own, told that nobody watches. Python writes no byte code: it tells versions of a file apart by their
    second and size, and two repairs within a second would look the same to it."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "TERM": "dumb"}

"""Running the user's own test command: without a network, within a time, with nothing of it left running.

Nothing that it started outlives its end, the time limit, a stop or this process (``supervised``). What it printed is
kept as a cleaned tail, since the end of a test's output says what is wrong.
Not for: syntax (``syntax``), what a failure leads to (``session``).
"""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.coder import supervised
from edgemind.errors import EdgemindError, UsageError
from edgemind.models.opening import typed
from edgemind.privacy import jail
from edgemind.terminal import clean, clean_line

if TYPE_CHECKING:
    from edgemind.coder.workspace import Workspace

LIMIT_S = 120.0
KEPT_BYTES = 64 << 10
GRACE_S = 2.0
"""For a test that is told to end before it is killed."""

LINGER_S = 0.5
"""How long output is still read when the command has ended but something that it started holds the pipe."""

NOT_FOUND = 127
"""A shell's exit code for a command that is not there."""

_SUPERVISED = (sys.executable, "-I", "-S", supervised.__file__)
_LOOK_S = 0.1
_FOR_A_SHELL = re.compile(r"[|&;<>()$`*?~\n]|^\s*\w+=")
"""A text without these means the same without a shell."""

_BETWEEN_WORDS = re.compile(r"[\s'\"|&;<>()`=]+")
_MODULE = re.compile(r"\w+(\.\w+)*")
_OF_TESTS = re.compile(
    r"(^|/)([Tt]ests?|__tests__|specs?)/|(^|/)(test_|conftest\.)[^/]*$"
    r"|((^|[/._-])(tests?|specs?)|[a-z\d](Tests?|Spec))\.[^/]+$"
)
"""Paths of files that look like tests, or like something that tests need."""

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]")


@dataclass(frozen=True)
class TestCommand:
    """A command that was found, ready to run."""

    __test__ = False

    text: str
    """As the user wrote it."""
    arguments: tuple[str, ...]

    def judges(self, workspace: Workspace, paths: Iterable[str]) -> set[str]:
        """Those of the paths that are files which it runs, by its words: files, patterns, modules, tests of folders."""
        named = self._named(workspace)
        return {
            path
            for path in paths
            if (workspace.root / path).is_file()
            and any(_is_named(path, name) or (_OF_TESTS.search(path) and _is_below(path, name)) for name in named)
        }

    def _named(self, workspace: Workspace) -> dict[str, None]:
        """Paths of the workspace that its words may mean, from a folder that is another of its words too (``cd``)."""
        words = [*shlex.split(self.text), *_BETWEEN_WORDS.split(self.text)]
        folders, found = {workspace.start: None}, dict[str, None]()
        for before, word in itertools.pairwise(["", *words]):
            names = {word, word.split(":")[0], word.removesuffix("...")}
            if _MODULE.fullmatch(word) and ("." in word or before == "-m" or _OF_TESTS.search(f"{word}.py")):
                parts = word.split(".")
                names |= {"/".join(parts), *(f"{'/'.join(parts[:end])}.py" for end in range(1, len(parts) + 1))}
            for folder, name in itertools.product(tuple(folders), filter(None, names)):
                with contextlib.suppress(EdgemindError):
                    whole = Path(os.path.normpath(folder / name))
                    path = "." if whole == workspace.root else workspace.relative(whole)
                    found[path] = None
                    if os.path.isdir(whole):
                        folders[whole] = None
        return found


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


def _is_named(path: str, name: str) -> bool:
    parts, wanted = path.split("/"), name.split("/")
    return path == name or (len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted)))


def _is_below(path: str, folder: str) -> bool:
    return folder == "." or path.startswith(f"{folder}/")


def test_command(text: str, folder: Path) -> TestCommand:
    """The command that a text means: run as it is, or by ``sh`` where it holds what only a shell understands.

    Raises:
        UsageError: it is none, or its program is not there.
    """
    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise UsageError(f"The test command cannot be read: {problem}.", "Look at its quotes.") from None
    if not words or "\0" in text:
        raise UsageError("The test command is empty.", "edgemind code --test 'python -m pytest -q'")
    if _FOR_A_SHELL.search(text):
        return TestCommand(text, ("sh", "-c", text))
    if _found(words[0], folder) is None:
        other = next((name for name in _OTHERWISE.get(words[0], ()) if shutil.which(name)), None)
        hint = f"--test {shlex.quote(shlex.join([other, *words[1:]]))}" if other else f"command -v {typed(words[0])}"
        raise UsageError(f"The test command's program {clean_line(words[0])!r} is not there.", hint)
    return TestCommand(text, tuple(words))


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
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb") as report:
        try:
            process = subprocess.Popen(
                [*_SUPERVISED, str(writes), str(GRACE_S), *jail.sandbox_command(command.arguments)],
                cwd=folder,
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(writes,),
            )
        except (OSError, ValueError) as problem:
            where, reason = getattr(problem, "filename", None), getattr(problem, "strerror", None)
            return _not_run(command, str(where or command.arguments[0]), str(reason or problem))
        finally:
            os.close(writes)
        with process:
            tail = _Tail()
            try:
                end = _follow(process, tail, started + limit_s, stop)
            finally:
                _end(process)
        said, _, number = report.read().decode().partition(" ")
    if said == "errno":
        return _not_run(command, command.arguments[0], os.strerror(int(number)))
    code = None if end else int(number or -signal.SIGKILL)
    seconds = time.monotonic() - started
    missing = f"The test command was not found (exit code {code})." if code == NOT_FOUND else ""
    return TestResult(command.text, code, tail.text(), seconds, end == "late", end == "stopped", missing)


def _not_run(command: TestCommand, what: str, reason: str) -> TestResult:
    said = f"The test could not be started: {clean_line(what)}: {reason}."
    return TestResult(command.text, None, "", 0.0, problem=said)


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
        text = bytes(self._data[-KEPT_BYTES:]).decode("utf-8", "replace")
        lines = [line.rstrip().rsplit("\r", 1)[-1] for line in _ESCAPES.sub("", text).split("\n")]
        body = clean("\n".join(lines[1:] if cut and len(lines) > 1 else lines)).strip("\n")
        return f"[...]\n{body}" if cut else body


def _follow(process: subprocess.Popen[bytes], tail: _Tail, deadline: float, stop: threading.Event | None) -> str:
    """Read until the end; "" when it ended by itself, else why not."""
    assert process.stdin is not None
    assert process.stdout is not None
    why = ""
    ended_at: float | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            if not why and (now > deadline or (stop is not None and stop.is_set())):
                why = "late" if now > deadline else "stopped"
                deadline = now + GRACE_S + supervised.LONGEST_S
                process.stdin.close()  # it is told to end
            if ended_at is None and process.poll() is not None:
                ended_at = now
            if (ended_at is not None and now > ended_at + LINGER_S) or (why and now > deadline):
                return why
            for key, _ in selector.select(_LOOK_S):
                data = os.read(key.fd, 1 << 16)
                tail.add(data)
                if not data:
                    return why


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whatever happened meanwhile: nothing is left of it."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(GRACE_S + supervised.LONGEST_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _found(program: str, folder: Path) -> str | None:
    if os.sep in program:
        whole = folder / program
        return str(whole) if whole.is_file() and os.access(whole, os.X_OK) else None
    return shutil.which(program)


def _environment() -> dict[str, str]:
    """The user's own, told that nobody watches. Python writes no byte code: it tells versions of a file apart by their
    second and size, and two repairs within a second would look the same to it."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "TERM": "dumb"}

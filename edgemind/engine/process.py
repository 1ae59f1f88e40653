"""The worker as an operating-system process: start it, feed it lines, read its lines, explain its death.

Not for: what the lines mean to a request (``client``), the inside of the worker (``worker``).
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from edgemind.engine import protocol
from edgemind.errors import WorkerDied
from edgemind.privacy import jail

STDERR_LINES = 40
"""How much of what a worker said last is kept to explain its death."""

GRACE = 2.0
"""Seconds a worker has to leave by itself before it is killed."""

DEATHS = {
    "SIGKILL": (
        "The engine was killed, most likely because memory ran out",
        "Try a smaller model, or a smaller --context.",
    ),
    "SIGABRT": ("llama.cpp gave up on this model", "A damaged file has to be fetched again."),
    "SIGSEGV": ("The engine crashed on this model", "A damaged file has to be fetched again."),
    "SIGBUS": (
        "The model file was cut short, or its disk went away, while it was being read",
        "Check the disk and fetch the model again.",
    ),
}
"""What a signal means here, and what to do; not every system has each of them."""


class WorkerProcess:
    """A running worker. ``on_reply`` and ``on_death`` are called on the thread that reads it.

    Args:
        on_reply: told of every reply with the id of its request.
        on_death: told once, after the last reply, unless ``close`` ended the process.
        descriptors: of open files that the worker gets under the same numbers.
    """

    def __init__(
        self,
        on_reply: Callable[[WorkerProcess, int, protocol.Reply], None],
        on_death: Callable[[WorkerProcess, WorkerDied], None],
        descriptors: Sequence[int] = (),
    ) -> None:
        self._on_reply = on_reply
        self._on_death = on_death
        self._closing = False
        self._write_lock = threading.Lock()
        self._complaints: deque[str] = deque(maxlen=STDERR_LINES)
        argv = jail.sandbox_command([sys.executable, "-u", "-m", "edgemind.engine.worker"])
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=jail.scrubbed_environment(),
                cwd=sys.prefix,
                start_new_session=True,
                pass_fds=tuple(descriptors),
            )
        except OSError as problem:
            raise WorkerDied(
                f"The engine cannot be started: {problem.strerror or problem}.", "Close other programs, then try again."
            ) from problem
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, command: protocol.Command) -> None:
        """Write one command; a worker that is gone is reported by its reader, not here."""
        self.write(protocol.dump(command))

    def write(self, line: bytes) -> None:
        """Write one line."""
        assert self._process.stdin is not None
        with self._write_lock, contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def close(self) -> None:
        """End the worker: closing its input asks it to leave; then it is killed. No report of death follows."""
        self._closing = True
        if self._write_lock.acquire(timeout=GRACE):
            with contextlib.suppress(OSError):
                if self._process.stdin:
                    self._process.stdin.close()
            self._write_lock.release()
        else:  # another thread is stuck in a write to a worker that does not read
            self._process.kill()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.join()

    def join(self) -> None:
        """Wait until the last words of a worker that has ended are delivered."""
        for thread in (self._reader, self._listener):
            if thread is not threading.current_thread():
                thread.join(GRACE)

    def _read(self) -> None:
        assert self._process.stdout is not None
        broken = ""
        with self._process.stdout as stream:
            while line := stream.readline(protocol.MAX_LINE):
                try:
                    envelope = protocol.Envelope.model_validate_json(line)
                    self._on_reply(self, envelope.id, envelope.event)
                except Exception as problem:
                    why = problem.errors()[0]["msg"] if isinstance(problem, ValidationError) else repr(problem)
                    broken = f"The engine wrote a line that cannot be used: {why}."
                    self._process.kill()
                    break
        code = self._process.wait()
        self._listener.join(GRACE)
        if not self._closing:
            self._on_death(self, self._explain(code, broken))

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._complaints.append(line.decode("utf-8", "replace").rstrip())

    def _explain(self, code: int, broken: str) -> WorkerDied:
        last = next((line for line in reversed(self._complaints) if line.strip()), "")
        because = f" ({last[:300]})" if last else ""
        if broken:
            return WorkerDied(broken, "Run the command again.")
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            message, hint = DEATHS.get(name, (f"The engine was ended by signal {name}", "Run the command again."))
            return WorkerDied(f"{message}{because}.", hint)
        return WorkerDied(f"The engine stopped with exit code {code}{because}.", "Run the command again.")

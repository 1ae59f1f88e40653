"""The parent's side of the engine: starts the jailed worker, sends requests, hands out its events.

One ``Engine`` is one model in one child process. A worker that dies is an event, not an exception: what was
streamed stays, and the next request starts a new worker.
Not for: llama.cpp (the worker's), conversations (``chat``), drawing (the faces).
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from edgemind.engine import protocol
from edgemind.engine.events import (
    Done,
    Event,
    Failed,
    GenerateRequest,
    Loaded,
    Loading,
    LoadOptions,
    Message,
    ModelInfo,
)
from edgemind.engine.process import WorkerProcess
from edgemind.errors import EdgemindError, WorkerDied, all_kinds

Word = TypeVar("Word", bound=protocol.Word)


def _absolute(options: LoadOptions) -> LoadOptions:
    """The worker has a folder of its own: paths that are relative to ours are made absolute."""
    adapters = tuple((os.path.abspath(path), scale) for path, scale in options.adapters)
    absolute = {"path": os.path.abspath(options.path), "parts": tuple(map(os.path.abspath, options.parts))}
    return options.model_copy(update={**absolute, "adapters": adapters})


def error_from(failed: Failed) -> EdgemindError:
    """The exception that a ``Failed`` event stands for."""
    return all_kinds().get(failed.kind, EdgemindError)(failed.message, failed.hint)


class _Loading:
    """The one result of one loading, for any number of threads that wait for it."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._result: ModelInfo | EdgemindError | None = None

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def end(self, result: ModelInfo | EdgemindError) -> None:
        """Only the first result counts."""
        if not self._over.is_set():
            self._result = result
            self._over.set()

    def wait(self) -> ModelInfo:
        self._over.wait()
        assert self._result is not None
        if isinstance(self._result, EdgemindError):
            raise self._result
        return self._result


class Generation:
    """The events of one request, in order; the last is ``Done`` or ``Failed``."""

    def __init__(self, engine: Engine, request_id: int, inbox: queue.SimpleQueue[protocol.Reply]) -> None:
        self.id = request_id
        self._engine = engine
        self._inbox = inbox
        self._ended = False

    def __iter__(self) -> Iterator[Event]:
        while not self._ended:
            event = self._inbox.get()
            if isinstance(event, protocol.Word | protocol.Making):
                continue
            self._ended = isinstance(event, Done | Failed)
            yield event

    def cancel(self) -> None:
        """Stop within one token; the events still end with ``Done``. Safe from any thread, any number of times."""
        self._engine.send(protocol.Cancel(id=self.id))

    def abandon(self) -> None:
        """As ``cancel``, and the events end here and now, whatever the worker is doing (loading a model, say)."""
        self.cancel()
        self._inbox.put(Done(stop_reason="cancelled"))

    def answer_now(self) -> None:
        """Close the thought and let the model answer."""
        self._engine.send(protocol.AnswerNow(id=self.id))

    def __enter__(self) -> Generation:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ended:
            self.cancel()


class Engine:
    """One model in one worker process. Methods may be called from any thread.

    Args:
        options: which model, and how to open it.
        on_event: also told of every event about loading (``Loading``, ``Loaded``, ``Failed``), on the thread
            that reads the worker.
        descriptors: of open files that the worker gets too, for a model at ``/proc/self/fd``.
    """

    def __init__(
        self,
        options: LoadOptions,
        *,
        on_event: Callable[[Event], None] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.options = _absolute(options)
        self.info: ModelInfo | None = None
        self._on_event = on_event
        self._descriptors = tuple(descriptors)
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._worker: WorkerProcess | None = None
        self._retired = False
        self._inboxes: dict[int, queue.SimpleQueue[protocol.Reply]] = {}
        self._loading = _Loading()

    @property
    def pid(self) -> int | None:
        """The worker's process id while it lives."""
        worker = self._worker
        return worker.pid if worker and worker.alive else None

    def start(self) -> None:
        """Start the worker and return at once; the model loads behind it. Does nothing when it runs already."""
        worker = self._worker
        if worker and not worker.alive:
            worker.join()
        with self._lock:
            if self._worker:
                return
            if self._retired:
                raise WorkerDied("The engine was closed.", "Send it again.")
            self.info = None
            self._loading = _Loading()
            self._worker = WorkerProcess(self._receive, self._died, self._descriptors)
            self._worker.send(protocol.Load(options=self.options))

    def wait_loaded(self) -> ModelInfo:
        """Wait until the model is loaded; starts the worker if nothing has been started yet.

        Raises:
            EdgemindError: of the kind that says why it could not be loaded.
        """
        with self._lock:
            if self._worker is None and not self._loading.over:
                self.start()
            loading = self._loading
        return loading.wait()

    def generate(self, request: GenerateRequest) -> Generation:
        """Ask for an answer. A worker that has died is started again."""
        self.start()
        return Generation(self, *self._request(lambda number: protocol.Generate(id=number, request=request)))

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens that this conversation takes in the model's template.

        Raises:
            EdgemindError: the template cannot render it, or the worker died.
        """
        return self.ask(lambda number: protocol.Count(id=number, messages=tuple(messages)), protocol.Counted).tokens

    def ask(self, command: Callable[[int], protocol.Command], kind: type[Word]) -> Word:
        """Send the command with a number of its own and wait for its one reply.

        Raises:
            EdgemindError: what the worker says is wrong with it, or the worker died.
        """
        self.start()
        _, inbox = self._request(command)
        return _last_word(inbox, kind)

    def send(self, command: protocol.Command) -> None:
        """Write one command; a worker that has just died is noticed by its reader."""
        worker = self._worker
        if worker:
            worker.send(command)

    def close(self) -> None:
        """End the worker: politely, then for good. What still waits for it is told. Safe to call twice."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker:
            worker.close()
            self._abandon(WorkerDied("The engine was closed.", "Start it again."))

    def retire(self) -> None:
        """Close for good: a request that comes late starts no worker any more, it fails."""
        with self._lock:
            self._retired = True
        self.close()

    def __enter__(self) -> Engine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, command: Callable[[int], protocol.Command]) -> tuple[int, queue.SimpleQueue[protocol.Reply]]:
        inbox: queue.SimpleQueue[protocol.Reply] = queue.SimpleQueue()
        number = next(self._ids)
        line = protocol.dump(command(number))
        with self._lock:
            worker = self._worker
            if worker:
                self._inboxes[number] = inbox
        if worker:
            worker.write(line)
        else:
            inbox.put(Failed(kind=WorkerDied.kind, message="The engine stopped.", hint="Run the command again."))
        return number, inbox

    def _receive(self, worker: WorkerProcess, number: int, reply: protocol.Reply) -> None:
        with self._lock:
            if worker is not self._worker:
                return
            if number == protocol.LOAD_ID:
                inboxes = list(self._inboxes.values())
                self._note_load(reply)
            else:
                inboxes = [self._inboxes[number]] if number in self._inboxes else []
                if isinstance(reply, protocol.LAST_WORDS):
                    self._inboxes.pop(number, None)
        for inbox in inboxes:
            inbox.put(reply)
        if number == protocol.LOAD_ID:
            if isinstance(reply, Failed):
                worker.close()
            if isinstance(reply, Loading | Loaded | Failed):
                self._tell(reply)

    def _note_load(self, reply: protocol.Reply) -> None:
        if isinstance(reply, Loaded):
            self.info = reply.info
            self._loading.end(reply.info)
        elif isinstance(reply, Failed):
            self._loading.end(error_from(reply))
            self._inboxes.clear()
            self._worker = None

    def _died(self, worker: WorkerProcess, problem: WorkerDied) -> None:
        with self._lock:
            if worker is not self._worker:
                return
            self._worker = None
        self._tell(self._abandon(problem))

    def _abandon(self, problem: WorkerDied) -> Failed:
        """Tell every request that waits, and whoever waits for the model, that the worker is gone."""
        failed = Failed(kind=problem.kind, message=problem.message, hint=problem.hint)
        with self._lock:
            orphans, self._inboxes = self._inboxes, {}
            self._loading.end(problem)
        for inbox in orphans.values():
            inbox.put(failed)
        return failed

    def _tell(self, event: Loading | Loaded | Failed) -> None:
        """An error of the listener's is the listener's: it must not end the thread that reads the worker."""
        if self._on_event:
            try:
                self._on_event(event)
            except Exception as problem:
                warnings.warn(f"on_event failed: {problem!r}", RuntimeWarning, stacklevel=2)


def probe_build() -> protocol.Build:
    """What llama.cpp was built with and which devices it sees, asked of a worker that loads no model.

    Raises:
        EdgemindError: the worker could not start or died.
    """
    inbox: queue.SimpleQueue[protocol.Reply] = queue.SimpleQueue()

    def died(_: WorkerProcess, problem: WorkerDied) -> None:
        inbox.put(Failed(kind=problem.kind, message=problem.message, hint=problem.hint))

    worker = WorkerProcess(lambda _, __, reply: inbox.put(reply), died)
    try:
        worker.send(protocol.Probe(id=1))
        return _last_word(inbox, protocol.Build)
    finally:
        worker.close()


def _last_word(inbox: queue.SimpleQueue[protocol.Reply], kind: type[Word]) -> Word:
    while True:
        reply = inbox.get()
        if isinstance(reply, Failed):
            raise error_from(reply)
        if isinstance(reply, kind):
            return reply

"""Completions for an editor that stays connected: which request is served, which ones are stale, how each is answered.

There is one cursor, so of several requests the newest counts: the older ones are answered as cancelled, at once. A
request waits a moment before the model is asked, in case another key is pressed meanwhile.
Every request is answered exactly once. The protocol is described in ``docs/completion.md``.
Not for: bytes (``rpc``), the completion itself (``completing``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgemind import __version__
from edgemind.coder import rpc
from edgemind.coder.completing import Completing, Gap, cannot
from edgemind.coder.completion_text import Lines
from edgemind.coder.private_names import secret_name
from edgemind.coder.rpc import Connection, Request, RpcError
from edgemind.engine.client import Engine
from edgemind.engine.events import ModelInfo
from edgemind.errors import BadInput, EdgemindError
from edgemind.terminal import clean_line

PROTOCOL = 1
"""Changes when a client would have to."""

DEBOUNCE_MS = 75
LAST_SECONDS = 2.0


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Initialize(_Params):
    debounce_ms: int = Field(default=DEBOUNCE_MS, ge=0, le=5000)


class _Complete(_Params):
    prefix: str
    suffix: str = ""
    path: str | None = None
    lines: Lines = "block"
    max_tokens: int | None = Field(default=None, ge=1, le=4096)


class _Cancel(_Params):
    id: int | str


class _Shutdown(_Params):
    pass


Given = TypeVar("Given", bound=_Params)


@dataclass(frozen=True)
class _Job:
    id: rpc.Id
    completing: Completing
    due: float


class CompletionServer:
    """One connection and one engine. ``serve`` is the thread that reads; another one asks the engine.

    Args:
        model: its name, for messages.
        command: what a person types to complete with another model, up to its name.
    """

    def __init__(self, connection: Connection, engine: Engine, model: str, command: str) -> None:
        self._connection = connection
        self._engine = engine
        self._model = model
        self._command = command
        self._debounce = DEBOUNCE_MS / 1000
        self._changed = threading.Condition()
        self._jobs: dict[rpc.Id, _Job] = {}
        """Not answered yet; the last one is the one that counts."""
        self._next: _Job | None = None
        self._over = False
        self._methods: dict[str, Callable[[Request], None]] = {
            "initialize": self._initialize,
            "complete": self._complete,
            "cancel": self._cancel,
            "shutdown": self._shutdown,
        }

    def serve(self) -> None:
        """Until the input ends, ``shutdown`` is asked for, or a message cannot be told from the next."""
        worker = threading.Thread(target=self._work, daemon=True)
        worker.start()
        try:
            while not self._over and not self._connection.closed:
                try:
                    request = self._connection.read()
                    if request is None:
                        break
                    self._obey(request)
                except RpcError as problem:
                    self._connection.error(problem)
                    if isinstance(problem, rpc.BrokenFrame):
                        break
        finally:
            self._end()
            worker.join(LAST_SECONDS)

    def _obey(self, request: Request) -> None:
        method = self._methods.get(request.method)
        try:
            if method is None:
                raise RpcError(rpc.METHOD_NOT_FOUND, f"There is no method {request.method[:40]!r}.")
            method(request)
        except RpcError as problem:
            if not request.notification:
                self._connection.error(problem, request.id)

    def _initialize(self, request: Request) -> None:
        """The answer waits for the model; what comes meanwhile is read."""
        self._debounce = _given(_Initialize, request).debounce_ms / 1000
        if not request.notification:
            threading.Thread(target=self._introduce, args=(request.id,), daemon=True).start()

    def _introduce(self, request_id: rpc.Id) -> None:
        try:
            info = self._loaded()
        except RpcError as problem:
            self._connection.error(problem, request_id)
            return
        about = {"name": "edgemind", "version": __version__, "protocol": PROTOCOL, "model": self._model}
        self._connection.result(request_id, {**about, "context": info.context_limit, "offline": info.offline})

    def _complete(self, request: Request) -> None:
        given = _given(_Complete, request)
        if request.notification:
            return
        if given.path and secret_name(given.path):
            raise _told(_private(given.path))
        texts = (given.prefix.replace("\r\n", "\n"), given.suffix.replace("\r\n", "\n"))
        gap = Gap(*texts, given.path, given.lines, given.max_tokens)
        with self._changed:
            if request.id in self._jobs:
                raise RpcError(rpc.INVALID_REQUEST, "A request with this id is not answered yet.")
            stale = list(self._jobs)
            job = _Job(request.id, Completing(self._engine, gap), time.monotonic() + self._debounce)
            self._jobs[request.id] = self._next = job
            self._changed.notify_all()
        for older in stale:
            self._give_up(older, "A newer request took its place.")

    def _cancel(self, request: Request) -> None:
        self._give_up(_given(_Cancel, request).id, "It was cancelled.")
        if not request.notification:
            self._connection.result(request.id, None)

    def _shutdown(self, request: Request) -> None:
        _given(_Shutdown, request)
        self._end()
        if not request.notification:
            self._connection.result(request.id, None)

    def _end(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
            left = list(self._jobs)
        for request_id in left:
            self._give_up(request_id, "The connection ends.")

    def _give_up(self, request_id: rpc.Id, why: str) -> None:
        job = self._taken(request_id)
        if job:
            job.completing.cancel()
            self._connection.error(RpcError(rpc.CANCELLED, why), request_id)

    def _taken(self, request_id: rpc.Id) -> _Job | None:
        """Whoever takes a job answers it."""
        with self._changed:
            job = self._jobs.pop(request_id, None)
            if job is self._next:
                self._next = None
            return job

    def _work(self) -> None:
        while job := self._due():
            try:
                self._loaded()
                value = asdict(job.completing.run())
                problem = None
            except RpcError as refused:
                problem = refused
            except EdgemindError as failed:
                problem = _told(failed)
            except Exception as bug:
                problem = RpcError(rpc.INTERNAL_ERROR, f"Something went wrong that should not have: {bug!r}")
            if self._taken(job.id) is None:
                continue
            if problem:
                self._connection.error(problem, job.id)
            else:
                self._connection.result(job.id, value)

    def _due(self) -> _Job | None:
        """The newest job, when its moment has come; ``None`` when all is over."""
        with self._changed:
            while not self._over:
                job = self._next
                wait = job.due - time.monotonic() if job else None
                if job and wait is not None and wait <= 0:
                    self._next = None
                    return job
                self._changed.wait(wait)
        return None

    def _loaded(self) -> ModelInfo:
        try:
            info = self._engine.wait_loaded()
            if not info.fim:
                raise cannot(self._model, self._command)
        except EdgemindError as problem:
            raise _told(problem) from problem
        return info


def _private(path: str) -> BadInput:
    return BadInput(
        f"{clean_line(path)} usually holds keys or passwords, so it is not completed while you type.",
        "From the shell it is: edgemind complete FILE:LINE",
    )


def _told(problem: EdgemindError) -> RpcError:
    return RpcError(rpc.ENGINE_ERROR, problem.message, {"kind": problem.kind, "hint": problem.hint})


def _given(kind: type[Given], request: Request) -> Given:
    try:
        return kind.model_validate(request.params)
    except ValidationError as problem:
        first: Any = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RpcError(rpc.INVALID_PARAMS, f"{where[:40]}: {first['msg']}.") from problem

"""The one engine that the chat talks to: loading, switching, unloading, and what a status line wants to know.

Not for: conversations (``session``), the worker itself (``engine``), which models there are (``installed``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from edgemind.errors import EdgemindError, WorkerDied

if TYPE_CHECKING:
    from edgemind.chat.installed import InstalledModel
    from edgemind.engine.client import Engine, Generation
    from edgemind.engine.events import Event, GenerateRequest, ModelInfo, ThinkingPolicy
    from edgemind.models.names import ModelFile
    from edgemind.settings import Settings

EngineState = Literal["none", "loading", "ready", "failed"]

SEQUENCES = 3
"""Of the worker: one for the chat, and two that titles and a second chat take turns in, so that neither costs the
chat its own."""


class Engines:
    """At most one model at a time. Every method is safe from any thread and returns at once, unless it says otherwise.

    Args:
        settings: read from the settings file when not given.
        on_change: called, on any thread, after state, model or loading fraction changed.
    """

    def __init__(self, settings: Settings | None = None, *, on_change: Callable[[], None] | None = None) -> None:
        self.on_change = on_change
        self._settings = settings
        self._listeners: list[Callable[[], None]] = []
        self._changing = threading.Lock()
        """Held by the one thread that ends a worker or starts the next."""
        self._known = threading.Condition()
        self._turn = 0
        """Counts what was asked for; only the latest counts."""
        self._wanted: str | None = None
        self._model: ModelFile | None = None
        self._thinking: ThinkingPolicy = "auto"
        self._engine: Engine | None = None
        self._resolving = False
        self._state: EngineState = "none"
        self._fraction = 0.0
        self._problem: EdgemindError | None = None
        self._closed = False
        self._users = 0
        """Requests that a user waits for."""
        self._pastime: Generation | None = None

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """As ``on_change``, for one more listener; returns what ends it."""
        self._listeners.append(listener)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return end

    def load(self, name: str | None = None) -> None:
        """End the worker that runs, if one does, and load another model behind the caller's back.

        Args:
            name: an installed name or a path; ``None`` is the default model. What goes wrong is in ``problem``.
        """
        with self._known:
            if self._closed:
                return
            self._turn += 1
            self._wanted, self._model, self._resolving = name, None, True
            self._state, self._fraction, self._problem = "loading", 0.0, None
            turn = self._turn
        threading.Thread(target=self._switch, args=(turn, name), name="load", daemon=True).start()
        self._tell()

    def unload(self) -> None:
        """End the worker. The next request loads the same model again."""
        with self._known:
            self._turn += 1
            self._state, self._fraction, self._problem, self._resolving = "none", 0.0, None, False
            engine, self._engine = self._engine, None
            self._known.notify_all()
        if engine:
            threading.Thread(target=engine.retire, name="unload", daemon=True).start()
        self._tell()

    def close(self) -> None:
        """End the worker for good (before a lock, at the end); waits until it is gone, a few seconds at most."""
        with self._known:
            self._closed = True
            self._turn += 1
            self._state, self._resolving = "none", False
            engine, self._engine = self._engine, None
            self._known.notify_all()
        if engine:
            engine.retire()
        with self._changing:  # a loading that was under way has seen by now that nobody wants it
            pass

    def kill(self) -> None:
        """End the worker now, without asking it (panic)."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)

    @property
    def state(self) -> EngineState:
        return self._state

    @property
    def loading_fraction(self) -> float:
        """0 to 1."""
        return self._fraction

    @property
    def problem(self) -> EdgemindError | None:
        """Why the state is ``failed``."""
        return self._problem

    @property
    def info(self) -> ModelInfo | None:
        """What the worker says about its model, while one is loaded. ``info.offline`` is ``kernel|sandbox|none``."""
        engine = self._engine
        return engine.info if engine and self._state == "ready" else None

    @property
    def model(self) -> ModelFile | None:
        """The model that is loaded or being loaded."""
        return self._model

    @property
    def name(self) -> str | None:
        """Its short name, or what was asked for as long as that is not known."""
        model = self._model
        return model.name if model else self._wanted

    @property
    def wanted(self) -> str | None:
        """What was asked for; ``None`` is the default model."""
        return self._wanted

    def has(self, name: str) -> bool:
        """Whether this is the model that is loaded or being loaded, by its name or by what was asked for."""
        return name in (self.name, self._wanted)

    @property
    def thinking(self) -> ThinkingPolicy:
        """Whether this model reasons first when a chat does not say; from settings and catalog."""
        return self._thinking

    @property
    def settings(self) -> Settings:
        """Raises BadConfig."""
        if self._settings is None:
            from edgemind.settings import load_settings

            self._settings = load_settings()
        return self._settings

    @property
    def pid(self) -> int | None:
        """Of the worker while it lives."""
        engine = self._engine
        return engine.pid if engine else None

    def memory(self) -> int:
        """Resident bytes of the worker; 0 when there is none."""
        pid = self.pid
        if pid is None:
            return 0
        import psutil

        with contextlib.suppress(psutil.Error, OSError):
            return int(psutil.Process(pid).memory_info().rss)
        return 0

    def engine(self, unless: Callable[[], bool] = bool) -> Engine:
        """The engine to ask; waits until it is known which model that is, not until it has loaded.

        Args:
            unless: when it says yes there is no need any more; looked at again after ``wake``.

        Raises:
            EdgemindError: why there is none.
        """
        with self._known:
            if self._closed:
                raise WorkerDied("The chat was closed.", "Start it again: edgemind")
            wanted, idle = self._wanted, not self._engine and not self._resolving
        if idle:
            self.load(wanted)
        with self._known:
            self._known.wait_for(lambda: not self._resolving or self._closed or unless())
            if self._engine is None:
                raise self._problem or WorkerDied("The model was unloaded.", "Send the message again.")
            return self._engine

    def wake(self) -> None:
        """Whoever waits in ``engine`` looks again whether there is need."""
        with self._known:
            self._known.notify_all()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """While a user waits for something: what was done for want of anything better ends at once."""
        with self._known:
            self._users += 1
            pastime = self._pastime
        if pastime:
            pastime.abandon()
        try:
            yield
        finally:
            with self._known:
                self._users -= 1

    def in_idleness(self, request: GenerateRequest) -> list[Event] | None:
        """Ask for something that nobody waits for; blocks until it is there.

        Returns:
            ``None`` when no model is ready or a user waits for it, before or meanwhile. No worker is started for it.
        """
        with self._known:
            engine = self._engine
            if not engine or self._state != "ready" or self._users or self._pastime or self._closed:
                return None
            pid = engine.pid
            if pid is None:
                return None
            self._pastime = generation = engine.generate(request)
        try:
            events = list(generation)
        finally:
            with self._known:
                self._pastime = None
        return None if self._users else events

    def count(self, text: str) -> int | None:
        """Tokens of a text (blocks for the worker's answer); ``None`` while no model is ready."""
        from edgemind.engine import protocol

        engine = self._engine
        if engine is None or self._state != "ready":
            return None
        try:
            answer = engine.ask(
                lambda number: protocol.Tokenize(id=number, texts=(text,), parse_special=False), protocol.Tokenized
            )
        except EdgemindError:
            return None
        return len(answer.tokens[0])

    def installed(self) -> list[InstalledModel]:
        """What could be loaded; reads the store and headers, so call it in a thread.

        Raises:
            StoreProblem, BadConfig: the store or the settings cannot be read.
        """
        from edgemind.chat.installed import installed

        return installed(self.settings)

    def _switch(self, turn: int, name: str | None) -> None:
        """On a thread of its own: the old worker ends before the next starts, since two may not fit into memory."""
        with self._changing:
            old = self._take_engine(turn)
            if old:
                old.retire()
            try:
                self._open(turn, name)
            except EdgemindError as problem:
                self._fail(turn, problem)
            except Exception as problem:  # whoever waits in ``engine`` would wait for ever
                name = type(problem).__name__
                said = f"Something went wrong inside EdgeMind while the model was opened ({name})."
                self._fail(turn, EdgemindError(said, "Choose another model, or try again."))

    def _take_engine(self, turn: int) -> Engine | None:
        with self._known:
            if turn != self._turn:
                return None
            engine, self._engine = self._engine, None
            return engine

    def _open(self, turn: int, name: str | None) -> None:
        from edgemind.engine import defaults
        from edgemind.engine.client import Engine
        from edgemind.models import names

        if turn != self._turn:
            return
        model = names.resolve(name)
        options = defaults.load_options(model, self.settings, sequences=SEQUENCES)
        thinking = defaults.thinking(model, self.settings)
        engine = Engine(options, on_event=lambda event: self._note(turn, event))
        with self._known:
            if turn != self._turn:
                return
            self._model, self._engine, self._thinking, self._resolving = model, engine, thinking, False
            self._known.notify_all()
        try:
            engine.start()
        finally:
            with self._known:
                unwanted = engine is not self._engine
            if unwanted:
                engine.retire()

    def _note(self, turn: int, event: Event) -> None:
        """The worker says something about loading, or has died; a request may have started it again."""
        from edgemind.engine.client import error_from
        from edgemind.engine.events import Failed, Loaded, Loading

        if turn != self._turn:
            return
        if isinstance(event, Failed):
            self._fail(turn, error_from(event))
            return
        with self._known:
            if isinstance(event, Loading):
                self._state, self._fraction, self._problem = "loading", max(event.fraction, 0.0), None
            elif isinstance(event, Loaded):
                self._state, self._fraction, self._problem = "ready", 1.0, None
        self._tell()

    def _fail(self, turn: int, problem: EdgemindError) -> None:
        with self._known:
            if turn != self._turn:
                return
            self._state, self._problem, self._resolving = "failed", problem, False
            self._known.notify_all()
        self._tell()

    def _tell(self) -> None:
        for listener in (self.on_change, *self._listeners):
            if listener:
                listener()

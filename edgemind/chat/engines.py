"""The one engine that the chat talks to: loading, switching, unloading, and what a status line wants to know.

Not for: conversations (``session``), the worker itself (``engine``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edgemind.engine.client import Engine
    from edgemind.engine.events import ModelInfo
    from edgemind.errors import EdgemindError
    from edgemind.models.names import ModelFile
    from edgemind.settings import Settings

EngineState = Literal["none", "loading", "ready", "failed"]


@dataclass(frozen=True)
class InstalledModel:
    """A row of the models screen."""

    name: str
    size_bytes: int
    parameters: int
    """0 when unknown."""
    context: int
    """Tokens it was trained for; 0 when unknown."""
    quantization: str
    kind: str
    """``gguf`` for what can chat; anything else cannot be loaded here."""
    fits: bool | None
    """Whether it fits the memory that is free now; ``None``: unknown."""
    needs_bytes: int | None
    """Memory it takes with a context of a few thousand tokens."""
    trouble: str = ""
    """Why it cannot be used."""


class Engines:
    """At most one model at a time. Every method is safe from any thread and returns at once, unless it says otherwise.

    Args:
        settings: read from the settings file when not given.
        on_change: called, on any thread, after state, model or loading fraction changed.
    """

    def __init__(self, settings: Settings | None = None, *, on_change: Callable[[], None] | None = None) -> None:
        self.on_change = on_change

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """As ``on_change``, for one more listener; returns what ends it."""
        raise NotImplementedError

    def load(self, name: str | None = None) -> None:
        """End the worker that runs, if one does, and load another model behind the caller's back.

        Args:
            name: an installed name or a path; ``None`` is the default model. What goes wrong is in ``problem``.
        """

    def unload(self) -> None:
        """End the worker. The next request loads the same model again."""

    def close(self) -> None:
        """End the worker for good (before a lock, at the end); waits until it is gone, 2 seconds at most."""

    def kill(self) -> None:
        """End the worker now, without asking it (panic)."""

    @property
    def state(self) -> EngineState:
        raise NotImplementedError

    @property
    def loading_fraction(self) -> float:
        """0 to 1."""
        raise NotImplementedError

    @property
    def problem(self) -> EdgemindError | None:
        """Why the state is ``failed``."""
        raise NotImplementedError

    @property
    def info(self) -> ModelInfo | None:
        """What the worker says about its model, while one is loaded. ``info.offline`` is ``kernel|sandbox|none``."""
        raise NotImplementedError

    @property
    def model(self) -> ModelFile | None:
        """The model that is loaded or being loaded."""
        raise NotImplementedError

    @property
    def name(self) -> str | None:
        """Its short name, or what was asked for as long as that is not known."""
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        """Of the worker while it lives."""
        raise NotImplementedError

    def memory(self) -> int:
        """Resident bytes of the worker; 0 when there is none."""
        raise NotImplementedError

    def engine(self) -> Engine:
        """The engine to ask; waits until it is known which model that is, not until it has loaded.

        Raises:
            EdgemindError: why there is none.
        """
        raise NotImplementedError

    def count(self, text: str) -> int | None:
        """Tokens of a text (blocks for the worker's answer); ``None`` while no model is ready."""
        raise NotImplementedError

    def installed(self) -> list[InstalledModel]:
        """What could be loaded; reads the store and headers, so call it in a thread."""
        raise NotImplementedError

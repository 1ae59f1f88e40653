"""What a context for a task is made of.

Not for: making one (``context``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgemind.coder.types import EditState
from edgemind.engine.events import Message

Style = Literal["bare", "edits"]
"""``bare``: the task as it is, for models with a small context: one whole file in a code block. ``edits``: with
instructions, numbered lines, and edits under a grammar."""

PartKind = Literal["instructions", "task", "file", "excerpt", "map", "result"]


@dataclass(frozen=True)
class Part:
    """Something that went into the prompt, or was left out of it."""

    kind: PartKind
    tokens: int
    used: bool
    path: str = ""
    first: int = 0
    last: int = 0
    """Lines from 1, both inclusive; 0 where it has no lines."""
    note: str = ""
    """Why it was left out, or only in part."""


@dataclass(frozen=True)
class Hidden:
    """Invisible or control characters in a line that was shown; the model did not see them."""

    path: str
    line: int
    what: tuple[str, ...]


@dataclass(frozen=True)
class Attempt:
    """An earlier round of the same task: what the model answered, and what came of it (the tail of a failed test)."""

    answer: str
    result: str


@dataclass(frozen=True)
class Context:
    """The prompt, and what it is made of."""

    messages: tuple[Message, ...]
    state: EditState
    style: Style
    parts: tuple[Part, ...]
    tokens: int
    """Of the whole prompt in the model's template."""
    limit: int
    """Of the model's context; what is left of it is room for thought and answer."""
    hidden: tuple[Hidden, ...] = ()
    shown: tuple[tuple[str, int, int], ...] = ()
    """Path, first and last line of everything that was shown of files, the lines of the map included."""
    notes: tuple[str, ...] = ()
    """What was not looked at, as sentences."""

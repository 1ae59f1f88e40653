"""What a conversation is made of: chats, their messages as a tree, personas, and the rows that lists show.

Everything is frozen; a change is a new value (``dataclasses.replace``) that is given to the history.
Not for: keeping them (``history``), talking to a model (``session``), how they look.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edgemind.chat.attachments.types import AttachmentInfo, Passage
from edgemind.engine.events import ContextTrimmed, Sampling, Stats, Step, ThinkingPolicy, TokenConfidence

Role = Literal["user", "assistant", "note"]
State = Literal["writing", "done", "stopped", "cut", "failed", "interrupted"]
"""``cut``: the context or the limit of tokens ended it. ``interrupted``: it was still being written when the process
that wrote it ended."""


class Parameters(BaseModel):
    """How a chat's answers are made. ``None`` leaves it to the model and the engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    thinking: ThinkingPolicy = "auto"
    thinking_budget: int | None = Field(default=None, ge=0)
    """Tokens of thought."""
    max_tokens: int | None = Field(default=None, ge=1)
    sampling: Sampling = Sampling()
    confidence: bool = False


@dataclass(frozen=True)
class Chat:
    """One conversation, without its messages. Times are seconds since the epoch."""

    id: str
    title: str
    titled: bool
    """The title was given by the user or the model; otherwise it is the first words of the chat."""
    created: float
    updated: float
    pinned: bool = False
    folder: str = ""
    tags: tuple[str, ...] = ()
    persona: str | None = None
    system: str = ""
    model: str | None = None
    parameters: Parameters = field(default_factory=Parameters)
    leaf: str | None = None
    """The newest message of the branch that is shown."""
    messages: int = 0
    """How many it has, in all branches."""


@dataclass(frozen=True)
class Turn:
    """One message. ``parent`` makes the messages of a chat a tree; several with one parent are alternatives."""

    id: str
    chat: str
    parent: str | None
    role: Role
    content: str = ""
    reasoning: str = ""
    steps: tuple[Step, ...] = ()
    model: str | None = None
    created: float = 0.0
    state: State = "done"
    stats: Stats | None = None
    confidence: tuple[TokenConfidence, ...] = ()
    trimmed: ContextTrimmed | None = None
    attachments: tuple[AttachmentInfo, ...] = ()
    """What is known about them; their text is asked for with ``History.attachments``."""
    passages: tuple[Passage, ...] = ()
    """Parts of attachments that were given to the model, shown beside the answer."""
    error: str = ""


@dataclass(frozen=True)
class ChatRow:
    """What a list of chats shows of one."""

    id: str
    title: str
    updated: float
    pinned: bool = False
    folder: str = ""
    tags: tuple[str, ...] = ()
    messages: int = 0


@dataclass(frozen=True)
class Hit:
    """One place where a search found its words.

    ``snippet`` is a part of the original text on one line; ``spans`` are the ``(start, end)`` of what matched in it.
    ``turn`` is ``None`` when it is the chat's title that matched.
    """

    chat: ChatRow
    turn: str | None
    snippet: str
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Persona:
    """A saved system prompt, with the parameters that go with it."""

    name: str
    system: str
    parameters: Parameters = field(default_factory=Parameters)

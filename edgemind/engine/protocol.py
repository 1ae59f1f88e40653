"""The lines that cross the pipe: commands to the worker, and its events back, one JSON object a line.

Both ends validate with pydantic. Not for: what the events mean (``events``), processes (``client``, ``worker``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter
from pydantic_core import PydanticSerializationError

from edgemind.engine.events import Done, Event, Failed, Frozen, GenerateRequest, LoadOptions, Message
from edgemind.errors import BadInput

MAX_LINE = 256 * 1024 * 1024
"""Bytes; a longer line from the other end is a broken peer, not a message."""

LOAD_ID = 0
"""The id that events about loading carry; requests count from 1."""


class Load(Frozen):
    type: Literal["load"] = "load"
    options: LoadOptions


class Generate(Frozen):
    type: Literal["generate"] = "generate"
    id: int
    request: GenerateRequest


class Cancel(Frozen):
    """Stop this request within one token; its ``Done`` says ``cancelled``."""

    type: Literal["cancel"] = "cancel"
    id: int


class AnswerNow(Frozen):
    """Close the thought of this request and let the model answer."""

    type: Literal["answer_now"] = "answer_now"
    id: int


class Count(Frozen):
    """How many tokens this conversation takes when rendered for generation."""

    type: Literal["count"] = "count"
    id: int
    messages: tuple[Message, ...]


class Tokenize(Frozen):
    """The token ids of each text."""

    type: Literal["tokenize"] = "tokenize"
    id: int
    texts: tuple[str, ...]
    add_special: bool = False
    """Put the start (and end) token there if the model is configured so."""
    parse_special: bool = True
    """Read ``<|im_start|>`` and the like as control tokens rather than as text."""


class Score(Frozen):
    """The logits after each of these tokens, or the loss of a target after each."""

    type: Literal["score"] = "score"
    id: int
    tokens: tuple[int, ...] = Field(min_length=1)
    start: int = Field(default=0, ge=0)
    """Position of the first; 0 begins a new text, another one goes on where the last piece ended."""
    room: int = Field(default=0, ge=0)
    """Tokens of the whole text, so that the first piece opens a context for all."""
    half: bool = False
    """Rows in float16."""
    targets: tuple[int, ...] = ()
    """As many as tokens: answer with their losses in place of rows."""


class Probe(Frozen):
    """What llama.cpp was built with and which devices it sees; no model needed."""

    type: Literal["probe"] = "probe"
    id: int


Request = Generate | Count | Tokenize | Score
"""Commands that need a loaded model and end with one of ``LAST_WORDS``."""

Command = Annotated[
    Load | Generate | Cancel | AnswerNow | Count | Tokenize | Score | Probe,
    Field(discriminator="type"),
]


class Counted(Frozen):
    type: Literal["counted"] = "counted"
    tokens: int


class Tokenized(Frozen):
    """The answer to ``Tokenize``."""

    type: Literal["tokenized"] = "tokenized"
    tokens: tuple[tuple[int, ...], ...]


class Scored(Frozen):
    """The answer to ``Score``."""

    type: Literal["scored"] = "scored"
    vocabulary: int
    rows: str = ""
    """Base64 of ``[tokens, vocabulary]`` little-endian floats."""
    losses: tuple[float, ...] = ()
    """Negative log-probabilities of the targets, in nats."""


class Device(Frozen):
    name: str
    description: str
    kind: str
    free_bytes: int
    total_bytes: int


class Build(Frozen):
    """The answer to ``Probe``."""

    type: Literal["build"] = "build"
    llama_cpp: str
    supports_gpu: bool
    features: str
    devices: tuple[Device, ...]


Reply = Annotated[Event | Counted | Tokenized | Scored | Build, Field(discriminator="type")]


LAST_WORDS = (Done, Failed, Counted, Tokenized, Scored, Build)
"""After one of these nothing more comes for a request."""


class Envelope(Frozen):
    """What the worker writes: an event and the request it belongs to."""

    id: int
    event: Reply


commands: TypeAdapter[Command] = TypeAdapter(Command)
replies: TypeAdapter[Reply] = TypeAdapter(Reply)


def dump(command: Command) -> bytes:
    """One line for the worker.

    Raises:
        BadInput: a text that is no Unicode, such as half of a surrogate pair.
    """
    try:
        return command.model_dump_json(exclude_defaults=False).encode() + b"\n"
    except (PydanticSerializationError, UnicodeEncodeError, RecursionError) as problem:
        why = "it nests too deep" if isinstance(problem, RecursionError) else "it is no valid Unicode text"
        raise BadInput(
            f"Something in this request cannot be sent to the engine: {why}.", "Mend that text."
        ) from problem


def encode(reply_id: int, reply: Reply) -> bytes:
    """One line for the parent."""
    return b'{"id":%d,"event":%b}\n' % (reply_id, reply.model_dump_json(exclude_defaults=False).encode())

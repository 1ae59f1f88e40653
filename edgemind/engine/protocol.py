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
    skip: int = Field(default=0, ge=0)
    """The first so many tokens of this piece are only read: no row, no loss."""
    half: bool = False
    """Rows in float16."""
    targets: tuple[int, ...] = ()
    """As many as tokens: answer with their losses in place of rows."""


class Top(Frozen):
    """The most probable tokens at the last places of some texts, each read on its own from its beginning."""

    type: Literal["top"] = "top"
    id: int
    texts: tuple[Annotated[tuple[int, ...], Field(min_length=2)], ...] = Field(min_length=1)
    wanted: tuple[Annotated[int, Field(ge=0)], ...]
    """Of how many tokens at the end of each text; fewer than the text has."""
    k: int = Field(ge=0, le=4096)
    """Tokens of each distribution; with 0 only ``chosen`` is answered."""
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    size: int = Field(ge=1)
    """Cut the distributions off after so many tokens, before they are normalized."""
    room: int = Field(default=0, ge=0)
    """Cells of the context, when these texts need no more: the same whatever the texts, for the same results."""


class Probe(Frozen):
    """What llama.cpp was built with and which devices it sees; no model needed."""

    type: Literal["probe"] = "probe"
    id: int


class Calibrate(Frozen):
    """Read one piece of text, each a text of its own, and add up what goes into each matrix."""

    type: Literal["calibrate"] = "calibrate"
    id: int
    tokens: tuple[int, ...] = Field(min_length=1)


class Collect(Frozen):
    """The sums so far, from the tensor with this number on, by name."""

    type: Literal["collect"] = "collect"
    id: int
    start: int = Field(default=0, ge=0)


class Quantize(Frozen):
    """Make a quantized file of another; the first and only command of a worker, with or without ``dry_run`` before.

    The files to be written exist already, and the worker may write no others.
    """

    type: Literal["quantize"] = "quantize"
    id: int
    parts: tuple[str, ...] = Field(min_length=1)
    """The files of the model, in order."""
    source: str
    """The first of them as llama.cpp is told it: it finds the others beside it by their names."""
    target: str
    """The file to write, or what comes before ``-00001-of-00003.gguf`` with ``keep_split``."""
    writable: tuple[str, ...] = ()
    kind: str
    """A name of ``models.quantizations``."""
    tensor_types: tuple[tuple[str, str], ...] = ()
    """``(pattern, ggml type)``; the first pattern that is found in a tensor's name decides."""
    output_type: str | None = None
    embedding_type: str | None = None
    matrix: str | None = None
    """The file of an importance matrix."""
    allow_requantize: bool = False
    pure: bool = False
    leave_output: bool = False
    keep_split: bool = False
    threads: int | None = Field(default=None, ge=1, le=1024)
    notes: dict[str, str | int] = Field(default={})
    """Metadata to add."""
    dry_run: bool = False
    """Answer with what would be done; nothing is written."""


Request = Generate | Count | Tokenize | Score | Top | Calibrate | Collect
"""Commands that need a loaded model and end with one of ``LAST_WORDS``."""

Command = Annotated[
    Load | Generate | Cancel | AnswerNow | Count | Tokenize | Score | Top | Calibrate | Collect | Quantize | Probe,
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


class Topped(Frozen):
    """The answer to ``Top``: a row for each wanted token, text by text. Base64 of little-endian numbers."""

    type: Literal["topped"] = "topped"
    ids: str
    """``[rows, k]`` int32, the most probable first."""
    logp: str
    """``[rows, k]`` float32: natural logarithms of the probabilities at the temperature."""
    tail: str
    """``[rows]`` float32: logarithm of the probability of all other tokens together, ``-inf`` for none."""
    chosen: str
    """``[rows]`` float32: logarithm of the probability of the text's own token, at temperature 1."""


class Calibrated(Frozen):
    """The answer to ``Calibrate``."""

    type: Literal["calibrated"] = "calibrated"
    tensors: int
    """How many have been seen so far."""


class Sums(Frozen):
    """What went into one tensor."""

    name: str
    counts: tuple[int, ...]
    """Rows that were added up: one number, or one for each expert."""
    squares: str
    """Base64 of ``[experts, columns]`` little-endian float32: the sums of squares."""
    experts: int


class Collected(Frozen):
    """The answer to ``Collect``: some of the tensors; ``left`` more follow."""

    type: Literal["collected"] = "collected"
    tensors: tuple[Sums, ...]
    left: int


class Making(Frozen):
    """How far a file that is being made is."""

    type: Literal["making"] = "making"
    done: int
    """Bytes of the source's tensors."""
    total: int
    tensor: str


class Made(Frozen):
    """The answer to ``Quantize``."""

    type: Literal["made"] = "made"
    types: dict[str, str] = Field(default={})
    """With ``dry_run``: the new type of each tensor that changes."""
    fallbacks: int = 0
    """Tensors whose rows do not divide into their type's blocks, so that they got another."""
    needs_matrix: bool = False
    """With ``dry_run``: llama.cpp would refuse this without an importance matrix."""
    without_matrix: tuple[str, ...] = ()
    """Tensors that were quantized without their part of the matrix."""


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


Word = Counted | Tokenized | Scored | Topped | Calibrated | Collected | Made | Build
"""The one reply to a command that is not ``Generate``."""

Reply = Annotated[Event | Word | Making, Field(discriminator="type")]


LAST_WORDS = (Done, Failed, Counted, Tokenized, Scored, Topped, Calibrated, Collected, Made, Build)
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

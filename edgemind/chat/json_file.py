"""Chats as JSON, with everything: all branches, parameters, thoughts, confidence, the text of attachments.

What a file says is checked whole before anything of it is used: types, ranges, and that its messages are trees.
Not for: which file is meant (``import_``), the other forms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgemind.chat.attachments.types import Attachment, AttachmentInfo, Passage
from edgemind.chat.copying import Whole
from edgemind.chat.types import Chat, Parameters, Persona, Role, State, Turn
from edgemind.engine.events import ContextTrimmed, Stats, Step, TokenConfidence
from edgemind.errors import BadInput

FORMAT = "edgemind-chats"
VERSION = 1
LATEST = 32_503_680_000.0
"""The year 3000, in seconds since the epoch: later times are not believed, and not every system can write them out."""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Time = Annotated[float, Field(ge=0, le=LATEST, allow_inf_nan=False)]
Line = Annotated[str, Field(max_length=100_000)]


class Part(BaseModel):
    """A value of the file; what it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class FileAttachment(Part):
    info: AttachmentInfo
    text: str


class FileMessage(Part):
    id: Identifier
    parent: Identifier | None = None
    role: Role
    content: str = ""
    reasoning: str = ""
    steps: tuple[Step, ...] = ()
    model: Line | None = None
    created: Time = 0.0
    state: State = "done"
    stats: Stats | None = None
    confidence: tuple[TokenConfidence, ...] = ()
    trimmed: ContextTrimmed | None = None
    attachments: tuple[FileAttachment, ...] = ()
    passages: tuple[Passage, ...] = ()
    error: str = ""


class FileChat(Part):
    id: Identifier
    title: Line = ""
    titled: bool = False
    created: Time = 0.0
    updated: Time = 0.0
    pinned: bool = False
    folder: Line = ""
    tags: tuple[Line, ...] = ()
    persona: Line | None = None
    system: str = ""
    model: Line | None = None
    parameters: Parameters = Parameters()
    leaf: Identifier | None = None
    messages: tuple[FileMessage, ...] = ()


class FilePersona(Part):
    name: Line
    system: str = ""
    parameters: Parameters = Parameters()


class Document(Part):
    format: Literal["edgemind-chats"] = "edgemind-chats"
    version: Literal[1] = 1
    chats: tuple[FileChat, ...] = ()
    personas: tuple[FilePersona, ...] = ()


def write(wholes: Iterable[Whole], personas: Sequence[Persona] = ()) -> str:
    """The text of a file with these chats."""
    document = Document(
        chats=tuple(map(_chat, wholes)),
        personas=tuple(FilePersona(name=one.name, system=one.system, parameters=one.parameters) for one in personas),
    )
    return document.model_dump_json(indent=1, exclude_defaults=False) + "\n"


def _chat(whole: Whole) -> FileChat:
    chat = whole.chat
    return FileChat.model_construct(
        **{name: getattr(chat, name) for name in FileChat.model_fields if name != "messages"},
        messages=tuple(_message(turn, attached) for turn, attached in whole.turns),
    )


def _message(turn: Turn, attached: Sequence[Attachment]) -> FileMessage:
    return FileMessage.model_construct(
        **{name: getattr(turn, name) for name in FileMessage.model_fields if name != "attachments"},
        attachments=tuple(FileAttachment(info=one.info, text=one.text) for one in attached),
    )


def is_ours(value: object) -> bool:
    """Whether a JSON value says that it is such a file."""
    return isinstance(value, dict) and value.get("format") == FORMAT


def read(value: dict[str, Any], name: str) -> tuple[list[Whole], list[Persona]]:
    """The chats and personas of a JSON value that ``is_ours``.

    Raises:
        BadInput: something in it cannot be; the message says where.
    """
    version = value.get("version")
    if isinstance(version, int) and version > VERSION:
        raise BadInput(f"A newer version of EdgeMind wrote {name}.", "Update EdgeMind, then import it again.")
    try:
        document = Document.model_validate(value)
    except ValidationError as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))[:100]
        raise BadInput(
            f"{name} cannot be imported: {where}: {first['msg'].lower()}; nothing was imported.",
            "Export the chat again.",
        ) from None
    personas = [Persona(one.name, one.system, one.parameters) for one in document.personas]
    return [_whole(chat, name) for chat in document.chats], personas


def _whole(chat: FileChat, name: str) -> Whole:
    turns = tuple(
        (_turn(message, chat.id), tuple(Attachment(one.info, one.text) for one in message.attachments))
        for message in in_order(chat.messages, name)
    )
    fields = {field: getattr(chat, field) for field in FileChat.model_fields if field != "messages"}
    return Whole(Chat(**fields, messages=len(turns)), turns)


def _turn(message: FileMessage, chat: str) -> Turn:
    fields = {field: getattr(message, field) for field in FileMessage.model_fields}
    fields["attachments"] = tuple(one.info for one in message.attachments)
    fields["state"] = "interrupted" if message.state == "writing" else message.state
    return Turn(chat=chat, **fields)


def in_order(messages: Sequence[FileMessage], name: str) -> list[FileMessage]:
    """Each behind its parent, otherwise as they stand.

    Raises:
        BadInput: two have one id, or a parent is missing or comes from its own child.
    """
    known = {message.id for message in messages}
    if len(known) != len(messages):
        raise _no_tree(name, "two messages have the same id")
    if any(message.parent is not None and message.parent not in known for message in messages):
        raise _no_tree(name, "a message stands under one that is not there")
    children: dict[str | None, list[FileMessage]] = {}
    placed: set[str] = set()
    ordered: list[FileMessage] = []
    for message in messages:
        if message.parent is not None and message.parent not in placed:
            children.setdefault(message.parent, []).append(message)
            continue
        waiting = [message]
        while waiting:
            one = waiting.pop()
            placed.add(one.id)
            ordered.append(one)
            waiting.extend(reversed(children.pop(one.id, [])))
    if len(ordered) != len(messages):
        raise _no_tree(name, "messages stand under each other in a circle")
    return ordered


def _no_tree(name: str, why: str) -> BadInput:
    return BadInput(f"{name} cannot be imported: {why}; nothing was imported.", "Export the chat again.")

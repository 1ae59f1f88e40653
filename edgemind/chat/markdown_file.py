"""One branch of a chat as Markdown: pleasant to read, and read back as it was.

What a reader does not see are HTML comments that say where a message begins and what it is; everything between them is
as it was said. A thought is a quotation. Text in a message that looks like such a comment gets a backslash.
Attachments are named, their text stays out: JSON keeps that.
Not for: the other forms.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from edgemind.chat import json_file
from edgemind.chat.copying import Whole
from edgemind.chat.types import Chat, Turn
from edgemind.errors import BadInput

_MARK = re.compile(r"^<!-- edgemind: (\{[^\n]*\}) -->\r?\n", re.MULTILINE)
_LIKE_A_MARK = re.compile(r"<!-- edgemind(\\*):")
_ESCAPED = re.compile(r"<!-- edgemind\\(\\*):")
_HEADING = re.compile(r"\A## [^\n]*\r?\n\r?\n")
NAMES = {"user": "You", "assistant": "Assistant", "note": "Note"}
STATES = {"stopped": "stopped", "cut": "cut", "failed": "failed", "interrupted": "interrupted", "writing": "unfinished"}


def write(chat: Chat, turns: Sequence[Turn]) -> str:
    """The text of the file: the chat's facts, then message for message."""
    facts = {
        "format": json_file.FORMAT,
        "version": json_file.VERSION,
        "id": chat.id,
        "title": chat.title,
        "titled": chat.titled,
        "created": chat.created,
        "updated": chat.updated,
        "folder": chat.folder,
        "tags": list(chat.tags),
        "persona": chat.persona,
        "model": chat.model,
        "system": chat.system,
        "parameters": chat.parameters.model_dump(mode="json", exclude_defaults=True),
    }
    title = " ".join(chat.title.split()) or "Chat"
    return "".join((_mark(facts), f"# {_plain(title)}\n\n", *(part for turn in turns for part in _message(turn))))


def _message(turn: Turn) -> Iterable[str]:
    about = {
        "message": turn.role,
        "id": turn.id,
        "model": turn.model,
        "created": turn.created,
        "state": turn.state,
        "error": turn.error,
    }
    said = [NAMES[turn.role], turn.model, day(turn.created), STATES.get(turn.state)]
    yield _mark({name: value for name, value in about.items() if value})
    yield f"## {' · '.join(_plain(part) for part in said if part)}\n\n"
    if turn.attachments:
        yield _mark({"part": "attachments"})
        yield "Attached: " + ", ".join(_plain(one.name) for one in turn.attachments) + "\n\n"
    if turn.reasoning:
        yield _mark({"part": "reasoning"})
        yield "".join(f"> {line}\n" for line in _escaped(turn.reasoning).split("\n")) + "\n"
    yield _mark({"part": "content"})
    yield _escaped(turn.content) + "\n\n"
    if turn.passages:
        yield _mark({"part": "sources"})
        yield "Sources: " + "; ".join(_plain(passage.source) for passage in turn.passages) + "\n\n"


def day(seconds: float) -> str:
    """The local time as it is written in a heading; empty when it is not known."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else ""
    except (OverflowError, OSError, ValueError):
        return ""


def _plain(text: str) -> str:
    """On one line and without Markdown's meaning."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", " ".join(text.split()))


def _mark(value: dict[str, Any]) -> str:
    return f"<!-- edgemind: {json.dumps(value).replace('>', chr(92) + 'u003e')} -->\n"


def _escaped(text: str) -> str:
    return _LIKE_A_MARK.sub(r"<!-- edgemind\\\1:", text)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"<!-- edgemind\1:", text)


def is_ours(text: str) -> bool:
    """Whether a text is such a file."""
    return bool(_MARK.match(text.lstrip("\ufeff \t\r\n")))


def read(text: str, name: str) -> Whole:
    """The chat of a text that ``is_ours``: one branch.

    Raises:
        BadInput: what stands in the comments is not what this program writes there.
    """
    text = text.lstrip("\ufeff \t\r\n")
    parts = _MARK.split(text)[1:]
    facts, *marks = [_facts(part, name) for part in parts[::2]]
    bodies = parts[3::2]
    messages: list[dict[str, Any]] = []
    for mark, body in zip(marks, bodies, strict=True):
        if "message" in mark:
            before = messages[-1]["id"] if messages else None
            role = mark.pop("message")
            messages.append({**mark, "role": role, "id": f"m{len(messages)}", "parent": before})
            body = _HEADING.sub("", body)
        if not messages:
            continue
        part = mark.get("part", "content")
        if part == "reasoning":
            lines = body.rstrip("\r\n").split("\n")
            messages[-1]["reasoning"] = _unescaped("\n".join(re.sub(r"\A> ?", "", line) for line in lines))
        elif part == "content":
            messages[-1]["content"] = _unescaped(re.sub(r"\r?\n\r?\n?\Z", "", body))
    chat = {**facts, "leaf": messages[-1]["id"] if messages else None, "messages": messages}
    document = {"format": chat.pop("format", None), "version": chat.pop("version", None), "chats": [chat]}
    if not json_file.is_ours(document):
        raise BadInput(f"{name} is no chat that EdgeMind exported; nothing was imported.", "Give a file of an export.")
    from edgemind.chat.copying import renamed

    return renamed(json_file.read(document, name)[0][0])


def _facts(text: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError, ValidationError):
        value = None
    if not isinstance(value, dict):
        raise BadInput(f"{name} is damaged: {text[:40]!r} cannot be read; nothing was imported.", "Export it again.")
    return value

"""Chats of ``conversations.json``, the file in ChatGPT's export of one's data: text, branches, titles, times.

A conversation there is a ``mapping`` of nodes with ``parent`` and ``message``; a message has ``author.role``,
``content.content_type`` and ``content.parts``. Nodes that are no text of a user or an assistant are passed over, and
what stands below them moves up.
Not for: pictures, tools, our own files.
"""

from __future__ import annotations

from typing import Any

from edgemind.chat import chats
from edgemind.chat.copying import Whole
from edgemind.chat.json_file import LATEST
from edgemind.chat.types import Chat, Turn

LONGEST_TITLE = 200


def is_one(value: object) -> bool:
    """Whether a JSON value looks like such a file."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and isinstance(one.get("mapping"), dict) for one in value)
    )


def read(value: list[dict[str, Any]]) -> list[Whole]:
    """Its chats under new ids; those without any text are left out."""
    return [whole for whole in map(_whole, value) if whole.turns]


def _whole(given: dict[str, Any]) -> Whole:
    nodes: dict[str, Any] = {key: node for key, node in given["mapping"].items() if isinstance(node, dict)}
    ids = {key: chats.new_id() for key in nodes}
    chat = chats.new_id()
    turns: dict[str, Turn] = {}
    nearest: dict[str, str | None] = {}
    """Of each node: itself if it became a message, else the next one above it that did."""
    for key in nodes:
        for one in _way_up(key, nodes, nearest):
            above = _of(nodes[one].get("parent"), nearest)
            nearest[one] = above
            if message := _said(nodes[one]):
                role, text, when, model = message
                nearest[one] = one
                turns[one] = Turn(
                    id=ids[one],
                    chat=chat,
                    parent=ids[above] if above else None,
                    role="user" if role == "user" else "assistant",
                    content=text,
                    created=when,
                    model=model,
                )
    shown = _of(given.get("current_node"), nearest)
    title = given.get("title")
    title = chats.storable(title)[:LONGEST_TITLE] if isinstance(title, str) else ""
    created = _time(given.get("create_time"))
    return Whole(
        Chat(
            id=chat,
            title=title,
            titled=bool(title),
            created=created,
            updated=max(created, _time(given.get("update_time"))),
            leaf=ids[shown] if shown else None,
            messages=len(turns),
        ),
        tuple((turn, ()) for turn in turns.values()),
    )


def _way_up(key: str, nodes: dict[str, Any], done: dict[str, str | None]) -> list[str]:
    """The node and those above it that are not done, the highest first; a circle is cut where it closes."""
    way: dict[str, None] = {}
    here: Any = key
    while isinstance(here, str) and here in nodes and here not in done and here not in way:
        way[here] = None
        here = nodes[here].get("parent")
    return list(way)[::-1]


def _of(key: Any, nearest: dict[str, str | None]) -> str | None:
    return nearest.get(key) if isinstance(key, str) else None


def _said(node: dict[str, Any]) -> tuple[str, str, float, str | None] | None:
    """Role, text, time and model, if it is text of a user or an assistant."""
    message = node.get("message")
    author, content = (_dict(message).get(name) for name in ("author", "content"))
    role, parts = _dict(author).get("role"), _dict(content).get("parts")
    if role not in ("user", "assistant") or not isinstance(parts, list):
        return None
    text = "\n".join(part for part in parts if isinstance(part, str))
    model = _dict(_dict(message).get("metadata")).get("model_slug")
    if not text.strip():
        return None
    return role, text, _time(_dict(message).get("create_time")), model[:100] if isinstance(model, str) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LATEST
    return float(value) if number else 0.0

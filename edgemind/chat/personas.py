"""Saved system prompts with their parameters, and what was typed and not sent.

Not for: which chat uses a persona (``Chat.persona``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgemind.chat.chats import storable, understood
from edgemind.chat.types import Parameters, Persona

if TYPE_CHECKING:
    from edgemind.chat.database import Connection


def personas(connection: Connection) -> list[Persona]:
    """By name."""
    found = connection.execute("SELECT name, system, parameters FROM personas ORDER BY name COLLATE NOCASE, name")
    return [
        Persona(name, system, understood(Parameters, parameters, Parameters()))
        for name, system, parameters in found.fetchall()
    ]


def save(connection: Connection, persona: Persona) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO personas (name, parameters, system) VALUES (?, ?, ?)",
        (
            storable(persona.name),
            persona.parameters.model_dump_json(exclude_defaults=True),
            storable(persona.system),
        ),
    )


def delete(connection: Connection, name: str) -> None:
    connection.execute("DELETE FROM personas WHERE name = ?", (storable(name),))


def draft(connection: Connection, chat_id: str) -> str:
    row = connection.execute("SELECT content FROM drafts WHERE chat = ?", (chat_id,)).fetchone()
    return row[0] if row else ""


def set_draft(connection: Connection, chat_id: str, text: str) -> None:
    connection.execute("DELETE FROM drafts WHERE chat = ?", (chat_id,))
    if text:
        connection.execute("INSERT INTO drafts (chat, content) VALUES (?, ?)", (chat_id, storable(text)))

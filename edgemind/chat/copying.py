"""A chat as one value, with all branches and the text of its attachments: to copy it, move it, write it to a file.

Not for: the forms of files (``export``, ``import_``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgemind.chat import chats, messages, personas, search
from edgemind.chat.attachments.types import Attachment
from edgemind.chat.types import Chat, Turn

if TYPE_CHECKING:
    from edgemind.chat.database import Connection


@dataclass(frozen=True)
class Whole:
    """A chat with everything in it; a message stands behind its parent."""

    chat: Chat
    turns: tuple[tuple[Turn, tuple[Attachment, ...]], ...] = ()


def read(connection: Connection, chat_id: str) -> Whole:
    """Everything of one chat."""
    seq = chats.key(connection, chat_id)
    rows = connection.execute(
        f"""
        SELECT {messages.WHOLE}, ?, parents.id FROM messages LEFT JOIN messages AS parents
        ON parents.seq = messages.parent WHERE messages.chat = ? ORDER BY messages.seq
        """,
        (chat_id, seq),
    ).fetchall()
    turns = messages.turns(connection, rows)
    attached = {row[0] for row, turn in zip(rows, turns, strict=True) if turn.attachments}
    return Whole(
        chats.read(connection, chat_id),
        tuple(
            (turn, messages.attachments(connection, row[0]) if row[0] in attached else ())
            for row, turn in zip(rows, turns, strict=True)
        ),
    )


def write(connection: Connection, whole: Whole) -> str:
    """Put a chat in. It keeps its ids unless one of them is taken; then it gets new ones.

    Returns:
        The id it has.
    """
    if _taken(connection, whole):
        whole = renamed(whole)
    seq = chats.insert(connection, whole.chat)
    search.add_title(connection, seq, chats.storable(whole.chat.title))
    for turn, attached in whole.turns:
        messages.insert(connection, seq, turn, attached)
    ids = {turn.id for turn, _ in whole.turns}
    leaf = whole.chat.leaf if whole.chat.leaf in ids else (whole.turns[-1][0].id if whole.turns else None)
    chats.change(connection, seq, {"leaf": leaf})
    return whole.chat.id


def _taken(connection: Connection, whole: Whole) -> bool:
    if connection.execute("SELECT 1 FROM chats WHERE id = ?", (whole.chat.id,)).fetchone():
        return True
    ids = [turn.id for turn, _ in whole.turns]
    return any(
        connection.execute(f"SELECT 1 FROM messages WHERE id IN ({chats.marks(some)}) LIMIT 1", some).fetchone()
        for some in chats.in_parts(ids)
    )


def renamed(whole: Whole) -> Whole:
    """The same under new ids."""
    chat = chats.new_id()
    new = {turn.id: chats.new_id() for turn, _ in whole.turns}
    return Whole(
        replace(whole.chat, id=chat, leaf=new.get(whole.chat.leaf or "")),
        tuple(
            (replace(turn, id=new[turn.id], chat=chat, parent=new.get(turn.parent or "")), attached)
            for turn, attached in whole.turns
        ),
    )


def all_ids(connection: Connection) -> list[str]:
    """Of every chat, oldest first."""
    return [row[0] for row in connection.execute("SELECT id FROM chats ORDER BY seq").fetchall()]


def write_rest(target: Connection, source: Connection) -> None:
    """What belongs to no chat: personas and drafts; those of ``target`` stay where both have one."""
    known = {persona.name for persona in personas.personas(target)}
    for persona in personas.personas(source):
        if persona.name not in known:
            personas.save(target, persona)
    for chat, text in source.execute("SELECT chat, content FROM drafts").fetchall():
        if not personas.draft(target, chat):
            personas.set_draft(target, chat, text)


def ended(turns: Sequence[tuple[Turn, tuple[Attachment, ...]]]) -> tuple[tuple[Turn, tuple[Attachment, ...]], ...]:
    """As a copy has them: nobody writes on in a copy of an answer that is being written."""
    return tuple(
        (replace(turn, state="interrupted") if turn.state == "writing" else turn, attached) for turn, attached in turns
    )

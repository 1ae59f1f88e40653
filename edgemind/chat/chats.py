"""Chats as rows of a table: made, read, listed, changed.

Functions take an open connection; what is inside a transaction and what is not is the caller's business.
Not for: their messages (``messages``), their words in the index (``search``, which the caller tells).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from edgemind.chat.types import Chat, ChatRow, Parameters
from edgemind.errors import HistoryProblem

if TYPE_CHECKING:
    from edgemind.chat.database import Connection

Model = TypeVar("Model", bound=BaseModel)

COLUMNS = "seq, id, title, titled, created, updated, pinned, folder, messages, leaf, persona, model, parameters, system"
ROW = "seq, id, title, updated, pinned, folder, messages"
ORDER = "pinned DESC, updated DESC, seq DESC"
MOST_FOUND = 20
"""Chats that one may have meant."""
MANY = 500
"""Placeholders in one statement; SQLite before 3.32 takes 999."""

CHANGEABLE = frozenset(
    ("title", "titled", "pinned", "folder", "tags", "persona", "system", "model", "parameters", "leaf")
)


def new_id() -> str:
    return secrets.token_hex(8)


def storable(text: str) -> str:
    """Text as UTF-8 can hold it: a lone surrogate becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def understood(kind: type[Model], text: str, otherwise: Model) -> Model:
    """JSON of a row as a value; ``otherwise`` when another version wrote what this one does not know."""
    try:
        return kind.model_validate_json(text)
    except ValidationError:
        return otherwise


def key(connection: Connection, chat_id: str) -> int:
    """The row of a chat."""
    row = connection.execute("SELECT seq FROM chats WHERE id = ?", (chat_id,)).fetchone()
    if row is None:
        raise HistoryProblem("There is no such chat (any more).", "Try: edgemind history list")
    return int(row[0])


def insert(connection: Connection, chat: Chat) -> int:
    """Put a chat in, without messages and without a leaf.

    Returns:
        Its row.
    """
    done = connection.execute(
        """
        INSERT INTO chats
        (id, title, titled, created, updated, pinned, folder, messages, leaf, persona, model, parameters, system)
        VALUES (?, ?, ?, ?, ?, ?, ?, 0, NULL, ?, ?, ?, ?)
        """,
        (
            chat.id,
            storable(chat.title),
            chat.titled,
            chat.created,
            chat.updated,
            chat.pinned,
            storable(chat.folder),
            _text(chat.persona),
            _text(chat.model),
            chat.parameters.model_dump_json(exclude_defaults=True),
            storable(chat.system),
        ),
    )
    seq = int(done.lastrowid)
    _set_tags(connection, seq, chat.tags)
    return seq


def _text(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _set_tags(connection: Connection, seq: int, tags: Iterable[str]) -> None:
    connection.execute("DELETE FROM chat_tags WHERE chat = ?", (seq,))
    connection.executemany(
        "INSERT OR IGNORE INTO chat_tags (tag, chat) VALUES (?, ?)", [(storable(tag), seq) for tag in tags if tag]
    )


def read(connection: Connection, chat_id: str) -> Chat:
    """A chat by its id."""
    row = connection.execute(f"SELECT {COLUMNS} FROM chats WHERE id = ?", (chat_id,)).fetchone()
    if row is None:
        key(connection, chat_id)
    seq, name, title, titled, created, updated, pinned, folder, messages, leaf, persona, model, parameters, system = row
    return Chat(
        id=name,
        title=title,
        titled=bool(titled),
        created=created,
        updated=updated,
        pinned=bool(pinned),
        folder=folder,
        tags=_tags(connection, [seq]).get(seq, ()),
        persona=persona,
        system=system,
        model=model,
        parameters=understood(Parameters, parameters, Parameters()),
        leaf=leaf,
        messages=messages,
    )


def change(connection: Connection, seq: int, changes: dict[str, Any]) -> None:
    """Set some of ``CHANGEABLE``."""
    unknown = changes.keys() - CHANGEABLE
    if unknown:
        raise TypeError(f"a chat has no {', '.join(sorted(unknown))} to change")
    values: dict[str, Any] = {
        name: storable(value) if isinstance(value, str) else value for name, value in changes.items()
    }
    if (tags := values.pop("tags", None)) is not None:
        _set_tags(connection, seq, tags)
    if "parameters" in values:
        values["parameters"] = values["parameters"].model_dump_json(exclude_defaults=True)
    if values:
        settings = ", ".join(f"{name} = ?" for name in values)
        connection.execute(f"UPDATE chats SET {settings} WHERE seq = ?", (*values.values(), seq))


def touch(connection: Connection, seq: int, when: float) -> None:
    """A message came: the chat moves up in the list."""
    connection.execute("UPDATE chats SET updated = max(updated, ?) WHERE seq = ?", (when, seq))


def count_messages(connection: Connection, chat_id: str) -> None:
    """Count again how many it has."""
    connection.execute(
        "UPDATE chats SET messages = (SELECT count(*) FROM messages WHERE messages.chat = chats.seq) WHERE id = ?",
        (chat_id,),
    )


def rows(
    connection: Connection, offset: int, limit: int, folder: str | None = None, tag: str | None = None
) -> list[ChatRow]:
    """A part of the list: pinned ones first, then the newest."""
    where, values = _filter(folder, tag)
    found = connection.execute(
        f"SELECT {ROW} FROM chats {where} ORDER BY {ORDER} LIMIT ? OFFSET ?", (*values, max(0, limit), max(0, offset))
    ).fetchall()
    return _rows(connection, found)


def rows_of(connection: Connection, seqs: Iterable[int]) -> dict[int, ChatRow]:
    """The rows of some chats, in no order."""
    found = []
    for some in in_parts(sorted(seqs)):
        found += connection.execute(f"SELECT {ROW} FROM chats WHERE seq IN ({marks(some)})", some).fetchall()
    return dict(zip((row[0] for row in found), _rows(connection, found), strict=True))


def _rows(connection: Connection, found: Sequence[tuple[Any, ...]]) -> list[ChatRow]:
    tags = _tags(connection, [row[0] for row in found])
    return [
        ChatRow(name, title, updated, bool(pinned), folder, tags.get(seq, ()), messages)
        for seq, name, title, updated, pinned, folder, messages in found
    ]


def _tags(connection: Connection, seqs: Sequence[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for some in in_parts(seqs):
        for seq, tag in connection.execute(
            f"SELECT chat, tag FROM chat_tags WHERE chat IN ({marks(some)}) ORDER BY chat, tag", some
        ).fetchall():
            found[seq] = (*found.get(seq, ()), tag)
    return found


def _filter(folder: str | None, tag: str | None) -> tuple[str, list[str]]:
    conditions, values = [], []
    if folder is not None:
        conditions.append("folder = ?")
        values.append(storable(folder))
    if tag is not None:
        conditions.append("seq IN (SELECT chat FROM chat_tags WHERE tag = ?)")
        values.append(storable(tag))
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", values


def count(connection: Connection, folder: str | None = None, tag: str | None = None) -> int:
    where, values = _filter(folder, tag)
    return int(connection.execute(f"SELECT count(*) FROM chats {where}", values).fetchone()[0])


def position(connection: Connection, chat_id: str, folder: str | None = None, tag: str | None = None) -> int | None:
    """How many stand before it in the list; ``None`` when it is not in it."""
    row = connection.execute("SELECT pinned, updated, seq FROM chats WHERE id = ?", (chat_id,)).fetchone()
    where, values = _filter(folder, tag)
    also = f"{where} AND" if where else "WHERE"
    if row is None or not connection.execute(f"SELECT 1 FROM chats {also} id = ?", (*values, chat_id)).fetchone():
        return None
    before = f"SELECT count(*) FROM chats {also} (pinned, updated, seq) > (?, ?, ?)"
    return int(connection.execute(before, (*values, *row)).fetchone()[0])


def folders(connection: Connection) -> list[str]:
    found = connection.execute("SELECT DISTINCT folder FROM chats WHERE folder != '' ORDER BY folder").fetchall()
    return [row[0] for row in found]


def tags(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT DISTINCT tag FROM chat_tags ORDER BY tag").fetchall()]


def find(connection: Connection, text: str) -> list[ChatRow]:
    """By id, by the beginning of an id, by the whole title, by a part of it: the first of these that finds any."""
    text = storable(text)
    ways: tuple[tuple[str, str], ...] = (
        ("id = ?", text),
        ("substr(id, 1, length(?1)) = ?1", text),
        ("title = ?", text),
        ("instr(lower(title), lower(?))", text),
    )
    for where, value in ways if text else ():
        found = connection.execute(
            f"SELECT {ROW} FROM chats WHERE {where} ORDER BY {ORDER} LIMIT {MOST_FOUND}", (value,)
        ).fetchall()
        if found:
            return _rows(connection, found)
    return []


def in_parts(values: Sequence[Any]) -> Iterable[list[Any]]:
    """At most ``MANY`` at a time."""
    return (list(values[start : start + MANY]) for start in range(0, len(values), MANY))


def marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))

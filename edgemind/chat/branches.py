"""The messages of a chat as a tree: the way from its beginning to a message, alternatives, what is below.

A message is newer than its parent, so the newest message below another one is always the end of a branch.
Not for: what is in a message (``messages``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgemind.chat import messages
from edgemind.chat.chats import in_parts, marks
from edgemind.errors import HistoryProblem

if TYPE_CHECKING:
    from edgemind.chat.database import Connection

_UP = """
    WITH RECURSIVE way (seq, parent, n) AS (
        SELECT seq, parent, 1 FROM messages WHERE seq = ?
        UNION ALL
        SELECT messages.seq, messages.parent, n + 1 FROM way JOIN messages ON messages.seq = way.parent WHERE n < ?
    )
    SELECT {columns}, ?, parents.id FROM way JOIN messages ON messages.seq = way.seq
    LEFT JOIN messages AS parents ON parents.seq = messages.parent ORDER BY way.n DESC
"""

_BELOW = """
    WITH RECURSIVE below (seq) AS (
        SELECT ?
        UNION ALL
        SELECT messages.seq FROM below JOIN messages ON messages.parent = below.seq
    )
    SELECT seq FROM below
"""

WITHOUT_END = 1 << 60


def way(connection: Connection, chat_id: str, end: int | None, most: int, plain: bool = False) -> Sequence[Any]:
    """Rows for ``messages.turns``: the last ``most`` messages of the way from the beginning to the message ``end``."""
    if end is None:
        return []
    columns = messages.PLAIN if plain else messages.WHOLE
    found: Sequence[Any] = connection.execute(_UP.format(columns=columns), (end, most, chat_id)).fetchall()
    return found


def end_of(connection: Connection, chat: int, leaf: str | None) -> int | None:
    """The row of the message at which the branch ends: ``leaf``, else the one that is shown, else the newest."""
    if leaf is None:
        leaf = connection.execute("SELECT leaf FROM chats WHERE seq = ?", (chat,)).fetchone()[0]
        if leaf is None:
            return None
    row = connection.execute("SELECT seq FROM messages WHERE id = ? AND chat = ?", (leaf, chat)).fetchone()
    if row is None:
        raise HistoryProblem("There is no such message in this chat (any more).", "Open the chat again.")
    return int(row[0])


def depth(connection: Connection, seq: int) -> int:
    """How many messages the way to it has, itself counted."""
    return int(connection.execute("SELECT depth FROM messages WHERE seq = ?", (seq,)).fetchone()[0])


def parent(connection: Connection, seq: int) -> int | None:
    found = connection.execute("SELECT parent FROM messages WHERE seq = ?", (seq,)).fetchone()[0]
    return None if found is None else int(found)


def below(connection: Connection, seq: int) -> list[int]:
    """Itself and everything under it."""
    return [row[0] for row in connection.execute(_BELOW, (seq,)).fetchall()]


def newest_below(connection: Connection, seq: int) -> str:
    """The id of the newest leaf under a message; its own when it is one."""
    newest = max(below(connection, seq))
    return str(connection.execute("SELECT id FROM messages WHERE seq = ?", (newest,)).fetchone()[0])


def siblings(connection: Connection, turn_ids: Sequence[str]) -> dict[str, list[str]]:
    """The alternatives of each of these messages, itself among them, oldest first."""
    found: dict[str, list[str]] = {}
    for some in in_parts(turn_ids):
        for one, other in connection.execute(
            f"""
            SELECT one.id, other.id FROM messages AS one JOIN messages AS other
            ON other.chat = one.chat AND other.parent IS one.parent
            WHERE one.id IN ({marks(some)}) ORDER BY one.seq, other.seq
            """,
            some,
        ).fetchall():
            found.setdefault(one, []).append(other)
    return found


def leaf_without(connection: Connection, seq: int) -> str | None:
    """What to show when a message and all below it are gone: the newest leaf beside it, else the message before."""
    chat, before = connection.execute("SELECT chat, parent FROM messages WHERE seq = ?", (seq,)).fetchone()
    beside = connection.execute(
        "SELECT max(seq) FROM messages WHERE chat = ? AND parent IS ? AND seq != ?", (chat, before, seq)
    ).fetchone()[0]
    if beside is not None:
        return newest_below(connection, beside)
    if before is None:
        return None
    return str(connection.execute("SELECT id FROM messages WHERE seq = ?", (before,)).fetchone()[0])

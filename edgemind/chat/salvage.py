"""Reading what can be read of a damaged history, chat by chat and where need be message by message.

A page that fails its authentication ends the connection that met it, so each question that fails is followed by a new
connection. Not for: files (``recovery``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from edgemind.chat import chats, copying, messages, personas
from edgemind.chat.attachments.types import Attachment
from edgemind.chat.copying import Whole
from edgemind.chat.history import History
from edgemind.chat.types import Chat, Turn

MOST_FAILURES = 5_000
"""Questions that may fail before the rest is given up: each costs a new connection, about a millisecond."""

T = TypeVar("T")


class Damaged:
    """A damaged database that is only read.

    Args:
        connect: one more connection to it, for reading.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None
        self._failures = 0

    def ask(self, question: Callable[[Any], T]) -> T | None:
        """The answer, or ``None`` when it would have to be read where the damage is."""
        if self._failures >= MOST_FAILURES:
            return None
        try:
            if self._connection is None:
                self._connection = self._connect()
        except Exception:
            self._failures = MOST_FAILURES
            return None
        try:
            return question(self._connection)
        except Exception:
            self._failures += 1
            self.close()
            return None

    def rows(self, sql: str, *values: Any) -> tuple[list[tuple[Any, ...]], bool]:
        """The rows that come before the damage, and whether these are all."""
        found: list[tuple[Any, ...]] = []

        def collect(connection: Any) -> bool:
            for row in connection.execute(sql, values):
                found.append(row)
            return True

        return found, bool(self.ask(collect))

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()


@dataclass(frozen=True)
class Salvaged:
    chats: int = 0
    from_snapshot: int = 0
    """Messages that the snapshot gave."""
    chats_from_snapshot: int = 0
    lost: int = 0
    """Messages that are known to have been there."""
    incomplete: bool = False
    """Not even the list of chats could be read whole."""


def fill(target: History, damaged: Damaged, snapshot: History | None) -> Salvaged:
    """Put into an empty history what there is."""
    with target.transaction():
        found = _fill_chats(target, damaged, snapshot)
        _fill_rest(target, damaged, snapshot)
    damaged.close()
    return found


def _fill_chats(target: History, damaged: Damaged, snapshot: History | None) -> Salvaged:
    known, whole = _chats(damaged)
    names = _names(damaged)
    result = Salvaged(incomplete=not whole)
    saved = {row.id for row in snapshot.rows(0, snapshot.count())} if snapshot is not None else set()
    for seq, chat_id in sorted(known.items()):
        older = snapshot.whole(chat_id) if snapshot is not None and chat_id in saved else None
        found = damaged.ask(lambda connection, chat_id=chat_id: copying.read(connection, chat_id))  # type: ignore[misc]
        if found is None:
            found, given, lost = _pieced(damaged, seq, chat_id, names, older)
            result = replace(result, from_snapshot=result.from_snapshot + given, lost=result.lost + lost)
        target.add_whole(found)
        result = replace(result, chats=result.chats + 1)
    if not whole and snapshot is not None:
        for chat_id in saved - set(known.values()):
            target.add_whole(snapshot.whole(chat_id))
            result = replace(result, chats=result.chats + 1, chats_from_snapshot=result.chats_from_snapshot + 1)
    return result


def _chats(damaged: Damaged) -> tuple[dict[int, str], bool]:
    """Row and id of every chat that is known of: by the index of ids, else also by the table, from both ends."""
    found, whole = damaged.rows("SELECT seq, id FROM chats ORDER BY id")
    if not whole:
        for order in ("ASC", "DESC"):
            more, complete = damaged.rows(f"SELECT seq, id FROM chats NOT INDEXED ORDER BY seq {order}")
            found += more
            whole = whole or complete
    return {int(seq): str(name) for seq, name in found}, whole


def _names(damaged: Damaged) -> dict[int, str]:
    """The id of each message by its row."""
    found, whole = damaged.rows("SELECT seq, id FROM messages ORDER BY id")
    if not whole:
        for order in ("ASC", "DESC"):
            found += damaged.rows(f"SELECT seq, id FROM messages NOT INDEXED ORDER BY seq {order}")[0]
    return {int(seq): str(name) for seq, name in found}


def _pieced(
    damaged: Damaged, seq: int, chat_id: str, names: dict[int, str], older: Whole | None
) -> tuple[Whole, int, int]:
    """A chat with the messages that can be read, those of the snapshot in the place of others.

    Returns:
        The chat, how many messages the snapshot gave, how many are lost.
    """
    chat = damaged.ask(lambda connection: chats.read(connection, chat_id))
    chat = chat or (older.chat if older else Chat(chat_id, "(mended)", True, 0.0, 0.0))
    rows, whole = damaged.rows("SELECT seq FROM messages WHERE chat = ? ORDER BY seq", seq)
    if not whole:
        rows += damaged.rows("SELECT seq FROM messages NOT INDEXED WHERE chat = ? ORDER BY seq", seq)[0]
    saved = {turn.id: (turn, attached) for turn, attached in older.turns} if older else {}
    turns: list[tuple[Turn, tuple[Attachment, ...]]] = []
    given = lost = 0
    for number in sorted({int(row[0]) for row in rows}):
        found = _message(damaged, number, chat_id, names)
        if found is None and (found := saved.get(names.get(number, ""))):
            given += 1
        if found is None:
            lost += 1
        else:
            turns.append(found)
    if not whole:
        read = {turn.id for turn, _ in turns}
        rest = [pair for name, pair in saved.items() if name not in read]
        given += len(rest)
        turns = sorted([*rest, *turns], key=lambda pair: pair[0].created)
    return Whole(chat, _linked(turns)), given, lost


def _message(
    damaged: Damaged, seq: int, chat_id: str, names: dict[int, str]
) -> tuple[Turn, tuple[Attachment, ...]] | None:
    def read(connection: Any) -> tuple[Turn, int | None]:
        sql = f"SELECT {messages.WHOLE}, ?, NULL FROM messages WHERE seq = ?"
        (turn,) = messages.turns(connection, connection.execute(sql, (chat_id, seq)).fetchall())
        return turn, connection.execute("SELECT parent FROM messages WHERE seq = ?", (seq,)).fetchone()[0]

    found = damaged.ask(read)
    if found is None:
        return None
    turn, parent = found
    attached: tuple[Attachment, ...] = ()
    if turn.attachments:
        attached = damaged.ask(lambda connection: messages.attachments(connection, seq)) or ()
    return replace(turn, parent=None if parent is None else names.get(parent, "")), attached


def _linked(
    turns: list[tuple[Turn, tuple[Attachment, ...]]],
) -> tuple[tuple[Turn, tuple[Attachment, ...]], ...]:
    """A message whose parent is lost follows the one before it, so that the chat stays one thread."""
    kept: list[tuple[Turn, tuple[Attachment, ...]]] = []
    here: set[str] = set()
    for turn, attached in turns:
        if turn.parent is not None and turn.parent not in here:
            turn = replace(turn, parent=kept[-1][0].id if kept else None)
        kept.append((turn, attached))
        here.add(turn.id)
    return tuple(kept)


def _fill_rest(target: History, damaged: Damaged, snapshot: History | None) -> None:
    known = damaged.ask(personas.personas)
    if known is None:
        known = snapshot.personas() if snapshot is not None else []
    for persona in known:
        target.save_persona(persona)
    for chat, text in damaged.rows("SELECT chat, content FROM drafts")[0]:
        target.set_draft(chat, text)

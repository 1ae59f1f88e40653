"""Messages as rows: put in, saved while they grow, read, taken out.

An answer that is being written is saved once a second. Its row stays as it was at the beginning, and what was added
since the last time goes into ``pieces``, so that saving costs the same at the end of a long answer as at its beginning.
When it is done the row is written whole, the pieces go, and its words enter the index.
Not for: which message follows which (``branches``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from edgemind.chat import search
from edgemind.chat.attachments.types import Attachment, AttachmentInfo, Passage
from edgemind.chat.chats import in_parts, marks, storable, understood
from edgemind.chat.types import Turn
from edgemind.engine.events import ContextTrimmed, Stats, Step, TokenConfidence
from edgemind.errors import HistoryProblem

if TYPE_CHECKING:
    from edgemind.chat.database import Connection

PLAIN = "messages.seq, messages.id, messages.role, messages.state, messages.created, messages.model, messages.error, "
PLAIN += "messages.content, messages.reasoning"
WHOLE = PLAIN + ", messages.details, messages.confidence"

UNKNOWN = AttachmentInfo(name="attachment")
_CONFIDENCE: TypeAdapter[tuple[TokenConfidence, ...]] = TypeAdapter(tuple[TokenConfidence, ...])


class Details(BaseModel):
    """What a message has beside its text, as JSON in its row."""

    model_config = ConfigDict(frozen=True)

    steps: tuple[Step, ...] = ()
    stats: Stats | None = None
    trimmed: ContextTrimmed | None = None
    passages: tuple[Passage, ...] = ()

    @classmethod
    def of(cls, turn: Turn) -> Details:
        return cls(steps=turn.steps, stats=turn.stats, trimmed=turn.trimmed, passages=turn.passages)


def find(connection: Connection, turn_id: str) -> int | None:
    """The row of a message, if there is one."""
    row = connection.execute("SELECT seq FROM messages WHERE id = ?", (turn_id,)).fetchone()
    return None if row is None else int(row[0])


def key(connection: Connection, turn_id: str) -> int:
    """The row of a message."""
    seq = find(connection, turn_id)
    if seq is None:
        raise HistoryProblem("There is no such message (any more).", "Open the chat again.")
    return seq


def chat_of(connection: Connection, seq: int) -> str:
    """The id of the chat that a message belongs to."""
    found = connection.execute(
        "SELECT chats.id FROM messages JOIN chats ON chats.seq = messages.chat WHERE messages.seq = ?", (seq,)
    )
    return str(found.fetchone()[0])


def insert(connection: Connection, chat: int, turn: Turn, attachments: Sequence[Attachment] = ()) -> int:
    """Put a message in under its parent, and count it.

    Returns:
        Its row.

    Raises:
        HistoryProblem: the parent is no message of this chat.
    """
    parent, depth = None, 1
    if turn.parent is not None:
        found = connection.execute(
            "SELECT seq, depth FROM messages WHERE id = ? AND chat = ?", (turn.parent, chat)
        ).fetchone()
        if found is None:
            raise HistoryProblem("The message before it is not there (any more).", "Open the chat again.")
        parent, depth = found[0], found[1] + 1
    done = connection.execute(
        """
        INSERT INTO messages (id, chat, parent, depth, role, state, searchable, created, model, error, content,
        reasoning, details, confidence) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?)
        """,
        (turn.id, chat, parent, depth, turn.role, turn.state, turn.created, *_values(turn)),
    )
    seq = int(done.lastrowid)
    set_attachments(connection, seq, attachments or [Attachment(info, "") for info in turn.attachments])
    connection.execute("UPDATE chats SET messages = messages + 1 WHERE seq = ?", (chat,))
    _index(connection, seq, turn)
    return seq


def _values(turn: Turn) -> tuple[str | None, ...]:
    return (
        None if turn.model is None else storable(turn.model),
        storable(turn.error),
        storable(turn.content),
        storable(turn.reasoning),
        _json(Details.of(turn)),
        _confidence(turn.confidence),
    )


def _json(value: BaseModel) -> str:
    return storable(value.model_dump_json(exclude_defaults=True))


def _confidence(tokens: Sequence[TokenConfidence]) -> str:
    return _CONFIDENCE.dump_json(tuple(tokens)).decode() if tokens else ""


def _index(connection: Connection, seq: int, turn: Turn) -> None:
    if turn.state != "writing" and turn.role != "note":
        connection.execute("UPDATE messages SET searchable = 1 WHERE seq = ?", (seq,))
        search.add_message(connection, seq)


def unindex(connection: Connection, seq: int) -> None:
    """Take it out of the index, if it is in it; before its text changes."""
    if connection.execute("SELECT searchable FROM messages WHERE seq = ?", (seq,)).fetchone()[0]:
        search.remove_message(connection, seq)
        connection.execute("UPDATE messages SET searchable = 0 WHERE seq = ?", (seq,))


def save_whole(connection: Connection, seq: int, turn: Turn) -> None:
    """Write a message as it is now."""
    same = _is_indexed_as(connection, seq, turn)
    if not same:
        unindex(connection, seq)
    connection.execute(
        """
        UPDATE messages SET state = ?, model = ?, error = ?, content = ?, reasoning = ?, details = ?, confidence = ?
        WHERE seq = ?
        """,
        (turn.state, *_values(turn), seq),
    )
    connection.execute("DELETE FROM pieces WHERE message = ?", (seq,))
    _save_infos(connection, seq, turn.attachments)
    if not same:
        _index(connection, seq, turn)


def _is_indexed_as(connection: Connection, seq: int, turn: Turn) -> bool:
    """Whether the index has its words already: facts about long attachments change without their text."""
    searchable, content, reasoning = connection.execute(
        "SELECT searchable, content, reasoning FROM messages WHERE seq = ?", (seq,)
    ).fetchone()
    names = [info.name for info in _infos(connection, [seq]).get(seq, ())]
    return (
        bool(searchable)
        and turn.state != "writing"
        and (content, reasoning) == (storable(turn.content), storable(turn.reasoning))
        and names == [storable(info.name) for info in turn.attachments][: len(names)]
    )


def _save_infos(connection: Connection, seq: int, infos: Sequence[AttachmentInfo]) -> None:
    """What is known about attachments has changed; their text stays."""
    kept = connection.execute("SELECT seq, info FROM attachments WHERE message = ? ORDER BY seq", (seq,)).fetchall()
    for (row, known), info in zip(kept, infos, strict=False):
        if (new := _json(info)) != known:
            connection.execute("UPDATE attachments SET info = ? WHERE seq = ?", (new, row))


def save_growth(connection: Connection, seq: int, before: Turn, turn: Turn) -> None:
    """Write what ``turn`` has more than ``before``, which is what was saved; see ``has_grown``."""
    connection.execute("UPDATE messages SET state = 'writing' WHERE seq = ? AND state != 'writing'", (seq,))
    content, reasoning = turn.content[len(before.content) :], turn.reasoning[len(before.reasoning) :]
    confidence = turn.confidence[len(before.confidence) :]
    if content or reasoning or confidence:
        connection.execute(
            "INSERT INTO pieces (message, content, reasoning, confidence) VALUES (?, ?, ?, ?)",
            (seq, storable(content), storable(reasoning), _confidence(confidence)),
        )
    if (turn.model, turn.error, turn.steps, turn.stats, turn.trimmed, turn.passages) != (
        *(before.model, before.error, before.steps, before.stats, before.trimmed, before.passages),
    ):
        model, error, _, _, details, _ = _values(replace(turn, content="", reasoning="", confidence=()))
        connection.execute(
            "UPDATE messages SET model = ?, error = ?, details = ? WHERE seq = ?", (model, error, details, seq)
        )


def has_grown(before: Turn, turn: Turn) -> bool:
    """Whether ``turn`` is ``before`` with something added at the ends of its texts, still being written."""
    return (
        before.state == turn.state == "writing"
        and turn.content.startswith(before.content)
        and turn.reasoning.startswith(before.reasoning)
        and turn.confidence[: len(before.confidence)] == before.confidence
        and turn.attachments == before.attachments
    )


def interrupted(connection: Connection) -> int:
    """End what is being written: the pieces become a part of the row, which can be found from then on.

    Returns:
        How many there were.
    """
    found = connection.execute(
        f"SELECT {WHOLE} , chats.id, NULL FROM messages JOIN chats ON chats.seq = messages.chat WHERE state = 'writing'"
    ).fetchall()
    for row in found:
        (turn,) = turns(connection, [row])
        save_whole(connection, row[0], replace(turn, state="interrupted"))
    return len(found)


def turns(connection: Connection, rows: Sequence[Sequence[Any]], plain: bool = False) -> list[Turn]:
    """Messages of rows of ``WHOLE`` (or ``PLAIN``), each followed by the ids of its chat and its parent."""
    infos = _infos(connection, [row[0] for row in rows])
    pieces = _pieces(connection, [row[0] for row in rows if row[3] == "writing"])
    return [_turn(row, infos.get(row[0], ()), pieces.get(row[0], ()), plain) for row in rows]


def _turn(row: Sequence[Any], infos: tuple[AttachmentInfo, ...], pieces: Sequence[Any], plain: bool) -> Turn:
    _, name, role, state, created, model, error, content, reasoning, *more, chat, parent = row
    turn = Turn(
        id=name,
        chat=chat,
        parent=parent,
        role=role,
        content="".join((content, *(piece[1] for piece in pieces))),
        reasoning="".join((reasoning, *(piece[2] for piece in pieces))),
        model=model,
        created=created,
        state=state,
        attachments=infos,
        error=error,
    )
    if plain:
        return turn
    details, confidence = more
    known = understood(Details, details, Details())
    sure = [text for text in (confidence, *(piece[3] for piece in pieces)) if text]
    return replace(
        turn,
        steps=known.steps,
        stats=known.stats,
        trimmed=known.trimmed,
        passages=known.passages,
        confidence=_sure(sure),
    )


def _sure(parts: Sequence[str]) -> tuple[TokenConfidence, ...]:
    try:
        return tuple(token for part in parts for token in _CONFIDENCE.validate_json(part))
    except ValidationError:
        return ()


def _pieces(connection: Connection, seqs: Sequence[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for some in in_parts(seqs):
        for row in connection.execute(
            f"SELECT message, content, reasoning, confidence FROM pieces WHERE message IN ({marks(some)}) ORDER BY seq",
            some,
        ).fetchall():
            found.setdefault(row[0], []).append(row)
    return found


def _infos(connection: Connection, seqs: Sequence[int]) -> dict[int, tuple[AttachmentInfo, ...]]:
    found: dict[int, tuple[AttachmentInfo, ...]] = {}
    for some in in_parts(seqs):
        for message, info in connection.execute(
            f"SELECT message, info FROM attachments WHERE message IN ({marks(some)}) ORDER BY seq", some
        ).fetchall():
            found[message] = (*found.get(message, ()), understood(AttachmentInfo, info, UNKNOWN))
    return found


def attachments(connection: Connection, seq: int) -> tuple[Attachment, ...]:
    """The attachments of a message with their text."""
    found = connection.execute("SELECT info, content FROM attachments WHERE message = ? ORDER BY seq", (seq,))
    return tuple(Attachment(understood(AttachmentInfo, info, UNKNOWN), text) for info, text in found.fetchall())


def set_attachments(connection: Connection, seq: int, given: Sequence[Attachment]) -> None:
    """Give a message, which is not in the index now, these attachments in place of those it has."""
    connection.execute("DELETE FROM attachments WHERE message = ?", (seq,))
    connection.executemany(
        "INSERT INTO attachments (message, info, content) VALUES (?, ?, ?)",
        [(seq, _json(attachment.info), storable(attachment.text)) for attachment in given],
    )


def reindex(connection: Connection, seq: int) -> None:
    """Put a message that is done back into the index, after ``unindex``."""
    role, state = connection.execute("SELECT role, state FROM messages WHERE seq = ?", (seq,)).fetchone()
    _index(connection, seq, Turn(id="", chat="", parent=None, role=role, state=state))


def characters(connection: Connection, column: Literal["chat", "seq"], values: Sequence[int]) -> int:
    """How much text that can be searched these messages have."""
    found = 0
    for some in in_parts(values):
        which = f"messages.{column} IN ({marks(some)})"
        for (length,) in connection.execute(
            f"""
            SELECT sum(length(content) + length(reasoning)) FROM messages WHERE {which}
            UNION ALL
            SELECT sum(length(attachments.content)) FROM attachments
            JOIN messages ON messages.seq = attachments.message WHERE {which}
            """,
            (*some, *some),
        ).fetchall():
            found += length or 0
    return found


def delete_all(connection: Connection, chat: int) -> None:
    """Take every message of a chat out."""
    for (seq,) in connection.execute("SELECT seq FROM messages WHERE chat = ? AND searchable", (chat,)).fetchall():
        search.remove_message(connection, seq)
    connection.execute("DELETE FROM messages WHERE chat = ?", (chat,))


def delete(connection: Connection, seqs: Sequence[int]) -> None:
    """Take messages out with their words; the caller names all that are below them too."""
    for seq in seqs:
        unindex(connection, seq)
    for some in in_parts(sorted(seqs, reverse=True)):
        connection.execute(f"DELETE FROM messages WHERE seq IN ({marks(some)})", some)

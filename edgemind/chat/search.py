"""Full-text search over all chats: messages, thoughts, attachments and titles, the newest first.

The index holds words, not texts: what was found is highlighted in the original.
Not for: what a word is (``words``), passages of one attachment (``attachments``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from edgemind.chat.chats import rows_of
from edgemind.chat.types import ChatRow, Hit
from edgemind.chat.words import Phrase, folded, likely, phrases, spans

if TYPE_CHECKING:
    from edgemind.chat.database import Connection

BEFORE = 50
"""Characters of a snippet before what was found."""
SNIPPET = 160
"""Characters of a snippet."""
PER_CHAT = 5
"""Hits of one chat while others have some too."""
LOOKED_AT = 20
"""For each hit that is asked for, how many messages are looked at to find different chats."""
SEARCHED = 150_000
"""Characters that one search goes through word by word for places to show, after the quick way found none."""

_BLANK = re.compile(r"\s+")
_BLANKS = {ord(blank): " " for blank in "\n\r\t\v\f\x1c\x1d\x1e\x85\u2028\u2029"}


def add_message(connection: Connection, seq: int) -> None:
    """Make a message findable. It must not be so already."""
    connection.execute(
        "INSERT INTO message_words (rowid, content, reasoning, attachments) VALUES (?, ?, ?, ?)",
        (seq, *_message_words(connection, seq)),
    )


def remove_message(connection: Connection, seq: int) -> None:
    """Take its words out, as they are in the tables; before the text is changed or deleted."""
    connection.execute(
        """
        INSERT INTO message_words (message_words, rowid, content, reasoning, attachments) VALUES ('delete', ?, ?, ?, ?)
        """,
        (seq, *_message_words(connection, seq)),
    )


def _message_words(connection: Connection, seq: int) -> tuple[str, str, str]:
    content, reasoning = connection.execute("SELECT content, reasoning FROM messages WHERE seq = ?", (seq,)).fetchone()
    attached = connection.execute("SELECT info, content FROM attachments WHERE message = ? ORDER BY seq", (seq,))
    return folded(content), folded(reasoning), " ".join(folded(_attached(*row)) for row in attached.fetchall())


def _attached(info: str, content: str) -> str:
    return f"{json.loads(info)['name']}\n{content}"


def add_title(connection: Connection, seq: int, title: str) -> None:
    connection.execute("INSERT INTO title_words (rowid, title) VALUES (?, ?)", (seq, folded(title)))


def remove_title(connection: Connection, seq: int, title: str) -> None:
    connection.execute(
        "INSERT INTO title_words (title_words, rowid, title) VALUES ('delete', ?, ?)", (seq, folded(title))
    )


def search(connection: Connection, question: str, limit: int) -> list[Hit]:
    """See ``History.search``."""
    wanted = phrases(question)
    if not wanted or limit < 1:
        return []
    asked = " AND ".join(map(str, wanted))
    titles = connection.execute(
        "SELECT rowid FROM title_words WHERE title_words MATCH ? ORDER BY rowid DESC LIMIT ?", (asked, limit)
    ).fetchall()
    hits = connection.execute(
        """
        SELECT messages.seq, messages.chat FROM message_words JOIN messages ON messages.seq = message_words.rowid
        WHERE message_words MATCH ? ORDER BY message_words.rowid DESC LIMIT ?
        """,
        (asked, limit * LOOKED_AT),
    ).fetchall()
    chosen = _spread(hits, max(0, limit - len(titles)))
    chats = rows_of(connection, {row[0] for row in titles} | {chat for _, chat in chosen})
    show = _Showing(wanted)
    found = [show.hit(chats[seq], None, chats[seq].title) for (seq,) in titles if seq in chats]
    return found + [show.message(connection, chats[chat], seq) for seq, chat in chosen]


def titles(connection: Connection, question: str, limit: int) -> list[ChatRow]:
    """The chats whose titles have these words, the newest first."""
    asked = " AND ".join(map(str, phrases(question)))
    found = (
        connection.execute(
            "SELECT rowid FROM title_words WHERE title_words MATCH ? ORDER BY rowid DESC LIMIT ?", (asked, limit)
        ).fetchall()
        if asked
        else []
    )
    rows = rows_of(connection, [row[0] for row in found])
    return [rows[seq] for (seq,) in found if seq in rows]


def _spread(hits: Sequence[tuple[int, int]], limit: int) -> list[tuple[int, int]]:
    """The newest, of one chat more than ``PER_CHAT`` only when there is room left."""
    count: dict[int, int] = {}
    first: list[tuple[int, int]] = []
    rest: list[tuple[int, int]] = []
    for seq, chat in hits:
        count[chat] = count.get(chat, 0) + 1
        (first if count[chat] <= PER_CHAT else rest).append((seq, chat))
    return sorted(first[:limit] + rest[: max(0, limit - len(first))], reverse=True)


class _Showing:
    """Makes hits of what was found by one question."""

    def __init__(self, wanted: Sequence[Phrase]) -> None:
        self._wanted = wanted
        self._left = SEARCHED

    def message(self, connection: Connection, chat: ChatRow, seq: int) -> Hit:
        """The hit of a message, shown where the first of the phrases stands: in the answer if it is there."""
        turn, content, reasoning = connection.execute(
            "SELECT id, content, reasoning FROM messages WHERE seq = ?", (seq,)
        ).fetchone()
        best = Hit(chat, turn, "")
        for text in (content, reasoning):
            if text and (hit := self.hit(chat, turn, text)).spans:
                return hit
            best = best if best.snippet or not text else hit
        attached = connection.execute("SELECT info, content FROM attachments WHERE message = ? ORDER BY seq", (seq,))
        for row in attached.fetchall():
            if (hit := self.hit(chat, turn, _attached(*row))).spans:
                return hit
        return best

    def hit(self, chat: ChatRow, turn: str | None, text: str) -> Hit:
        """The part of a text around the first place, with all places in that part."""
        first = self._first(text)
        start = _behind_a_blank(text, first[0] - BEFORE) if first else 0
        end = min(len(text), max(start + SNIPPET, min(first[1], start + 2 * SNIPPET) if first else 0))
        before, after = "…" if start else "", "…" if end < len(text) else ""
        shift = len(before) - start
        marked = _apart(spans(text, self._wanted, start, min(len(text), end + BEFORE))) if first else []
        return Hit(
            chat,
            turn,
            before + text[start:end].translate(_BLANKS) + after,
            tuple((a + shift, b + shift) for a, b in marked if b <= end),
        )

    def _first(self, text: str) -> tuple[int, int] | None:
        place = likely(text, self._wanted)
        if place is not None and (found := next(spans(text, self._wanted, place, place + SNIPPET), None)):
            return found
        most = min(len(text), self._left)
        found = next(spans(text, self._wanted, 0, most), None)
        self._left -= found[1] if found else most
        return found


def _behind_a_blank(text: str, place: int) -> int:
    """Where a word begins at or soon behind ``place``."""
    if place <= 0:
        return 0
    blank = _BLANK.search(text, place, place + BEFORE // 2)
    return blank.end() if blank else place


def _apart(found: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that overlap become one."""
    joined: list[tuple[int, int]] = []
    for start, end in found:
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined

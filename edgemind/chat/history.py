"""The chats of one person: what was said is on the disk when a method returns, and what was deleted is gone.

``History`` is the one face of the database; its methods may be called from any thread. Writing goes through one
connection, reading through others, so a list can be drawn while an answer is being saved.
Not for: opening or encrypting the file (``vault``), talking to a model (``session``).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from edgemind.chat import branches, chats, copying, messages, personas, search
from edgemind.chat.attachments.types import Attachment, Passage
from edgemind.chat.copying import Whole
from edgemind.chat.database import Connection, Database
from edgemind.chat.types import Chat, ChatRow, Hit, Parameters, Persona, Role, State, Turn

__all__ = ["Connection", "History"]


class History:
    """All chats of one database.

    Args:
        connect: opens one more connection of ``sqlite3`` or ``sqlcipher3`` to it, usable from any thread
            (``check_same_thread=False``). It is called once for writing and when needed for reading.
        on_damage: called when the file turns out to be damaged, once, by the thread that met it.

    Raises:
        HistoryTooNew: a newer version of EdgeMind wrote it.
        HistoryProblem: it cannot be read or written, or what is asked for is not there; every method may raise this.
    """

    def __init__(self, connect: Callable[[], Connection], on_damage: Callable[[], None] | None = None) -> None:
        self._database = Database(connect, on_damage)
        self._being_written: dict[str, Turn] = {}
        """What was saved last of messages that are being written."""
        self._database.after_rollback(self._being_written.clear)

    @classmethod
    def in_memory(cls) -> History:
        """A history that never touches the disk and ends with the process."""
        return cls(lambda: sqlite3.connect(":memory:", check_same_thread=False))

    @property
    def saved(self) -> bool:
        """Whether it is kept on a disk."""
        return self._database.on_disk

    @property
    def closed(self) -> bool:
        return self._database.closed

    def close(self) -> None:
        """Close every connection; the last thing that is asked of it. May be called twice."""
        self._database.close()
        self._being_written.clear()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything that this thread writes inside is written together, or not at all."""
        with self._writing():
            yield

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction in the database that this is the history of now; see ``move_into``."""
        while True:
            database = self._database
            with database.lock:
                if database is self._database:
                    with database.writing() as connection:
                        yield connection
                    return

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        database = self._database
        while not database.on_disk:
            with database.lock:
                if database is self._database:
                    with database.reading() as connection:
                        yield connection
                    return
            database = self._database
        with database.reading() as connection:
            yield connection

    # Chats

    def create_chat(
        self,
        *,
        title: str = "",
        titled: bool = False,
        folder: str = "",
        tags: Sequence[str] = (),
        persona: str | None = None,
        system: str = "",
        model: str | None = None,
        parameters: Parameters | None = None,
        pinned: bool = False,
    ) -> Chat:
        """A new chat without messages."""
        now = time.time()
        chat = Chat(
            id=chats.new_id(),
            title=title,
            titled=titled,
            created=now,
            updated=now,
            pinned=pinned,
            folder=folder,
            tags=tuple(tags),
            persona=persona,
            system=system,
            model=model,
            parameters=parameters or Parameters(),
        )
        with self._writing() as connection:
            copying.write(connection, Whole(chat))
            return chats.read(connection, chat.id)

    def chat(self, chat_id: str) -> Chat:
        """One chat by its whole id."""
        with self._reading() as connection:
            return chats.read(connection, chat_id)

    def update_chat(self, chat_id: str, **changes: Any) -> Chat:
        """Change some of title, titled, pinned, folder, tags, persona, system, model, parameters, leaf; only a new
        message moves the chat up in the list."""
        with self._writing() as connection:
            seq = chats.key(connection, chat_id)
            if changes.get("leaf") is not None:
                branches.end_of(connection, seq, changes["leaf"])
            if "title" in changes:
                search.remove_title(connection, seq, chats.read(connection, chat_id).title)
                search.add_title(connection, seq, chats.storable(changes["title"]))
            chats.change(connection, seq, changes)
            return chats.read(connection, chat_id)

    def delete_chat(self, chat_id: str) -> None:
        """Delete it so that its words are no longer in the file, nor in the log beside it."""
        with self._writing() as connection:
            seq = chats.key(connection, chat_id)
            with self._database.forgetting(messages.characters(connection, "chat", [seq])):
                search.remove_title(connection, seq, chats.read(connection, chat_id).title)
                messages.delete_all(connection, seq)
                connection.execute("DELETE FROM chats WHERE seq = ?", (seq,))
                personas.set_draft(connection, chat_id, "")
            self._forget_written(chat_id)

    def delete_turn(self, turn_id: str) -> Chat:
        """Delete a message and everything below it, as ``delete_chat`` does. If it was shown, the newest branch beside
        it is shown then, or the message before."""
        with self._writing() as connection:
            seq = messages.key(connection, turn_id)
            chat = messages.chat_of(connection, seq)
            gone = branches.below(connection, seq)
            shown = branches.end_of(connection, chats.key(connection, chat), None)
            if shown in gone:
                leaf = branches.leaf_without(connection, seq)
                chats.change(connection, chats.key(connection, chat), {"leaf": leaf})
            with self._database.forgetting(messages.characters(connection, "seq", gone)):
                messages.delete(connection, gone)
            chats.count_messages(connection, chat)
            self._forget_written(chat)
            return chats.read(connection, chat)

    def _forget_written(self, chat_id: str) -> None:
        for turn in [turn for turn in self._being_written.values() if turn.chat == chat_id]:
            del self._being_written[turn.id]

    def duplicate(self, chat_id: str) -> Chat:
        """A copy with all branches, under a title of its own."""
        with self._writing() as connection:
            whole = copying.renamed(copying.read(connection, chat_id))
            now = time.time()
            title = f"{whole.chat.title} (copy)" if whole.chat.title else ""
            copy = replace(whole.chat, title=title, pinned=False, created=now, updated=now)
            return chats.read(connection, copying.write(connection, Whole(copy, copying.ended(whole.turns))))

    def rows(self, offset: int, limit: int, folder: str | None = None, tag: str | None = None) -> list[ChatRow]:
        """Pinned ones first, then the newest."""
        with self._reading() as connection:
            return chats.rows(connection, offset, limit, folder, tag)

    def count(self, folder: str | None = None, tag: str | None = None) -> int:
        """How many ``rows`` there are."""
        with self._reading() as connection:
            return chats.count(connection, folder, tag)

    def position(self, chat_id: str, folder: str | None = None, tag: str | None = None) -> int | None:
        """Where ``rows`` has it, from 0; ``None`` when it is not among them."""
        with self._reading() as connection:
            return chats.position(connection, chat_id, folder, tag)

    def folders(self) -> list[str]:
        """Those that have a chat in them, by name."""
        with self._reading() as connection:
            return chats.folders(connection)

    def tags(self) -> list[str]:
        """Those that a chat has, by name."""
        with self._reading() as connection:
            return chats.tags(connection)

    def find(self, text: str) -> list[ChatRow]:
        """The chats that a user may mean by an id, the beginning of one, a title, a part of it or its words: for the
        command line. The first of these ways that finds any counts."""
        with self._reading() as connection:
            return chats.find(connection, text) or search.titles(connection, text, chats.MOST_FOUND)

    def ids(self) -> list[str]:
        """Of all chats, the oldest first."""
        with self._reading() as connection:
            return copying.all_ids(connection)

    def whole(self, chat_id: str) -> Whole:
        """A chat with all its messages and the text of its attachments."""
        with self._reading() as connection:
            return copying.read(connection, chat_id)

    def add_whole(self, whole: Whole) -> Chat:
        """Put a whole chat in; it gets new ids if one of its own is taken."""
        with self._writing() as connection:
            return chats.read(connection, copying.write(connection, whole))

    # Messages

    def add_turn(
        self,
        chat: str,
        parent: str | None,
        role: Role,
        content: str = "",
        *,
        id: str | None = None,  # noqa: A002 - what a turn calls it
        reasoning: str = "",
        model: str | None = None,
        state: State = "done",
        attachments: Sequence[Attachment] = (),
        passages: Sequence[Passage] = (),
        error: str = "",
        show: bool = True,
    ) -> Turn:
        """Put a message under ``parent`` (``None``: at the beginning). It is on the disk when this returns.

        Args:
            id: of the message; one is made up otherwise.
            show: the branch that ends with it becomes the one that is shown (``Chat.leaf``).
        """
        turn = Turn(
            id=id or chats.new_id(),
            chat=chat,
            parent=parent,
            role=role,
            content=content,
            reasoning=reasoning,
            model=model,
            created=time.time(),
            state=state,
            attachments=tuple(attachment.info for attachment in attachments),
            passages=tuple(passages),
            error=error,
        )
        with self._writing() as connection:
            self._insert(connection, turn, attachments, show)
        return turn

    def _insert(self, connection: Connection, turn: Turn, attachments: Sequence[Attachment], show: bool) -> None:
        seq = chats.key(connection, turn.chat)
        messages.insert(connection, seq, turn, attachments)
        chats.touch(connection, seq, turn.created)
        if show:
            chats.change(connection, seq, {"leaf": turn.id})
        if turn.state == "writing":
            self._being_written[turn.id] = turn

    def save_turn(self, turn: Turn) -> None:
        """Save a message that has changed, or put in one that is not there yet. While ``state`` is ``writing`` only
        what was added since the last time is written; with any other state it is written whole and can be found by
        ``search``."""
        with self._writing() as connection:
            seq = messages.find(connection, turn.id)
            before = self._being_written.get(turn.id)
            if seq is None:
                self._insert(connection, turn, (), show=True)
            elif before and messages.has_grown(before, turn):
                messages.save_growth(connection, seq, before, turn)
            else:
                messages.save_whole(connection, seq, turn)
            if turn.state == "writing":
                self._being_written[turn.id] = turn
            else:
                self._being_written.pop(turn.id, None)

    def turn(self, turn_id: str) -> Turn:
        """One message."""
        with self._reading() as connection:
            seq = messages.key(connection, turn_id)
            rows = branches.way(connection, messages.chat_of(connection, seq), seq, 1)
            return messages.turns(connection, rows)[0]

    def attachments(self, turn_id: str) -> tuple[Attachment, ...]:
        """The attachments of a message with their text."""
        with self._reading() as connection:
            return messages.attachments(connection, messages.key(connection, turn_id))

    def save_attachments(self, turn_id: str, attachments: Sequence[Attachment]) -> None:
        """Give a message these attachments in place of those it has."""
        with self._writing() as connection:
            seq = messages.key(connection, turn_id)
            messages.unindex(connection, seq)
            messages.set_attachments(connection, seq, attachments)
            messages.reindex(connection, seq)

    def path(self, chat: str, leaf: str | None = None, plain: bool = False) -> list[Turn]:
        """From the first message to ``leaf``; ``None`` means the branch that is shown.

        Args:
            plain: without steps, statistics, passages and confidence, which a prompt does not need.
        """
        return self._way(chat, leaf, branches.WITHOUT_END, plain)

    def _way(self, chat: str, leaf: str | None, limit: int, plain: bool = False) -> list[Turn]:
        with self._reading() as connection:
            end = branches.end_of(connection, chats.key(connection, chat), leaf)
            return messages.turns(connection, branches.way(connection, chat, end, limit, plain), plain)

    def count_path(self, chat: str, leaf: str | None = None) -> int:
        """How many messages ``path`` has."""
        with self._reading() as connection:
            end = branches.end_of(connection, chats.key(connection, chat), leaf)
            return 0 if end is None else branches.depth(connection, end)

    def page(self, chat: str, leaf: str | None = None, before: str | None = None, limit: int = 50) -> list[Turn]:
        """The last ``limit`` messages of the branch, in order, before the message ``before``; its cost does not grow
        with the length of the chat."""
        if before is None:
            return self._way(chat, leaf, limit) if limit > 0 else []
        with self._reading() as connection:
            end = branches.parent(connection, messages.key(connection, before))
            return messages.turns(connection, branches.way(connection, chat, end, limit)) if limit > 0 else []

    def siblings(self, turn_id: str) -> list[str]:
        """The alternatives of a message, itself among them, oldest first."""
        return self.siblings_of([turn_id]).get(turn_id, [])

    def siblings_of(self, turn_ids: Sequence[str]) -> dict[str, list[str]]:
        """``siblings`` of many at once."""
        with self._reading() as connection:
            return branches.siblings(connection, turn_ids)

    def leaf_below(self, turn_id: str) -> str:
        """The newest leaf under a message; itself when nothing is under it."""
        with self._reading() as connection:
            return branches.newest_below(connection, messages.key(connection, turn_id))

    def recover_writing(self) -> int:
        """Mark what was still being written when a process ended as ``interrupted``. For the program that writes, once,
        when it opens the history.

        Returns:
            How many there were.
        """
        with self._writing() as connection:
            self._being_written.clear()
            return messages.interrupted(connection)

    # Search

    def search(self, text: str, limit: int = 50) -> list[Hit]:
        """Messages and titles that have all words, the last one also as a beginning; titles first, then the newest.

        Upper and lower case and diacritics are the same; text without spaces between words (Chinese, Japanese, Thai)
        is found by any part of it. Words in double quotes stand side by side. No text is an error.
        """
        with self._reading() as connection:
            return search.search(connection, text, limit)

    # Personas and drafts

    def personas(self) -> list[Persona]:
        """By name."""
        with self._reading() as connection:
            return personas.personas(connection)

    def save_persona(self, persona: Persona) -> None:
        """Replaces the one of the same name."""
        with self._writing() as connection:
            personas.save(connection, persona)

    def delete_persona(self, name: str) -> None:
        """Does nothing when there is none of this name."""
        with self._writing() as connection, self._database.forgetting():
            personas.delete(connection, name)

    def draft(self, chat: str) -> str:
        """The text that was typed into a chat and not sent; chat "" is the one that is not created yet."""
        with self._reading() as connection:
            return personas.draft(connection, chat)

    def set_draft(self, chat: str, text: str) -> None:
        """Keep it; an empty one is forgotten."""
        with self._writing() as connection:
            personas.set_draft(connection, chat, text)

    # Moving

    def move_into(self, other: History) -> int:
        """Copy everything into ``other`` in one transaction and go on there: afterwards this object is another name for
        ``other``'s database, so an answer that is still being written goes on without loss.

        Returns:
            How many chats were moved.
        """
        database = self._database
        with database.writing() as source:
            with other._database.writing() as target:
                ids = copying.all_ids(source)
                for chat in ids:
                    copying.write(target, copying.read(source, chat))
                copying.write_rest(target, source)
            self._database, self._being_written = other._database, other._being_written
        database.close()
        return len(ids)

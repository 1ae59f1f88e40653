"""The chats of one person: what was said is on the disk when a method returns, and what was deleted is gone.

``History`` is the one face of the database; its methods may be called from any thread. Writing goes through one
connection, reading through others, so a list can be drawn while an answer is being saved.
Not for: opening or encrypting the file (``vault``), talking to a model (``session``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgemind.chat.attachments.types import Attachment
from edgemind.chat.types import Chat, ChatRow, Hit, Parameters, Persona, Role, State, Turn

Connection = Any


class History:
    """All chats of one database.

    Args:
        connect: opens one more connection of ``sqlite3`` or ``sqlcipher3`` to it, usable from any thread
            (``check_same_thread=False``). It is called once for writing and when needed for reading.

    Raises:
        HistoryTooNew: a newer version of EdgeMind wrote it.
        HistoryProblem: it cannot be read or written; every method may raise this.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None: ...

    @classmethod
    def in_memory(cls) -> History:
        """A history that never touches the disk and ends with the process."""
        raise NotImplementedError

    @property
    def saved(self) -> bool:
        """Whether it is kept on a disk."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every connection; the last thing that is asked of it. May be called twice."""
        raise NotImplementedError

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
        raise NotImplementedError

    def chat(self, chat_id: str) -> Chat:
        """Raises NoSuchChat."""
        raise NotImplementedError

    def update_chat(self, chat_id: str, **changes: Any) -> Chat:
        """Change some of title, titled, pinned, folder, tags, persona, system, model, parameters, leaf; only a new
        message moves the chat up in the list."""
        raise NotImplementedError

    def delete_chat(self, chat_id: str) -> None:
        """Delete it so that its words are no longer in the file, nor in the log beside it."""
        raise NotImplementedError

    def delete_turn(self, turn_id: str) -> Chat:
        """Delete a message and everything below it, as ``delete_chat`` does; the chat then shows a sibling or the parent."""
        raise NotImplementedError

    def duplicate(self, chat_id: str) -> Chat:
        """A copy with all branches, under a title of its own."""
        raise NotImplementedError

    def rows(self, offset: int, limit: int, folder: str | None = None, tag: str | None = None) -> list[ChatRow]:
        """Pinned ones first, then the newest."""
        raise NotImplementedError

    def count(self, folder: str | None = None, tag: str | None = None) -> int:
        raise NotImplementedError

    def position(self, chat_id: str, folder: str | None = None, tag: str | None = None) -> int | None:
        """Where ``rows`` has it, from 0; ``None`` when it is not among them."""
        raise NotImplementedError

    def folders(self) -> list[str]:
        raise NotImplementedError

    def tags(self) -> list[str]:
        raise NotImplementedError

    def find(self, text: str) -> list[ChatRow]:
        """The chats that a user may mean by an id, the beginning of one, or a title: for the command line."""
        raise NotImplementedError

    # Messages

    def add_turn(
        self,
        chat: str,
        parent: str | None,
        role: Role,
        content: str = "",
        *,
        reasoning: str = "",
        model: str | None = None,
        state: State = "done",
        attachments: Sequence[Attachment] = (),
        passages: Sequence[Any] = (),
        error: str = "",
        show: bool = True,
    ) -> Turn:
        """Put a message under ``parent`` (``None``: at the beginning). It is on the disk when this returns.

        Args:
            show: the branch that ends with it becomes the one that is shown (``Chat.leaf``).
        """
        raise NotImplementedError

    def save_turn(self, turn: Turn) -> None:
        """Save a message that has changed. While ``state`` is ``writing`` only what was added since the last time is
        written; with any other state it is written whole and can be found by ``search``."""
        raise NotImplementedError

    def turn(self, turn_id: str) -> Turn:
        """Raises NoSuchTurn."""
        raise NotImplementedError

    def attachments(self, turn_id: str) -> list[Attachment]:
        """The attachments of a message with their text."""
        raise NotImplementedError

    def path(self, chat: str, leaf: str | None = None) -> list[Turn]:
        """From the first message to ``leaf``; ``None`` means the branch that is shown."""
        raise NotImplementedError

    def count_path(self, chat: str, leaf: str | None = None) -> int:
        raise NotImplementedError

    def page(self, chat: str, leaf: str | None = None, before: str | None = None, limit: int = 50) -> list[Turn]:
        """The last ``limit`` messages of the branch, in order, before the message ``before``; its cost does not grow
        with the length of the chat."""
        raise NotImplementedError

    def siblings(self, turn_id: str) -> list[str]:
        """The alternatives of a message, itself among them, oldest first."""
        raise NotImplementedError

    def siblings_of(self, turn_ids: Sequence[str]) -> dict[str, list[str]]:
        """``siblings`` of many at once."""
        raise NotImplementedError

    def leaf_below(self, turn_id: str) -> str:
        """The newest leaf under a message; itself when nothing is under it."""
        raise NotImplementedError

    def recover_writing(self) -> int:
        """Mark what was still being written when a process ended as ``interrupted``. For the program that writes, once,
        when it opens the history.

        Returns:
            How many there were.
        """
        raise NotImplementedError

    # Search

    def search(self, text: str, limit: int = 50) -> list[Hit]:
        """Messages and titles that have all words, the last one also as a beginning; newest first.

        Upper and lower case and diacritics are the same; text without spaces between words (Chinese, Japanese, Thai)
        is found by any part of it. No text is an error.
        """
        raise NotImplementedError

    # Personas and drafts

    def personas(self) -> list[Persona]:
        raise NotImplementedError

    def save_persona(self, persona: Persona) -> None:
        """Replaces the one of the same name."""
        raise NotImplementedError

    def delete_persona(self, name: str) -> None:
        raise NotImplementedError

    def draft(self, chat: str) -> str:
        """The text that was typed into a chat and not sent; chat "" is the one that is not created yet."""
        raise NotImplementedError

    def set_draft(self, chat: str, text: str) -> None:
        raise NotImplementedError

    # Moving

    def move_into(self, other: History) -> int:
        """Copy everything into ``other`` in one transaction and go on there: afterwards this object is another name for
        ``other``'s database, so an answer that is still being written goes on without loss.

        Returns:
            How many chats were moved.
        """
        raise NotImplementedError

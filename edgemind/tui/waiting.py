"""Chats that could not be begun in the history, because its disk is full or read-only: in memory until it takes them.

Not for: messages that cannot be saved in a chat that is there (``chat.keeping``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgemind.errors import EdgemindError

if TYPE_CHECKING:
    from edgemind.chat.history import History
    from edgemind.chat.types import Chat

RETRY_SECONDS = 5.0
"""Between two attempts to move them; nothing wakes up while none waits."""


class WaitingChats:
    """True while there are any. Methods are safe from any thread.

    Args:
        history: where they belong, as it is now.
        moved: called, on any thread, when they have been moved there.
    """

    def __init__(self, history: Callable[[], History | None], moved: Callable[[], None]) -> None:
        self._history = history
        self._moved = moved
        self._chats: dict[str, History] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __bool__(self) -> bool:
        return bool(self._chats)

    def get(self, chat_id: str) -> History | None:
        """Where a chat waits, if it does."""
        return self._chats.get(chat_id)

    def drop(self, chat_id: str | None = None) -> None:
        """One does not wait any more, or none."""
        with self._lock:
            for one in [chat_id] if chat_id is not None else list(self._chats):
                self._chats.pop(one, None)

    def create_chat(self, history: History, **facts: Any) -> tuple[History, Chat]:
        """A new chat and where it is: in ``history``, or waiting for it. Raises ``EdgemindError`` otherwise."""
        from edgemind.chat.history import History
        from edgemind.chat.problems import HistoryNotSaving

        try:
            return history, history.create_chat(**facts)
        except HistoryNotSaving:
            memory = History.in_memory()
            chat = memory.create_chat(**facts)
            with self._lock:
                self._chats[chat.id] = memory
            self._later()
            return memory, chat

    def save(self) -> bool:
        """Move them; whether none waits then. Their sessions go on without noticing."""
        with self._lock:
            history = self._history()
            if history is None:
                return not self._chats
            for chat_id, memory in list(self._chats.items()):
                try:
                    memory.move_into(history)
                except EdgemindError:
                    return False
                del self._chats[chat_id]
        return True

    def close(self) -> None:
        """Try once more, then no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._chats:
            self.save()

    def _later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(RETRY_SECONDS, self._again)
        self._timer.daemon = True
        self._timer.start()

    def _again(self) -> None:
        if self.save():
            self._moved()
        else:
            self._later()

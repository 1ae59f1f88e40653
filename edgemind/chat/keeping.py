"""The messages of one open chat between session and history: saved at once, or kept here until saving works again.

A full or read-only disk must not end a conversation. What the history refuses is held in memory, shown as if it were
saved, and written when the next attempt succeeds.
Not for: the database (``history``), deciding what to save (``session``).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgemind.chat.attachments.types import Attachment
from edgemind.chat.types import Chat, Turn
from edgemind.errors import HistoryProblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgemind.chat.history import History


RETRY_SECONDS = 5.0
"""Between two attempts while something could not be saved; otherwise nothing wakes up."""


class Keeper:
    """The messages of one chat. Methods may be called from any thread; those that write wait for the disk.

    Args:
        on_change: called when saving failed, or works again.
    """

    def __init__(self, history: History, chat: Chat, on_change: Callable[[], None]) -> None:
        self.history = history
        self._chat = chat
        self._on_change = on_change
        self._lock = threading.Lock()
        self._disk = threading.RLock()
        """One writer at a time, so that a message is never written before the one it answers."""
        self._held: dict[str, Turn] = {}
        """Newer here than in the history, oldest first."""
        self._new: set[str] = set()
        """Those of them that the history does not know at all."""
        self._files: dict[str, tuple[Attachment, ...]] = {}
        self._refitted: set[str] = set()
        """Messages in the history whose attachments have other facts by now."""
        self._beside: dict[str, str] = {}
        self._changes: dict[str, Any] = {}
        """Of the chat, not saved yet."""
        self._problem = ""
        self._retry: threading.Timer | None = None
        self._closed = False

    def close(self) -> None:
        """Try once more, then no more."""
        self._closed = True
        if self._retry:
            self._retry.cancel()
        if self._problem:
            self._flush()

    @property
    def chat(self) -> Chat:
        """As it is now."""
        return self._chat

    @property
    def not_saving(self) -> str:
        """Why nothing is saved; empty while all is well."""
        return self._problem

    def add(self, turn: Turn, attachments: Sequence[Attachment] = (), beside: str | None = None) -> Turn:
        """A new message at the end of the shown branch. When this returns it is on the disk, or held here.

        Args:
            beside: an alternative with the same parent.
        """
        turn = replace(turn, attachments=tuple(attachment.info for attachment in attachments), created=time.time())
        with self._lock:
            self._held[turn.id] = turn
            self._new.add(turn.id)
            if attachments:
                self._files[turn.id] = tuple(attachments)
            if beside:
                self._beside[turn.id] = beside
            self._changes.pop("leaf", None)  # another branch was to be shown; now it is this one
            self._chat = replace(self._chat, leaf=turn.id, messages=self._chat.messages + 1, updated=turn.created)
        self._flush()
        return turn

    def save(self, turn: Turn) -> None:
        """A message that has changed."""
        with self._lock:
            self._held[turn.id] = turn
        self._flush()

    def hold(self, turn: Turn) -> None:
        """Show this one from now on; the caller saves it later."""
        with self._lock:
            self._held[turn.id] = turn

    def save_attachments(self, turn_id: str, attachments: Sequence[Attachment]) -> None:
        """Other facts about the attachments of a message."""
        with self._lock:
            self._files[turn_id] = tuple(attachments)
            held = self._held.get(turn_id)
            if held:
                infos = tuple(attachment.info for attachment in attachments)
                self._held[turn_id] = replace(held, attachments=infos)
            if turn_id not in self._new:
                self._refitted.add(turn_id)
        self._flush()

    def update_chat(self, **changes: Any) -> Chat:
        """Change facts of the chat."""
        with self._lock:
            self._chat = replace(self._chat, **changes)
            self._changes.update(changes)
        self._flush()
        return self._chat

    def attachments(self, turn_id: str) -> tuple[Attachment, ...]:
        """The attachments of a message, with their text."""
        with self._lock:
            held = self._files.get(turn_id)
        return held if held is not None else tuple(self.history.attachments(turn_id))

    def given(self, turn: Turn) -> tuple[Attachment, ...]:
        """The attachments of a message as far as the model is given them; a text of which it has a part is not read."""
        if all(info.given is not None for info in turn.attachments):
            return tuple(Attachment(info, "") for info in turn.attachments)
        return self.attachments(turn.id)

    def turn(self, turn_id: str) -> Turn | None:
        """One message as it is now."""
        with self._lock:
            held = self._held.get(turn_id)
        if held:
            return held
        try:
            return self.history.turn(turn_id)
        except HistoryProblem:
            return None

    def page(self, before: str | None, limit: int) -> list[Turn]:
        """Messages of the shown branch, oldest first: the last ``limit``, or those before a message."""
        at = self._chat.leaf
        if before is not None:
            after = self.turn(before)
            at = after.parent if after else None
        with self._lock:
            held, new = dict(self._held), set(self._new)
        found: list[Turn] = []
        while at in new and len(found) < limit:
            found.append(held[at])
            at = held[at].parent
        found.reverse()
        if at is None or len(found) == limit:
            return found
        older = self.history.page(self._chat.id, at, None, limit - len(found))
        return [held.get(turn.id, turn) for turn in older] + found

    def siblings(self, turn_id: str) -> list[str]:
        """A message and its alternatives, oldest first."""
        with self._lock:
            new = set(self._new)
            beside = dict(self._beside)
            held = dict(self._held)
        known = turn_id
        while known in new and known in beside:
            known = beside[known]
        turn = held.get(turn_id) or self.turn(turn_id)
        if turn is None:
            return [turn_id]
        saved = [] if known in new else self.history.siblings(known)
        more = [one for one in held if one in new and held[one].parent == turn.parent and one not in saved]
        return [*saved, *more] or [turn_id]

    def leaf_below(self, turn_id: str) -> str:
        """The newest end of the branches that begin with a message."""
        with self._lock:
            new, held = set(self._new), dict(self._held)
        at = turn_id if turn_id in new else self.history.leaf_below(turn_id)
        while True:
            below = [one for one in held if one in new and held[one].parent == at]
            if not below:
                return at
            at = below[-1]

    def _flush(self) -> None:
        """Write what is held, in order; what cannot be written is tried again later."""
        self._write_held()
        with self._lock:
            waiting = self._retry is not None and self._retry.is_alive()
            if self._problem and not waiting and not self._closed:
                self._retry = threading.Timer(RETRY_SECONDS, self._flush_later)
                self._retry.daemon = True
                self._retry.start()

    def _flush_later(self) -> None:
        with self._lock:
            self._retry = None
        if not self._closed:
            self._flush()

    def _write_held(self) -> None:
        with self._disk:
            with self._lock:
                held, changes = list(self._held.values()), dict(self._changes)
            for turn in held:
                if not self._try(lambda turn=turn: self._write(turn)):  # type: ignore[misc]
                    return
            for turn_id in tuple(self._refitted):
                if not self._try(lambda turn_id=turn_id: self._write_files(turn_id)):  # type: ignore[misc]
                    return
            if changes and not self._try(lambda: self._write_chat(changes)):
                return
            if self._problem:
                self._problem = ""
                self._on_change()

    def _write(self, turn: Turn) -> None:
        with self._lock:
            new, files = turn.id in self._new, self._files.get(turn.id, ())
        with self.history.transaction():
            self.history.save_turn(turn)
            if new and files:
                self.history.save_attachments(turn.id, files)
        with self._lock:
            if new:
                self._new.discard(turn.id)
                if self._files.get(turn.id, files) is files:
                    self._files.pop(turn.id, None)
                else:  # they were made to fit while this was written
                    self._refitted.add(turn.id)
            self._beside.pop(turn.id, None)
            if self._held.get(turn.id) is turn:
                del self._held[turn.id]

    def _write_files(self, turn_id: str) -> None:
        files = self._files[turn_id]
        self.history.save_attachments(turn_id, files)
        with self._lock:
            if self._files.get(turn_id) is files:
                self._refitted.discard(turn_id)
                del self._files[turn_id]

    def _write_chat(self, changes: dict[str, Any]) -> None:
        self.history.update_chat(self._chat.id, **changes)
        with self._lock:
            for name, value in changes.items():
                if self._changes.get(name) == value:
                    del self._changes[name]

    def _try(self, write: Callable[[], object]) -> bool:
        try:
            write()
        except HistoryProblem as problem:
            if not self._problem:
                self._problem = problem.message
                self._on_change()
            return False
        return True


def new_id() -> str:
    """For a message."""
    return uuid.uuid4().hex

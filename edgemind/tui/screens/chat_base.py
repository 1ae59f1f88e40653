"""The chat screen's body: which chat is open, and how an answer in the making gets onto the screen.

While nothing is generated nothing here wakes up; an answer is looked at as often as ``pacing`` says.
Not for: the widgets (``chat_parts``), what the keys do (``chat_answers``, ``chat_shelf``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.message import Message

from edgemind.errors import EdgemindError
from edgemind.tui.pacing import Pace, free_cores
from edgemind.tui.screens.chat_parts import ChatParts
from edgemind.tui.widgets.transcript import LiveMessage

if TYPE_CHECKING:
    from edgemind.chat.history import History
    from edgemind.chat.live import Delta, Live
    from edgemind.chat.session import Session
    from edgemind.chat.types import Chat, Turn
    from edgemind.tui.household import Household

PAGE = 40
"""Messages that are read at a time."""


class ChatBase(ChatParts):
    """See the module."""

    class Changed(Message):
        """Something of the house has changed; posted from any thread."""

    def __init__(self, house: Household, *, chat: str | None = None) -> None:
        super().__init__(house)
        self._wanted = chat
        self._away: dict[str, Session] = {}
        """Of chats that are not on the screen while their answer is being written."""
        self._live: LiveMessage | None = None
        self._followed: Live | None = None
        """Of the answer that ``_live`` shows."""
        self._pace = Pace(free=True)
        """Of the answer that is being written."""
        self._memory_read = 0.0
        self._told: EdgemindError | None = None
        """Why the model did not load, when the user has been told."""

    def on_mount(self) -> None:
        self.call_after_refresh(self._drawn)

    def _drawn(self) -> None:
        self.edgemind.drawn()
        self.house.begin(self._changed_elsewhere)

    # The house

    def _changed_elsewhere(self) -> None:
        """From any thread."""
        if self.is_attached:
            self.post_message(self.Changed())

    def on_chat_base_changed(self) -> None:
        """The model has come further, the history has opened, a title was made."""
        self.attempt(self.house_changed)

    def house_changed(self) -> None:
        if self.edgemind.chat_screen is not self:
            return  # locked meanwhile
        history = self.house.history
        if history is None and self.house.needs_passphrase:
            self.edgemind.show_door()
        elif history is not None and history is not self.sidebar.list.history:
            self.sidebar.list.show(history)
            self.open_chat(self._wanted, first=True)
            if self.house.problem is not None:
                self.complain(self.house.problem)
            elif self.house.has_to_be_kept:
                self.ask_passphrase()
        elif history is not None:
            self.sidebar.list.refresh_rows()
        if self.session and self.session.live and self._timer is None:
            self._follow()
        if self.house.notes:
            self._tell_what_happened()
        problem = self.house.engines.problem
        if problem is not None and problem is not self._told and not self.composer.busy:
            self.complain(problem)
        self._told = problem
        self.edgemind.watch_idleness()
        self.show_facts()

    def _tell_what_happened(self) -> None:
        """What the history says about itself: what was mended on opening, what is damaged."""
        from edgemind.terminal import clean_line

        notes, self.house.notes = self.house.notes, []
        for note in notes:
            self.notify(clean_line(note), severity="warning", timeout=15, markup=False)

    def ask_passphrase(self) -> None:
        """Have the user choose a passphrase, or another one."""
        from edgemind.tui.screens.passphrase import Passphrases, PassphraseScreen

        def done(given: Passphrases | None) -> None:
            if given is not None:
                self.house_changed()
                self.notify("The history is encrypted with your passphrase.", markup=False)

        def apply(given: Passphrases) -> None:
            self.house.set_passphrase(given.old, given.new)

        self.app.push_screen(PassphraseScreen(self.house.passphrase_mode(), apply=apply), done)

    @property
    def history(self) -> History:
        """Where the chat on the screen lives.

        Raises:
            EdgemindError: it is still being opened.
        """
        return self._kept_out or self.kept_history

    @property
    def kept_history(self) -> History:
        """The one that is listed and searched, also while the chat on the screen is kept nowhere. Raises the same."""
        if self.house.history is None:
            raise EdgemindError("The history is still being opened.", "Try again in a moment.")
        return self.house.history

    # Which chat is open

    def open_chat(self, chat_id: str | None, *, turn: str | None = None, first: bool = False) -> None:
        """Show a chat of the history, or a new one that is created with its first message.

        Args:
            turn: a message that has to be on the branch that is shown.
            first: what has been typed before there was a chat belongs to it.
        """
        self._leave()
        self._kept_out = None
        self._wanted = chat_id
        self._show_session(self._session_of(chat_id, turn) if chat_id else None, first=first)

    def open_ephemeral(self) -> None:
        """A new chat that never touches the disk."""
        from edgemind.chat.history import History

        self._leave()
        self._kept_out = History.in_memory()
        self._wanted = None
        self._show_session(None)

    def _session_of(self, chat_id: str, turn: str | None) -> Session:
        session = self._away.pop(chat_id, None)
        if session is not None and (turn is None or session.live is not None or session.not_saving):
            return session
        if session is not None:
            session.close(wait=0.5)
        history = self.history
        if turn is not None:
            history.update_chat(chat_id, leaf=history.leaf_below(turn))
        return self._new_session(history, history.chat(chat_id))

    def _new_session(self, history: History, chat: Chat) -> Session:
        from edgemind.chat.session import Session

        return Session(history, self.house.engines, chat, on_change=self._changed_elsewhere)

    def begun(self) -> Session:
        """The open chat's session; a new chat is created now."""
        if self.session is None:
            facts = {"model": self.house.chosen_model, "parameters": self.house.new_parameters()}
            self.session = self._new_session(*self.house.waiting.create_chat(self.history, **facts))
            self._wanted = self.session.chat.id
            self._write_in(self._wanted, keep=True)
            self.sidebar.list.refresh_rows()
            self.sidebar.list.mark(self.session.chat.id)
        return self.session

    def _leave(self) -> None:
        """Put away the chat that is open; an answer in the making goes on behind it."""
        self._stop_following()
        for chat_id, away in list(self._away.items()):
            if away.live is None and not away.not_saving:
                del self._away[chat_id]
                away.close(wait=0.5)
        session, self.session = self.session, None
        if session is None:
            return
        if self._kept_out is None and (session.live is not None or session.not_saving):
            self._away[session.chat.id] = session
        else:
            session.close(wait=0.5)

    def _show_session(self, session: Session | None, *, first: bool = False) -> None:
        self.session = session
        if session is None:
            self.transcript.forget()
            self.remove_class("-talking")
            self._write_in("", keep=first)
            self.sidebar.list.mark("")
        else:
            self.reshow()
            self._write_in(session.chat.id, keep=first)
            self.sidebar.list.mark(session.chat.id)
        self.show_facts()

    def _write_in(self, chat_id: str, *, keep: bool) -> None:
        """The composer belongs to this chat from now on; ``keep``: what is written in it already comes along."""
        typed = self.composer.draft if keep else ""
        drafts = self.house.history if self._kept_out is None else None
        self.composer.open_chat(chat_id, drafts, self._said_before())
        if typed:
            self.composer.set_text(typed)

    def _said_before(self) -> list[str]:
        return [turn.content for turn in self.session.page() if turn.role == "user"] if self.session else []

    def reshow(self) -> None:
        """Draw the branch that is shown, and go on with what is being written in it."""
        session = self.session
        if session is None:
            return
        try:
            turns = session.page(limit=PAGE)
        except EdgemindError as problem:  # a disk that fails
            self.transcript.forget()
            self.complain(problem)
            return
        live = session.live
        writing = turns.pop() if live and turns and turns[-1].state == "writing" else None
        self.transcript.show(turns, lambda before: session.page(before, PAGE), self._branches(session))
        self.set_class(bool(turns or writing), "-talking")
        if live and writing:
            self._show_growing(writing, live)

    @staticmethod
    def _branches(session: Session) -> Callable[[str], tuple[int, int]]:
        def place(turn_id: str) -> tuple[int, int]:
            ids = session.siblings(turn_id)
            return (ids.index(turn_id) + 1 if turn_id in ids else 1), max(1, len(ids))

        return place

    # An answer in the making

    def begin_answer(self, turn: Turn) -> None:
        """Show the answer that has just been asked for as it grows."""
        self.add_class("-talking")
        live = self.session.live if self.session else None
        if live is not None:
            self._show_growing(turn, live)
        else:  # it is complete already; the next look at it says so
            self._live = self.transcript.begin(turn)
            self._follow()

    def _show_growing(self, turn: Turn, live: Live) -> None:
        """From its beginning: somebody may have taken a part of it."""
        from dataclasses import replace

        self._followed = live
        self._live = self.transcript.begin(replace(turn, content="", reasoning="", steps=()))
        self._live.update(live.take_all())
        self._follow()

    def _follow(self) -> None:
        self.composer.busy = True
        if self._timer is None:
            info = self.house.engines.info
            self._pace = Pace(info is None or free_cores(info.threads) > 0)
            self._look_again()
        self.show_hints()

    def _look_again(self) -> None:
        self._timer = self.set_timer(self._pace.interval(), lambda: self.attempt(self._poll))

    def _stop_following(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._live = self._followed = None
        self.composer.busy = False

    def _poll(self) -> None:
        self._look_again()
        session = self.session
        live = session.live if session else None
        if session is None or live is None:
            self._ended()
            return
        if self._live is None or live is not self._followed:
            return  # it has only just been asked for, and ``begin_answer`` is about to show it
        delta = live.take()
        self._live.update(delta)
        self._show_delta(delta)
        if delta.over:
            self._ended()

    def _show_delta(self, delta: Delta) -> None:
        changes: dict[str, Any] = {"rate": delta.rate}
        if delta.context_limit:
            changes |= {"context_used": delta.context_used, "context_limit": delta.context_limit}
        now = time.monotonic()
        if now - self._memory_read > 1:
            self._memory_read = now
            changes["memory"] = self.house.engines.memory()
        self.status.know(**changes)

    def _ended(self) -> None:
        """The answer is complete, or as complete as it gets."""
        session, shown = self.session, self._live
        self._stop_following()
        if session is None:
            return
        last = session.page(limit=2)
        if shown and last:
            shown.end(last[-1])
            if last[0].attachments:  # what of them was given is known only now
                self.transcript.replace(last[0])
        self.sidebar.list.refresh_rows()
        self.sidebar.list.mark(session.chat.id)
        self.show_facts()
        self.house.answered()

    # Leaving

    @property
    def sessions(self) -> list[Session]:
        """Of the chat that is open, and of those whose answers are being written behind it."""
        return [*([self.session] if self.session else []), *self._away.values()]

    @property
    def unsaved(self) -> bool:
        """Something of what was to be kept is not on the disk, because that could not be written."""
        return (
            self.house.kept == "unsaved"
            or bool(self.house.waiting)
            or any(session.not_saving for session in self.sessions)
        )

    @property
    def kept_id(self) -> str | None:
        """Of the chat that is open, if it is in the history."""
        return self.session.chat.id if self.session and self._kept_out is None else None

    def stop_answers(self) -> None:
        for session in self.sessions:
            session.stop()

    def save(self) -> None:
        """Before an end or a lock: what is typed stays a draft, answers in the making are saved as far as they are."""
        self.composer.save_draft()
        self._stop_following()
        for session in self.sessions:
            session.close()
        self.session = None
        self._away.clear()

    def abandon(self) -> None:
        """As ``save`` without waiting for anything (panic)."""
        self._stop_following()
        self.session = None
        self._away.clear()

    def forget(self, *, wait: bool = True) -> None:
        """Drop every text of a conversation; ``wait`` for a draft that is being saved."""
        self.composer.forget(wait=wait)
        self.sidebar.list.show(None)
        self.heading.name_chat("")
        self._kept_out = None
        self.transcript.forget()  # last: it empties what was remembered of texts that were drawn

"""What the keys do with messages and answers: send, stop, again, go on, edit, branches, thoughts, copying.

Not for: the list of chats, models, privacy (``chat_shelf``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from textual import events

from edgemind.errors import BadInput, EdgemindError, HistoryProblem
from edgemind.tui.screens.chat_base import ChatBase
from edgemind.tui.widgets import transcript_messages as asked
from edgemind.tui.widgets.composer import Composer
from edgemind.tui.widgets.transcript_view import TranscriptView

if TYPE_CHECKING:
    from edgemind.chat.attachments.types import Attachment
    from edgemind.chat.session import Session
    from edgemind.chat.types import Parameters, Turn
    from edgemind.tui.widgets.drafts import Draft

Choice = Literal["cut", "summarise", "passages"]


@dataclass(frozen=True)
class Editing:
    """A message that is being said differently."""

    session: Session
    turn: Turn
    before: Draft
    """What was in the field; it comes back."""


class Answering(ChatBase):
    """See the module."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._editing: Editing | None = None

    def behind(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what takes longer than a frame without holding the screen; an error is told."""

        async def told() -> None:
            try:
                await work
            except EdgemindError as problem:
                self.complain(problem)

        self.run_worker(told(), exit_on_error=True)

    # Writing

    def on_composer_submitted(self, event: Composer.Submitted) -> None:
        editing, self._editing = self._editing, None
        if editing is not None:
            self.behind(self._send_edited(editing, event.text, event.attachments))
        else:
            self.behind(self._send(event.text, event.attachments))

    def say_first(self, text: str) -> None:
        """The message that the command line brought."""
        self.call_after_refresh(lambda: self.behind(self._send(text, ())))

    async def _send(self, text: str, attachments: tuple[Attachment, ...]) -> None:
        try:
            await self._opened()
            session = self.begun()
            choice = await self._choice(session, text, attachments) if attachments else None
            said, answer = await asyncio.to_thread(session.send, text, attachments, choice)
        except EdgemindError:
            self._give_back(text, attachments)
            raise
        except _Withdrawn:
            self._give_back(text, attachments)
            return
        if session is self.session:
            before = session.turn(said.parent) if said.parent else None
            if before is not None and before.role == "note":
                self.transcript.append(before)
            self.transcript.append(said)
            self.begin_answer(answer)
            self.show_facts()

    def _give_back(self, text: str, attachments: tuple[Attachment, ...]) -> None:
        if not self.composer.draft:
            self.composer.restore(text, attachments)

    async def _opened(self) -> None:
        """The history may still be opening when the first message is sent."""
        if self._kept_out is None and self.house.history is None:
            self.hints.say("Opening the history ...")
            await asyncio.to_thread(self.house.wait_opened)
            self.house_changed()
        if self._kept_out is None and self.house.has_to_be_kept:
            if self.house.problem is not None:
                raise self.house.problem
            raise HistoryProblem(
                "Clinic mode keeps every chat, so it needs a passphrase first.", "/passphrase sets it."
            )

    async def _choice(self, session: Session, text: str, attachments: tuple[Attachment, ...]) -> Choice | None:
        """What to do with attachments; asked only when they do not fit.

        Raises:
            _Withdrawn: the message is not to be sent.
        """
        self.hints.say("Counting tokens ...")
        fit = await asyncio.to_thread(session.fit, text, attachments)
        self.show_hints()
        if fit.fits:
            return None
        from edgemind.tui.screens.attach import FitScreen

        screen = FitScreen(fit.names, tokens=fit.tokens, room=fit.room, parts=fit.parts)
        choice: Choice | None = await self.app.push_screen_wait(screen)
        if choice is None:
            raise _Withdrawn
        return choice

    def action_attach(self, argument: str = "") -> None:
        from pathlib import Path

        if argument:
            self.composer.add_attachment(Path(argument).expanduser())
            return
        from edgemind.tui.screens.export import PathScreen

        self.app.push_screen(PathScreen("Attach a file"), self._attach_file)

    def _attach_file(self, path: Any) -> None:
        if path is not None:
            self.composer.add_attachment(path)

    # The answer

    def action_stop(self) -> None:
        """Stop, else leave what is open, else go back to the composer."""
        if self._editing is not None:
            self._leave_editing()
            self.show_hints()
        elif self.composer.busy and self.session:
            self.session.stop()
        else:
            self.transcript.deselect()
            if self.transcript.selected is None:
                self.composer.focus()

    def action_answer_now(self) -> None:
        if self.session and self.session.live:
            self.session.answer_now()

    def action_regenerate(self) -> None:
        session = self._talking()
        if session:
            chosen = self.transcript.selected
            turn_id = chosen.id if chosen and chosen.role == "assistant" else None
            self.behind(self._again(lambda: session.regenerate(turn_id)))

    def action_retry(self) -> None:
        session = self._talking()
        if session:
            self.behind(self._again(session.retry))

    async def _again(self, ask: Callable[[], Turn]) -> None:
        """Another answer beside one that is there."""
        await asyncio.to_thread(ask)
        self.reshow()
        self.show_facts()

    def action_continue_answer(self) -> None:
        session = self._talking()
        if not session:
            return
        chosen = self.transcript.selected
        turn_id = chosen.id if chosen and chosen.role == "assistant" else None
        if session.can_continue(turn_id):
            self.behind(self._continue(session, turn_id))
        else:
            self.notify("That answer is complete.", markup=False)

    async def _continue(self, session: Session, turn_id: str | None) -> None:
        turn = await asyncio.to_thread(session.continue_answer, turn_id)
        if session is self.session:
            self.begin_answer(turn)

    def action_edit_message(self) -> None:
        session = self._talking()
        if not session:
            return
        chosen = self.transcript.selected
        if chosen is None or chosen.role == "note":
            said = [turn for turn in session.page() if turn.role == "user"]
            chosen = said[-1] if said else None
        if chosen:
            self._edit(session, chosen)

    def _edit(self, session: Session, turn: Turn) -> None:
        before = self._editing.before if self._editing else self.composer.put_aside()
        self._editing = Editing(session, turn, before)
        self.composer.set_text(turn.content)
        self.composer.focus()
        self.hints.say("Editing: enter makes another branch, esc leaves everything as it is")

    def _leave_editing(self) -> None:
        """What was in the field before comes back."""
        editing, self._editing = self._editing, None
        if editing is not None:
            self.composer.put_back(editing.before)

    def _leave(self) -> None:
        self._leave_editing()
        super()._leave()

    def save(self) -> None:
        self._leave_editing()
        super().save()

    def abandon(self) -> None:
        self._editing = None
        super().abandon()

    async def _send_edited(self, editing: Editing, text: str, attachments: tuple[Attachment, ...]) -> None:
        had = {info.name for info in editing.turn.attachments}
        more = tuple(one for one in attachments if one.name not in had)
        try:
            if more:
                raise BadInput("A message keeps the files it was sent with.", "Take out the others; esc ends editing.")
            await asyncio.to_thread(editing.session.edit, editing.turn.id, text)
        except EdgemindError:
            if editing.session is self.session and self._editing is None:
                self._editing = editing
                self.composer.restore(text, more)
            else:
                self._give_back(text, more)
            raise
        if editing.session is self.session:
            if not (self.composer.draft or self.composer.attachments):
                self.composer.put_back(editing.before)
            self.reshow()
            self.show_facts()

    def _talking(self) -> Session | None:
        """The open chat when it has something in it and nothing is being written."""
        if self.session is None:
            self.notify("Nothing has been said here yet.", markup=False)
        elif self.session.live:
            self.notify("An answer is being written: esc stops it.", markup=False)
        else:
            return self.session
        return None

    # Branches

    def action_previous_branch(self) -> None:
        self.transcript.ask_branch(-1)

    def action_next_branch(self) -> None:
        self.transcript.ask_branch(1)

    def action_branch(self, argument: str = "") -> None:
        self.transcript.ask_branch(1 if argument.strip() in ("1", "+1", "next") else -1)

    def on_transcript_branch_asked(self, event: asked.BranchAsked) -> None:
        session = self._talking()
        if session:
            self.attempt(lambda: session.switch_branch(event.turn.id, event.step))
            self.reshow()
            self.show_facts()

    def on_transcript_retry_asked(self, event: asked.RetryAsked) -> None:
        self.action_retry()

    def on_transcript_continue_asked(self, event: asked.ContinueAsked) -> None:
        session = self._talking()
        if session and session.can_continue(event.turn.id):
            self.behind(self._continue(session, event.turn.id))

    def action_select_previous(self) -> None:
        self.transcript.select_previous()
        self._go_to_selected()

    def action_select_next(self) -> None:
        self.transcript.select_next()
        self._go_to_selected()

    def _go_to_selected(self) -> None:
        """The keys that the line below offers for a message are the transcript's."""
        if self.transcript.selected is not None:
            self.transcript.query_one(TranscriptView).focus()

    def on_key(self, event: events.Key) -> None:
        """What is typed on a message, and means nothing there, is meant for the composer."""
        if not isinstance(self.focused, TranscriptView) or event.key in self.active_bindings:
            return
        if event.character and event.is_printable:
            event.stop()
            self.composer.focus()
            self.composer.insert(event.character)

    # Copying

    def action_copy_message(self) -> None:
        self.transcript.copy_selected()

    def action_copy_code(self) -> None:
        self.transcript.copy_code()

    def on_transcript_copy_asked(self, event: asked.CopyAsked) -> None:
        self.app.copy_to_clipboard(event.text)
        self.notify(f"Copied: {event.what}", timeout=2, markup=False)

    # Reasoning and confidence

    def action_toggle_thought(self) -> None:
        self.transcript.toggle_thought()

    def action_find_in_thought(self) -> None:
        self.transcript.find_in_thought()

    def action_think(self, argument: str = "") -> None:
        """Reason or not, or at most so many tokens."""
        word = argument.strip().lower()
        if not word:
            now = self._parameters()
            budget = f", at most {now.thinking_budget:,} tokens" if now.thinking_budget is not None else ""
            self.notify(f"Reasoning is {now.thinking}{budget}. /think on, off, auto, or a number.", markup=False)
        elif word in ("on", "off", "auto"):
            self._change_parameters(thinking=word, thinking_budget=None)
        elif word.isdecimal() and int(word) < 1_000_000:
            self._change_parameters(thinking="auto", thinking_budget=int(word))
        else:
            self.complain(BadInput(f"/think does not know {word!r}.", "/think on, off, auto, or a number of tokens"))

    def action_toggle_confidence(self) -> None:
        shown = not self._parameters().confidence
        self._change_parameters(confidence=shown)
        self.transcript.set_confidence(shown)
        self.notify(
            "Guessed words are underlined, in answers from now on." if shown else "Guessed words are not marked.",
            markup=False,
        )

    def _parameters(self) -> Parameters:
        return self.session.chat.parameters if self.session else self.house.new_parameters()

    def _change_parameters(self, **changes: Any) -> None:
        def change() -> None:
            session = self.begun()
            session.set_parameters(session.chat.parameters.model_copy(update=changes))

        if self.attempt(change):
            self.show_facts()


class _Withdrawn(Exception):
    """The user does not want to send it after all."""

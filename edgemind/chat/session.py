"""What a face calls to hold one conversation: send, stop, regenerate, edit, continue, walk branches, change the model.

The user's message is in the history before a token is asked for; the answer follows at least once a second.
Not for: drawing, the threads of an answer (``answering``), what cannot be saved (``keeping``), which model is loaded
(``engines``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgemind.chat import prompting, titles
from edgemind.chat.answering import Answering, Asked
from edgemind.chat.attachments.types import Attachment, Choice, Fit, Passage
from edgemind.chat.keeping import Keeper, new_id
from edgemind.chat.live import Live
from edgemind.chat.types import Turn
from edgemind.errors import BadInput, EdgemindError, HistoryProblem

if TYPE_CHECKING:
    from edgemind.chat.engines import Engines
    from edgemind.chat.history import History
    from edgemind.chat.types import Chat, Parameters, Persona, Role, State

TITLE_SECONDS = 2.0
"""Of rest after an answer, before the model is asked for a title."""

TITLE_ANSWERS = 3
"""After so many answers no title is asked for any more."""

PAGE = 64
"""Messages read at once when a prompt is put together."""

ASSUMED_LIMIT = 131_072
"""Tokens of the context of a model that has not loaded yet."""


class Busy(BadInput):
    """An answer is being written."""


class Session:
    """One open chat. Methods may be called from any thread; those that write take as long as one commit.

    Args:
        history: where the chat is kept; ``History.in_memory()`` for one that touches no disk.
        titles: let the model make a title when it has nothing else to do.
        on_change: called, on any thread, when a generation ended, the title changed, or saving failed or works again.

    While an answer is written, what would change the conversation under it raises ``Busy``.
    """

    def __init__(
        self,
        history: History,
        engines: Engines,
        chat: Chat,
        *,
        titles: bool = True,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.on_change = on_change
        self._engines = engines
        self._keeper = Keeper(history, chat, self._changed)
        self._titles = titles
        self._lock = threading.RLock()
        self._answering: Answering | None = None
        self._latest: Answering | None = None
        """It may be over and not saved yet."""
        self._claimed = False
        """Somebody is committing a message whose answer is about to begin."""
        self._timer: threading.Timer | None = None
        self._answers = 0
        self._note = ""
        """What changed midway; told in the conversation before the next message."""
        self._closed = False

    @property
    def chat(self) -> Chat:
        """As it is now."""
        return self._keeper.chat

    @property
    def live(self) -> Live | None:
        """The answer that is being written; ``None`` when none is. Poll its ``take`` until ``Delta.over``."""
        answering = self._answering
        return answering.live if answering else None

    @property
    def not_saving(self) -> str:
        """Why nothing is being saved, in one sentence; empty while all is well."""
        return self._keeper.not_saving

    def page(self, before: str | None = None, limit: int = 50) -> list[Turn]:
        """Messages of the shown branch, oldest first: the last ``limit``, or those before a turn."""
        return self._keeper.page(before, limit)

    def turn(self, turn_id: str) -> Turn | None:
        """One message as it is now, also one that could not be saved."""
        return self._keeper.turn(turn_id)

    def siblings(self, turn_id: str) -> list[str]:
        """The ids of this turn and its alternatives, oldest first."""
        return self._keeper.siblings(turn_id)

    def fit(self, text: str, attachments: Sequence[Attachment] = ()) -> Fit:
        """Whether a message would fit the context; counted by the engine, so call it in a thread.

        Raises:
            EdgemindError: there is no model to count with.
        """
        from edgemind.chat.attachments import fitting

        return fitting.measure(self._engines.engine(), self.chat, text, attachments)

    def send(
        self, text: str, attachments: Sequence[Attachment] = (), choice: Choice | None = None
    ) -> tuple[Turn, Turn]:
        """Commit the message, then begin the answer; returns the user's turn and the answer's, still empty.

        Args:
            choice: what to do with attachments that do not fit; without one they are sent whole and the engine
                refuses what is too long.

        Raises:
            Busy: an answer is being written.
            BadInput: there is nothing to send.
        """
        if not (text.strip() or attachments):
            raise BadInput("There is nothing to send.", "Write something first.")
        with _claim(self):
            self._announce()
            user = self._turn("user", self.chat.leaf, content=_storable(text))
            user = self._keeper.add(user, attachments)
            if not self.chat.title and not self.chat.titled:
                self._keeper.update_chat(title=titles.first_words(text) or attachments[0].name)
            return user, self._answer(user, choice=choice if attachments else None)

    def regenerate(self, turn_id: str | None = None) -> Turn:
        """Write another answer in place of this one (the last one by default); the old one stays as a branch."""
        with _claim(self):
            return self._again(self._found(turn_id))

    def retry(self) -> Turn:
        """Ask again after a failure or an interruption: the partial answer stays as a branch."""
        with _claim(self):
            return self._again(self._found(None))

    def edit(self, turn_id: str, text: str) -> tuple[Turn, Turn | None]:
        """Say an earlier message differently, as a new branch. A user's message is answered; an answer stays as typed.

        Returns:
            The new turn, and the answer's, if one is being written.
        """
        if not text.strip():
            raise BadInput("There is nothing to send.", "Write something first.")
        with _claim(self):
            old = self._found(turn_id)
            new = self._turn(old.role, old.parent, content=_storable(text), model=old.model)
            attachments = self._keeper.attachments(old.id) if old.attachments else ()
            again = any(attachment.info.treatment == "passages" for attachment in attachments)
            new = self._keeper.add(new, attachments, beside=old.id)
            return new, (self._answer(new, "passages" if again else None) if new.role == "user" else None)

    def continue_answer(self, turn_id: str | None = None) -> Turn:
        """Go on where an answer was cut, stopped or interrupted; the text joins what is there."""
        with _claim(self):
            turn = self._found(turn_id)
            if not _continuable(turn):
                raise BadInput("This answer is complete.", "ctrl+r writes another one.")
            if turn.id != self.chat.leaf:
                self._keeper.update_chat(leaf=turn.id)
            turn = replace(turn, state="writing", error="")
            self._keeper.save(turn)
            self._begin(turn, None)
            return turn

    def can_continue(self, turn_id: str | None = None) -> bool:
        """Whether ``continue_answer`` would do anything."""
        turn = self._keeper.turn(turn_id or self.chat.leaf or "")
        return turn is not None and _continuable(turn) and not self._busy

    def stop(self) -> None:
        """End the answer that is being written and keep what is there; also stops while a model loads."""
        answering = self._answering
        if answering:
            answering.stop()

    def answer_now(self) -> None:
        """End the thought and let the model answer."""
        answering = self._answering
        if answering:
            answering.answer_now()

    def switch_branch(self, turn_id: str, step: int) -> Turn:
        """Show the alternative ``step`` places on (-1, 1); stays at the ends. Returns the turn that is shown now."""
        with _claim(self):
            ids = self._keeper.siblings(turn_id)
            shown = ids[min(max(ids.index(turn_id) + step, 0), len(ids) - 1)] if turn_id in ids else turn_id
            if shown != turn_id:
                self._keeper.update_chat(leaf=self._keeper.leaf_below(shown))
            return self._found(shown)

    def set_model(self, name: str) -> None:
        """Answer with another model from now on; the old worker ends, the next one loads."""
        self.stop()
        self._keeper.update_chat(model=name)
        self._engines.load(name)

    def set_system(self, text: str) -> None:
        """Another system prompt from now on."""
        if text != self.chat.system:
            self._keeper.update_chat(system=_storable(text), persona=None)
            self._note = "Another system prompt from here on." if text.strip() else "No system prompt from here on."

    def set_parameters(self, parameters: Parameters) -> None:
        """How answers are made from now on."""
        self._keeper.update_chat(parameters=parameters)

    def set_persona(self, persona: Persona | None) -> None:
        """System prompt and parameters of a persona from now on; ``None`` takes its name off."""
        if persona is None:
            self._keeper.update_chat(persona=None)
            return
        self._keeper.update_chat(persona=persona.name, system=persona.system, parameters=persona.parameters)
        self._note = f"The persona {persona.name} from here on."

    def rename(self, title: str) -> None:
        """A title by the user; the model makes none any more. An empty one gives that back to the model."""
        self._keeper.update_chat(title=title.strip(), titled=bool(title.strip()))
        self._changed()

    def shelve(self, **changes: Any) -> None:
        """Where the chat stands among others: ``folder``, ``tags``, ``pinned``."""
        self._keeper.update_chat(**changes)
        self._changed()

    def close(self, *, wait: float = 2.0) -> None:
        """Stop, save what is there, and end the threads; the session is of no use afterwards."""
        with self._lock:
            self._closed = True
            answering, latest = self._answering, self._latest
        self._rest()
        if answering:
            answering.stop()
        if latest:
            latest.wait(wait)
        self._keeper.close()

    # Beginning an answer.

    @property
    def _busy(self) -> bool:
        return self._claimed or self._answering is not None

    def _turn(
        self,
        role: Role,
        parent: str | None,
        *,
        content: str = "",
        model: str | None = None,
        state: State = "done",
        passages: Sequence[Passage] = (),
    ) -> Turn:
        return Turn(
            id=new_id(),
            chat=self.chat.id,
            parent=parent,
            role=role,
            content=content,
            model=model,
            state=state,
            passages=tuple(passages),
        )

    def _found(self, turn_id: str | None) -> Turn:
        turn = self._keeper.turn(turn_id or self.chat.leaf or "")
        if turn is None or turn.chat != self.chat.id:  # what is put under it could never be saved in this chat
            raise BadInput("There is no such message in this chat.", "Select another one.")
        return turn

    def _announce(self) -> None:
        """Tell in the conversation what was changed midway."""
        note, self._note = self._note, ""
        if note and self.chat.leaf:
            self._keeper.add(self._turn("note", self.chat.leaf, content=note))

    def _again(self, turn: Turn) -> Turn:
        """Another answer beside this one, or the first one to a message that has none."""
        if turn.role != "assistant":
            return self._answer(turn)
        if not (turn.content.strip() or turn.reasoning.strip()):  # nothing that is worth a branch
            turn = replace(turn, state="writing", error="", content="", reasoning="", steps=(), stats=None)
            self._keeper.update_chat(leaf=turn.id)
            self._keeper.save(turn)
            self._begin(turn, None)
            return turn
        new = self._turn("assistant", turn.parent, state="writing", passages=turn.passages, model=self._engines.name)
        new = self._keeper.add(new, beside=turn.id)
        self._begin(new, None)
        return new

    def _answer(self, user: Turn, choice: Choice | None = None) -> Turn:
        turn = self._turn("assistant", user.id, state="writing", model=self._engines.name)
        turn = self._keeper.add(turn)
        self._begin(turn, choice)
        return turn

    def _begin(self, turn: Turn, choice: Choice | None) -> None:
        try:
            budget = prompting.budget_of(self.chat.parameters, self._engines.settings)
        except EdgemindError:  # the settings are damaged: asking for the request says so, as the answer's failure
            budget = None
        with self._lock:
            if self._closed:
                raise BadInput("The chat was closed.", "Open it again.")
            answering = Answering(
                turn, self._keeper, self._engines, lambda one: self._ask(one, choice), self._ended, budget
            )
            self._answering = self._latest = answering
        answering.start()

    def _ask(self, answering: Answering, choice: Choice | None) -> Asked:
        """On the reading thread: the right model, attachments made to fit, the conversation as far as it may count."""
        wanted = self.chat.model
        if wanted and not self._engines.has(wanted):
            self._engines.load(wanted)
        if choice:
            self._make_fit(answering, choice)
        turn = answering.turn
        turns, left_out = self._before(turn)
        asked = prompting.messages(self.chat, turns, self._keeper.given)
        self._engines.engine(lambda: answering.stopped)  # knows which model it is, and with it whether that one thinks
        request = prompting.request(
            asked,
            self.chat.parameters,
            self._engines.settings,
            self._engines.thinking,
            begun=turn if turn.content or turn.reasoning else None,
        )
        return Asked(request, left_out)

    def _make_fit(self, answering: Answering, choice: Choice) -> None:
        """Give the model less of the attachments, in the way that the user chose; keep what was given."""
        from edgemind.chat.attachments import fitting

        user = self._found(answering.turn.parent)
        attachments = self._keeper.attachments(user.id)
        engine = self._engines.engine(lambda: answering.stopped)
        fitted, passages = fitting.fit(
            engine, self.chat, user.content, attachments, choice, say=answering.live.say, check=answering.check
        )
        self._keeper.save_attachments(user.id, fitted)
        if passages:
            answering.turn = replace(answering.turn, passages=passages)

    def _before(self, turn: Turn) -> tuple[list[Turn], int]:
        """The messages before an answer, oldest first, as far back as can be in the context; how many user's messages
        are further back."""
        info = self._engines.info
        budget = (info.context_limit if info else ASSUMED_LIMIT) * prompting.CHARACTERS_A_TOKEN
        found: list[Turn] = []
        at: str | None = turn.id
        while at is not None and budget > 0:
            page = self._keeper.page(at, PAGE)
            for one in reversed(page):
                found.append(replace(one, steps=(), confidence=()))
                budget -= len(one.content)
            at = page[0].id if len(page) == PAGE else None
        found.reverse()
        left_out = 0
        while at is not None:
            page = self._keeper.page(at, 8 * PAGE)
            left_out += sum(one.role == "user" for one in page)
            at = page[0].id if len(page) == 8 * PAGE else None
        while found and left_out and found[0].role != "user":  # the answer to a message that is left out
            del found[0]
        return found, left_out

    def _ended(self, turn: Turn) -> None:
        with self._lock:
            self._answering = None
            self._answers += 1
            closed = self._closed
        if not closed and turn.state == "done" and self._titles and not self.chat.titled:
            self._title_later()
        self._changed()

    # Titles.

    def _title_later(self) -> None:
        if self._answers > TITLE_ANSWERS:
            return
        timer = threading.Timer(TITLE_SECONDS, self._make_title)
        timer.daemon = True
        with self._lock:
            if self._closed or self._busy:
                return
            self._timer = timer
            timer.start()

    def _make_title(self) -> None:
        try:
            turns = self._keeper.page(None, 8)
        except HistoryProblem:
            return
        asked = next((turn.content for turn in turns if turn.role == "user"), "")
        answered = next((turn.content for turn in turns if turn.role == "assistant"), "")
        if not asked.strip() or self._closed or self._busy:
            return
        try:
            events = self._engines.in_idleness(titles.request(asked, answered))
        except EdgemindError:
            return
        title = titles.title_of(events or [], asked, answered)
        if title and not (self._closed or self.chat.titled):
            self._keeper.update_chat(title=title, titled=True)
            self._changed()

    def _rest(self) -> None:
        """No title now."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer:
            timer.cancel()

    def _changed(self) -> None:
        if self.on_change:
            self.on_change()


class _claim:  # noqa: N801
    """While a message is committed nobody else begins an answer.

    Raises:
        Busy: somebody has.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        session = self._session
        with session._lock:
            if session._busy:
                raise Busy("An answer is being written.", "escape stops it.")
            if session._closed:
                raise BadInput("The chat was closed.", "Open it again.")
            session._claimed = True
        session._rest()

    def __exit__(self, *_: object) -> None:
        self._session._claimed = False


def _continuable(turn: Turn) -> bool:
    return (
        turn.role == "assistant"
        and turn.state in ("cut", "stopped", "interrupted", "failed")
        and bool(turn.content or turn.reasoning)
    )


def _storable(text: str) -> str:
    """Without halves of surrogate pairs: what a terminal or a file brings can hold them, UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()

"""What a face calls to hold one conversation: send, stop, regenerate, edit, continue, walk branches, change the model.

The user's message is in the history before a token is asked for; the answer follows at least once a second.
Not for: drawing, keeping (``history``), which model is loaded (``engines``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edgemind.chat.attachments.types import Attachment, Choice, Fit
from edgemind.chat.live import Live

if TYPE_CHECKING:
    from edgemind.chat.engines import Engines
    from edgemind.chat.history import History
    from edgemind.chat.types import Chat, Parameters, Persona, Turn


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

    @property
    def chat(self) -> Chat:
        """As it is now."""
        raise NotImplementedError

    @property
    def live(self) -> Live | None:
        """The answer that is being written; ``None`` when none is. Poll its ``take`` until ``Delta.over``."""
        raise NotImplementedError

    @property
    def not_saving(self) -> str:
        """Why nothing is being saved, in one sentence; empty while all is well."""
        raise NotImplementedError

    def page(self, before: str | None = None, limit: int = 50) -> list[Turn]:
        """Messages of the shown branch, oldest first: the last ``limit``, or those before a turn."""
        raise NotImplementedError

    def turn(self, turn_id: str) -> Turn | None:
        """One message as it is now, also one that could not be saved."""
        raise NotImplementedError

    def siblings(self, turn_id: str) -> list[str]:
        """The ids of this turn and its alternatives, oldest first."""
        raise NotImplementedError

    def fit(self, text: str, attachments: Sequence[Attachment] = ()) -> Fit:
        """Whether a message would fit the context; counted by the engine, so call it in a thread.

        Raises:
            EdgemindError: there is no model to count with.
        """
        raise NotImplementedError

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
        raise NotImplementedError

    def regenerate(self, turn_id: str | None = None) -> Turn:
        """Write another answer in place of this one (the last one by default); the old one stays as a branch."""
        raise NotImplementedError

    def retry(self) -> Turn:
        """Ask again after a failure or an interruption: the partial answer stays as a branch."""
        raise NotImplementedError

    def edit(self, turn_id: str, text: str) -> tuple[Turn, Turn | None]:
        """Say an earlier message differently, as a new branch. A user's message is answered; an answer is kept as typed.

        Returns:
            The new turn, and the answer's, if one is being written.
        """
        raise NotImplementedError

    def continue_answer(self, turn_id: str | None = None) -> Turn:
        """Go on where an answer was cut, stopped or interrupted; the text joins what is there."""
        raise NotImplementedError

    def can_continue(self, turn_id: str | None = None) -> bool:
        """Whether ``continue_answer`` would do anything."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the answer that is being written and keep what is there; also stops while a model loads."""

    def answer_now(self) -> None:
        """End the thought and let the model answer."""

    def switch_branch(self, turn_id: str, step: int) -> Turn:
        """Show the alternative ``step`` places on (-1, 1); stays at the ends. Returns the turn that is shown now."""
        raise NotImplementedError

    def set_model(self, name: str) -> None:
        """Answer with another model from now on; the old worker ends, the next one loads."""

    def set_system(self, text: str) -> None:
        """Another system prompt from now on."""

    def set_parameters(self, parameters: Parameters) -> None:
        """How answers are made from now on."""

    def set_persona(self, persona: Persona | None) -> None:
        """System prompt and parameters of a persona from now on; ``None`` takes its name off."""

    def rename(self, title: str) -> None:
        """A title by the user; the model makes none any more."""

    def close(self, *, wait: float = 2.0) -> None:
        """Stop, save what is there, and end the threads; the session is of no use afterwards."""

"""Where the user writes: a field that grows, chips for what is attached, completion of files and commands.

Not for: talking to a model or to the history; it posts messages, and is given what it needs as plain callables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

if TYPE_CHECKING:
    from edgemind.chat.attachments.types import Attachment


class SlashCommand(Protocol):
    """What the composer needs of a row of the command table."""

    @property
    def name(self) -> str: ...

    @property
    def argument(self) -> str:
        """What may follow, as a word for the help line (``[title]``); empty when nothing does."""

    @property
    def help(self) -> str: ...


class Drafts(Protocol):
    """Where unsent text waits; ``History`` is one. Called from a thread."""

    def draft(self, chat: str) -> str: ...

    def set_draft(self, chat: str, text: str) -> None: ...


class Composer(Widget):
    """The field at the foot of a chat.

    Args:
        commands: the table of slash commands.
        read: turns a file into an attachment; called in a thread, may raise ``EdgemindError``.
        count: tokens of a text, ``None`` while no model is loaded; called in a thread.
        folder: where ``@`` looks for files.
    """

    busy: reactive[bool] = reactive(False)
    """An answer is being written: enter sends nothing then, and says how to stop it."""

    class Submitted(Message):
        """The user sends a message; the field is empty again."""

        def __init__(self, text: str, attachments: tuple[Attachment, ...]) -> None:
            super().__init__()
            self.text = text
            self.attachments = attachments

    class CommandAsked(Message):
        """A slash command of the table was entered."""

        def __init__(self, name: str, argument: str) -> None:
            super().__init__()
            self.name = name
            self.argument = argument

    def __init__(
        self,
        commands: Sequence[SlashCommand] = (),
        *,
        read: Callable[[Path], Attachment] | None = None,
        count: Callable[[str], int | None] | None = None,
        folder: Path | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)

    def open_chat(self, chat: str, drafts: Drafts | None, earlier: Sequence[str] = ()) -> None:
        """Belong to another chat: its draft comes back, and up/down walk ``earlier`` (its user's messages, oldest
        first). What was unsent before is kept as the draft of the chat that is left."""

    def set_text(self, text: str) -> None:
        """Replace what is written; the cursor goes to the end."""

    @property
    def draft(self) -> str:
        """What is written and not sent."""
        return ""

    @property
    def selected_text(self) -> str:
        """For ctrl+c."""
        return ""

    def add_attachment(self, path: Path) -> None:
        """Read a file in a thread and show it as a chip; what cannot be read is said in the field's own line."""

    def attach(self, attachment: Attachment) -> None:
        """Show an attachment that has been read already."""

    def recount(self) -> None:
        """Another model: count the tokens of the chips again."""

    def say(self, text: str) -> None:
        """One line above the field, until the next key."""

    def save_draft(self) -> None:
        """Hand the draft to the store at once: before a lock, a switch, an end."""

    def forget(self) -> None:
        """Drop every text: before a lock. The draft is saved first by the caller."""

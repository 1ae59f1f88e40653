"""The conversation on the screen: a window of lines over any number of messages, anchored to its end while text streams.

``Transcript`` is what a screen composes and talks to. It holds the scrolled view, the line that finds inside a thought
and the one-line hint at its lower edge. Not for: generating, storing or walking branches (messages posted upwards ask
the app for that), the composer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget

if TYPE_CHECKING:
    from edgemind.chat.live import Delta
    from edgemind.chat.types import Turn

Older = Callable[[str], "list[Turn]"]
"""The turns before the one with this id, oldest first; empty when there are none. Called when their place is shown."""

Branches = Callable[[str], "tuple[int, int]"]
"""Position (from 1) and number of a turn among its siblings. Called once for each turn that is shown."""


class LiveMessage:
    """The answer that is being written; what a session's ``live`` says goes in here."""

    def update(self, delta: Delta) -> None:
        """Show what came since the last call; cheap whatever the length of the answer. Call at 15 to 20 Hz."""

    def end(self, turn: Turn) -> None:
        """The answer is written: show the turn as it was stored."""


class Transcript(Widget):
    """See the module. All methods are for the app's thread."""

    class BranchAsked(Message):
        """Show the sibling of ``turn`` that is ``step`` further."""

        def __init__(self, turn: Turn, step: int) -> None:
            super().__init__()
            self.turn, self.step = turn, step

    class EditAsked(Message):
        def __init__(self, turn: Turn) -> None:
            super().__init__()
            self.turn = turn

    class RetryAsked(Message):
        def __init__(self, turn: Turn) -> None:
            super().__init__()
            self.turn = turn

    class ContinueAsked(Message):
        """Go on with an answer that was cut."""

        def __init__(self, turn: Turn) -> None:
            super().__init__()
            self.turn = turn

    class CopyAsked(Message):
        """Put ``text``, as the model or the user wrote it, on the clipboard; ``what`` names it in one word or two."""

        def __init__(self, text: str, what: str) -> None:
            super().__init__()
            self.text, self.what = text, what

    class SelectionChanged(Message):
        """Another message is selected, or none."""

        def __init__(self, turn: Turn | None) -> None:
            super().__init__()
            self.turn = turn

    def compose(self) -> ComposeResult:
        yield from ()

    def show(self, turns: Sequence[Turn], older: Older | None = None, branches: Branches | None = None) -> None:
        """Show these turns, oldest first, scrolled to the end; what was shown before is dropped."""

    def append(self, turn: Turn) -> None:
        """One more turn at the end; scrolls there."""

    def replace(self, turn: Turn) -> None:
        """A turn that is shown has changed (its state, its branches)."""

    def begin(self, turn: Turn) -> LiveMessage:
        """An assistant's turn whose answer will stream. A turn that is shown already (a continued one) goes on there."""
        return LiveMessage()

    def note(self, text: str) -> None:
        """One line between messages, for what happened here; not stored."""

    def forget(self) -> None:
        """Drop every text (on locking)."""

    @property
    def selected(self) -> Turn | None:
        """The message chosen by keyboard or mouse."""
        return None

    def select_next(self) -> None:
        """Select the next message; after the last none is selected and the view is at its end again."""

    def select_previous(self) -> None:
        """Select the message before; from none, the last one."""

    def deselect(self) -> bool:
        """Whether there was anything to leave: the find line, a selection."""
        return False

    def toggle_thought(self) -> None:
        """Unfold or fold the thought of the selected message, else of the newest that has one."""

    def find_in_thought(self) -> None:
        """Open the line that finds inside the thought; asked again it goes to the next hit."""

    def step_next(self) -> None:
        """Jump to the next step of the unfolded thought."""

    def step_previous(self) -> None:
        """Jump to the step before."""

    def guess_next(self) -> None:
        """Jump to the next guessed word and say what else it might have been."""

    def guess_previous(self) -> None:
        """Jump to the guessed word before."""

    def copy_selected(self) -> None:
        """Ask (``CopyAsked``) for the selected message, else the newest answer."""

    def copy_code(self) -> None:
        """Ask for the code block in view of the selected message; asked again, the one before it."""

    def ask_branch(self, step: int) -> None:
        """Ask (``BranchAsked``) for a sibling of the selected message, else of the newest that has any."""

    def set_confidence(self, shown: bool) -> None:
        """Underline guessed words, or stop."""

    def go_home(self) -> None:
        """Scroll to the beginning."""

    def go_end(self) -> None:
        """Scroll to the end and stay there."""

"""The conversation on the screen: a window over any number of messages, which stays at its end while text comes.

``Transcript`` is what a screen composes and talks to. It holds the scrolled view, the line that finds inside a thought
and the one-line hint at its lower edge. Not for: generating, storing or walking branches (messages posted upwards ask
the app for that), the composer.
"""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from edgemind.tui.widgets import transcript_messages as messages
from edgemind.tui.widgets.markdown.lines import Guess
from edgemind.tui.widgets.message import MessageItem
from edgemind.tui.widgets.transcript_base import Branches, LiveMessage, Older
from edgemind.tui.widgets.transcript_marks import TranscriptMarks
from edgemind.tui.widgets.transcript_view import TranscriptView

__all__ = ["Branches", "LiveMessage", "Older", "Transcript"]


class Transcript(TranscriptMarks):
    """See the module. All methods are for the app's thread."""

    BranchAsked = messages.BranchAsked
    EditAsked = messages.EditAsked
    RetryAsked = messages.RetryAsked
    ContinueAsked = messages.ContinueAsked
    CopyAsked = messages.CopyAsked
    SelectionChanged = messages.SelectionChanged

    DEFAULT_CSS = """
    Transcript {
        height: 1fr;
        width: 1fr;
        layers: base over;
        & > #find-bar {
            layer: over;
            dock: bottom;
            display: none;
            height: 1;
            padding: 0 1;
            background: $panel;
            &.-open { display: block; }
            & > FindLine { width: 1fr; background: $panel; padding: 0; }
            & > #find-count { width: auto; color: $text-muted; }
        }
        & > #hint {
            layer: over;
            dock: bottom;
            display: none;
            width: 1fr;
            height: 1;
            padding: 0 1;
            background: $panel;
            color: $text-muted;
            &.-open { display: block; }
        }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("comma", "guess(-1)", "Guessed word before", show=False),
        Binding("full_stop", "guess(1)", "Next guessed word", show=False),
        Binding("c", "copy_message", "Copy", show=False),
        Binding("y", "copy_code", "Copy code", show=False),
        Binding("slash", "find", "Find in thought", show=False),
    ]

    # Copying and branches

    def copy_selected(self) -> None:
        """Ask (``CopyAsked``) for the selected message, else the newest answer."""
        item = self._selected or next((one for one in reversed(self.messages()) if not one.is_user), None)
        if item is not None and item.turn.content:
            self.post_message(self.CopyAsked(item.turn.content, "message"))

    def copy_code(self) -> None:
        """Ask for the last code block of the selected message; asked again, the one before it."""
        item = self._selected or next((one for one in reversed(self.messages()) if one.code), None)
        blocks = item.code if item else []
        if item is None or not blocks:
            self.say("no code block here")
            return
        self._code = (self._code - 1) % len(blocks) if self._code >= 0 else len(blocks) - 1
        text = blocks[self._code]
        self._view.lay_out(item)
        line = item.line_of_code(self._code)
        self._view.show_lines(item, line, line + text.count("\n") + 1)
        which = f"code block {self._code + 1} of {len(blocks)}" if len(blocks) > 1 else "code block"
        self.post_message(self.CopyAsked(text, which))

    def ask_branch(self, step: int) -> None:
        """Ask (``BranchAsked``) for a sibling of the selected message, else of the newest that has any."""
        item = self._selected
        if item is None:
            item = next((one for one in reversed(self.messages()) if one.branch and one.branch[1] > 1), None)
        if item is not None:
            self.post_message(self.BranchAsked(item.turn, step))

    # Moving

    def go_home(self) -> None:
        """Scroll to the beginning."""
        self._view.go_home()

    def go_end(self) -> None:
        """Scroll to the end and stay there."""
        self._view.go_end()

    def on_transcript_view_moved(self, event: TranscriptView.Moved) -> None:
        event.stop()
        if self._view.at_end and self._new_below:
            self._new_below = False
            self._say()

    def on_transcript_view_sideways(self, event: TranscriptView.Sideways) -> None:
        event.stop()
        self._step(event.step)

    # The mouse

    def on_transcript_view_clicked(self, event: TranscriptView.Clicked) -> None:
        event.stop()
        item, mark = event.item, event.mark
        if not isinstance(item, MessageItem):
            return
        if isinstance(mark, str):
            self.say(mark)
            self.post_message(self.CopyAsked(mark, "address"))
        elif isinstance(mark, Guess) and self._view.palette.guesses:
            self.show_guess((item, mark))
        elif isinstance(mark, tuple) and mark[0] == "thought":
            if item.toggle_thought():
                self._lay_out(item)
        elif isinstance(mark, tuple) and mark[0] == "branch":
            self.post_message(self.BranchAsked(item.turn, mark[1]))
        elif isinstance(mark, tuple) and mark[0] == "continue":
            self.post_message(self.ContinueAsked(item.turn))
        elif isinstance(mark, tuple) and mark[0] == "retry":
            self.post_message(self.RetryAsked(item.turn))
        else:
            self._select(item if item is not self._selected else None, scroll=False)

    def on_transcript_view_hovered(self, event: TranscriptView.Hovered) -> None:
        event.stop()
        if isinstance(event.mark, Guess) and isinstance(event.item, MessageItem) and self._view.palette.guesses:
            self.say(event.item.guess_words(event.mark))
        elif isinstance(event.mark, str):
            self.say(event.mark)
        else:
            self._say()

    def action_guess(self, step: int) -> None:
        self._walk_guesses(step)

    def action_copy_message(self) -> None:
        self.copy_selected()

    def action_copy_code(self) -> None:
        self.copy_code()

    def action_find(self) -> None:
        self.find_in_thought()

"""What can be done with the marks of a transcript: thoughts and their steps, finding in them, guessed words.

Not for: drawing them (``thought``, ``confidence``).
"""

from __future__ import annotations

from textual import on
from textual.content import Content
from textual.widgets import Input

from edgemind.tui.widgets.find_line import FindLine
from edgemind.tui.widgets.message import MessageItem
from edgemind.tui.widgets.transcript_base import TranscriptBase


class TranscriptMarks(TranscriptBase):
    """See the module."""

    # The thought

    def _with_thought(self) -> MessageItem | None:
        if self._selected is not None and self._selected.has_thought:
            return self._selected
        return next((item for item in reversed(self.messages()) if item.has_thought), None)

    def toggle_thought(self) -> None:
        """Unfold or fold the thought of the selected message, else of the newest that has one."""
        item = self._with_thought()
        if item is not None and item.toggle_thought():
            self._lay_out(item)
            if not self._view.at_end or (item.thought.unfolded and not item.live):
                top = item.section_top("thought")
                self._view.show_lines(item, top, top)

    def _step(self, step: int) -> None:
        item = self._with_thought()
        if item is None or not item.thought.count:
            return
        if not item.thought.unfolded:
            item.toggle_thought()
        self._view.lay_out(item)
        thought = item.thought
        thought.step = (
            max(0, min(thought.count - 1, thought.step + step))
            if thought.step >= 0
            else (0 if step > 0 else thought.count - 1)
        )
        self._lay_out(item)
        first, last = item.step_lines(thought.step)
        self._view.show_lines(item, first, last)

    def find_in_thought(self) -> None:
        """Open the line that finds inside the thought; asked again it goes to the next hit."""
        if self._find_bar.has_class("-open"):
            self._go_to_hit(1)
            return
        item = self._with_thought()
        if item is None:
            self.say("there is no thought to search")
            return
        self._finding = item
        if not item.thought.unfolded:
            item.toggle_thought()
            self._lay_out(item)
        self._before_find = self.screen.focused
        self._find_bar.add_class("-open")
        self._hint.remove_class("-open")
        self._find.focus()
        self._look_for(self._find.value)

    @on(Input.Changed)
    def _find_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._look_for(event.value)

    @on(Input.Submitted)
    def _find_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._go_to_hit(1)

    @on(FindLine.Hit)
    def _find_hit(self, event: FindLine.Hit) -> None:
        event.stop()
        self._go_to_hit(event.step)

    @on(FindLine.Left)
    def _find_left(self, event: FindLine.Left) -> None:
        event.stop()
        self.leave_find()

    def _look_for(self, words: str) -> None:
        if self._finding is not None:
            self._finding.thought.find(words)
            self._go_to_hit(0)

    def _go_to_hit(self, step: int) -> None:
        item = self._finding
        if item is None:
            return
        item.thought.next_hit(step)
        self._lay_out(item)
        count = len(item.thought.hits)
        if count:
            line = item.section_top("thought") + item.thought.line_of_hit()
            self._view.show_lines(item, line, line + 2)
        words = f"{item.thought.hit + 1} of {count}" if count else "none" if self._find.value else ""
        self._count.update(Content(words))

    # Confidence

    def set_confidence(self, shown: bool) -> None:
        """Underline guessed words, or stop."""
        self._view.palette.guesses = shown
        self.show_guess(None)
        self._view.redraw()

    def _walk_guesses(self, step: int) -> None:
        item = self._guess[0] if self._guess else self._selected
        if item is None or not item.guesses:
            item = next((one for one in reversed(self.messages()) if one.guesses), None)
        if item is None or not self._view.palette.guesses:
            self.say("no guessed words (f4 marks them)" if not self._view.palette.guesses else "no guessed words")
            return
        self._view.lay_out(item)
        guesses = list(item.guesses)
        if self._guess and self._guess[0] is item and self._guess[1] in guesses:
            number = (guesses.index(self._guess[1]) + step) % len(guesses)
        else:
            number = 0 if step > 0 else len(guesses) - 1
        self.show_guess((item, guesses[number]))
        line = item.line_of_guess(guesses[number])
        self._view.show_lines(item, line, line + 1)

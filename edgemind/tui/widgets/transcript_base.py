"""The transcript's own state: what is shown, which message is selected, the line at the lower edge.

Not for: what keys and mouse do with it (``transcript``, ``transcript_marks``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from edgemind.errors import EdgemindError
from edgemind.terminal import clean_line
from edgemind.tui.widgets.find_line import FindLine
from edgemind.tui.widgets.markdown.lines import Guess, forget_widths
from edgemind.tui.widgets.message import Item, MessageItem, NoteItem
from edgemind.tui.widgets.transcript_messages import SelectionChanged
from edgemind.tui.widgets.transcript_view import TranscriptView

if TYPE_CHECKING:
    from edgemind.chat.live import Delta
    from edgemind.chat.types import Turn

Older = Callable[[str], "list[Turn]"]
"""The turns before the one with this id, oldest first; empty when there are none. Called when their place is shown."""

Branches = Callable[[str], "tuple[int, int]"]
"""Position (from 1) and number of a turn among its siblings. Called once for each turn that is shown."""


class LiveMessage:
    """The answer that is being written; what a session's ``live`` says goes in here."""

    def __init__(self, transcript: TranscriptBase, item: MessageItem) -> None:
        self._transcript, self._item = transcript, item

    def update(self, delta: Delta) -> None:
        """Show what came since the last call; cheap whatever the length of the answer. Call at 15 to 20 Hz."""
        self._transcript.grow(self._item, delta)

    def end(self, turn: Turn) -> None:
        """The answer is written: show the turn as it was stored."""
        self._transcript.end(self._item, turn)


class TranscriptBase(Widget):
    """See the module."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._view = TranscriptView()
        self._find = FindLine(placeholder="find in this thought")
        self._count = Static("", id="find-count", markup=False)
        self._find_bar = Horizontal(self._find, self._count, id="find-bar")
        self._hint = Static("", id="hint", markup=False)
        self._branches: Branches | None = None
        self._older: Older | None = None
        self._selected: MessageItem | None = None
        self._finding: MessageItem | None = None
        self._guess: tuple[MessageItem, Guess] | None = None
        self._code = -1
        self._new_below = False
        self._colours: Timer | None = None
        self._before_find: Widget | None = None

    def compose(self) -> ComposeResult:
        self._view.seen = self._seen
        yield self._view
        yield self._find_bar
        yield self._hint

    def focus(self, scroll_visible: bool = True) -> TranscriptBase:
        """The keys of the transcript are those of its view."""
        self._view.focus(scroll_visible)
        return self

    @property
    def view(self) -> TranscriptView:
        """The scrolled view."""
        return self._view

    # What is shown

    def show(self, turns: Sequence[Turn], older: Older | None = None, branches: Branches | None = None) -> None:
        """Show these turns, oldest first, scrolled to the end; what was shown before is dropped."""
        self.leave_find()
        self._branches, self._older = branches, older
        self._selected = self._finding = self._guess = None
        self._new_below = False
        self._view.older = self._load_older if older else None
        self._view.set_items([_item(turn) for turn in turns])
        self._view.refresh()
        self._say()

    def append(self, turn: Turn) -> None:
        """One more turn at the end; scrolls there."""
        self._view.at_end = True
        self._view.add(_item(turn))
        self._view.refresh()

    def replace(self, turn: Turn) -> None:
        """A turn that is shown has changed (its state, its branches)."""
        if item := self._item_of(turn.id):
            item.replace(turn)
            self._lay_out(item)

    def begin(self, turn: Turn) -> LiveMessage:
        """An assistant's turn whose answer will stream; one that is shown already (a continued one) goes on there."""
        item = self._item_of(turn.id)
        if item is None:
            item = MessageItem(turn, live=True)
            self._view.at_end = True
            self._view.add(item)
        else:
            item.go_on(turn)
            self._view.at_end = True
            self._lay_out(item)
        self._view.refresh()
        return LiveMessage(self, item)

    def grow(self, item: MessageItem, delta: Delta) -> None:
        """What came for a live message."""
        view = self._view
        if view.index_of(item) < 0:
            return  # another chat is shown meanwhile
        if not item.laid_out or not view.size.width:
            item.absorb(delta)
            return
        first = item.update(delta)
        view.changed(item, first)
        for number in item.busy_lines:
            view.line_changed(item, number)
        if not view.at_end and not self._new_below and (delta.answer or delta.thinking):
            self._new_below = True
            self._say()
        self._wait_for_colours(item)

    def end(self, item: MessageItem, turn: Turn) -> None:
        """A live message is complete."""
        if self._view.index_of(item) >= 0:
            item.end(turn)
            self._lay_out(item)

    def note(self, text: str) -> None:
        """One line between messages, for what happened here; not stored."""
        self._view.add(NoteItem(text))
        self._view.refresh()

    def forget(self) -> None:
        """Drop every text (on locking), and what libraries have kept of them to be faster."""
        self._find.value = ""
        self.show(())
        self._hint.update("")
        self._count.update("")
        forget_widths()
        re.purge()  # what was looked for is the key of a compiled pattern

    def _lay_out(self, item: MessageItem) -> None:
        view = self._view
        if item.laid_out and view.size.width:
            self._seen(item)
            view.lay_out(item)
            view.refresh()

    def _seen(self, item: Item) -> None:
        if isinstance(item, MessageItem):
            if item.branch is None and self._branches is not None:
                try:
                    item.branch = self._branches(item.turn.id)
                except EdgemindError as problem:
                    self._complain(problem)
            self._wait_for_colours(item)

    def _load_older(self) -> list[Item] | None:
        first = next((item for item in self._view.items if isinstance(item, MessageItem)), None)
        if self._older is None or first is None:
            return []
        try:
            return [_item(turn) for turn in self._older(first.turn.id)]
        except EdgemindError as problem:
            self._complain(problem)
            return None

    def _complain(self, problem: EdgemindError) -> None:
        """The history could not be read: scrolling tries again."""
        self.say(f"{problem.message} {problem.hint}".strip())

    def _item_of(self, turn_id: str) -> MessageItem | None:
        for item in reversed(self._view.items):
            if isinstance(item, MessageItem) and item.turn.id == turn_id:
                return item
        return None

    def messages(self) -> list[MessageItem]:
        return [item for item in self._view.items if isinstance(item, MessageItem)]

    def _wait_for_colours(self, item: MessageItem) -> None:
        """Draw again when the lexer of a code block has been imported."""
        if self._colours is None and item.is_waiting_for_colours:
            self._colours = self.set_timer(0.15, self._look_for_colours)

    def _look_for_colours(self) -> None:
        self._colours = None
        self._view.redraw()
        for item in list(self._view.built):
            if isinstance(item, MessageItem):
                self._wait_for_colours(item)

    def leave_find(self) -> None:
        """Close the line that finds."""
        self._find_bar.remove_class("-open")
        if self._finding is not None:
            self._finding.thought.find("")
            self._lay_out(self._finding)
            self._finding = None
        if self._before_find is not None and self._before_find.is_attached:
            self._before_find.focus()
        self._before_find = None
        self._say()

    def show_guess(self, guess: tuple[MessageItem, Guess] | None) -> None:
        """Mark a guessed word and say what it might have been; ``None``: leave it."""
        before, self._guess = self._guess, guess
        self._view.palette.current_guess = guess[1] if guess else None
        for one in (before, guess):
            if one is not None:
                self._view.changed(one[0])
        self._say()

    # Selecting a message

    @property
    def selected(self) -> Turn | None:
        """The message chosen by keyboard or mouse."""
        return self._selected.turn if self._selected else None

    def select_next(self) -> None:
        """Select the next message; after the last none is selected and the view is at its end again."""
        if self._selected is None:
            self._view.go_end()
            return
        messages = self.messages()
        number = messages.index(self._selected) + 1
        if number == len(messages):
            self._select(None)
            self._view.go_end()
        else:
            self._select(messages[number])

    def select_previous(self) -> None:
        """Select the message before; from none, the last one."""
        messages = self.messages()
        if not messages:
            return
        if self._selected is None:
            self._select(messages[-1])
            return
        number = messages.index(self._selected) - 1
        if number < 0 and self._view.load_more():
            messages = self.messages()
            number = messages.index(self._selected) - 1
        if number >= 0:
            self._select(messages[number])

    def select(self, turn_id: str) -> bool:
        """Select a message by its id and show it, older ones that were not loaded yet too; whether it is here."""
        item = self._item_of(turn_id)
        while item is None and self._view.load_more():
            item = self._item_of(turn_id)
        if item is not None:
            self._select(item)
        return item is not None

    def deselect(self) -> bool:
        """Whether there was anything to leave: the find line, a guessed word, a selection."""
        if self._find_bar.has_class("-open"):
            self.leave_find()
        elif self._guess is not None:
            self.show_guess(None)
        elif self._selected is not None:
            self._select(None)
        else:
            return False
        return True

    def _select(self, item: MessageItem | None, *, scroll: bool = True) -> None:
        before, self._selected = self._selected, item
        self._code = -1
        for one in (before, item):
            if one is not None:
                one.selected = one is item
                self._view.changed(one)
        if item is not None and scroll:
            self._view.show_item(item)
        if before is not item:
            self.post_message(SelectionChanged(item.turn if item else None))
        self._say()

    # The line at the lower edge

    def say(self, text: str) -> None:
        """Show one line over the lower edge until something else is to be said there; empty: none."""
        if self._finding is not None:
            return
        self._hint.update(Content(clean_line(text)))
        self._hint.set_class(bool(text), "-open")

    def _say(self) -> None:
        if self._guess is not None:
            self.say(self._guess[0].guess_words(self._guess[1]))
        elif self._new_below:
            self.say("↓ new text below (end)")
        elif self._selected is not None:
            self.say(_keys(self._selected))
        else:
            self.say("")


def _item(turn: Turn) -> Item:
    return NoteItem(turn.content) if turn.role == "note" else MessageItem(turn)


def _keys(item: MessageItem) -> str:
    parts = ["c copy"]
    if item.code:
        parts.append("y copy code")
    parts.append("ctrl+e edit" if item.is_user else "ctrl+r again")
    if item.has_thought:
        parts.append("ctrl+t thought")
    if item.branch and item.branch[1] > 1:
        parts.append(f"alt+←/→ branch {item.branch[0]}/{item.branch[1]}")
    return " · ".join(parts) + " · esc"

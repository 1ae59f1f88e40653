"""The conversation on the screen: a window of lines over any number of messages, anchored to its end while text streams.

``Transcript`` is what a screen composes and talks to. It holds the scrolled view, the line that finds inside a thought
and the one-line hint at its lower edge. Not for: generating, storing or walking branches (messages posted upwards ask
the app for that), the composer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from edgemind.terminal import clean_line
from edgemind.tui.widgets.markdown.lines import Guess
from edgemind.tui.widgets.message import Item, MessageItem, NoteItem
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

    def __init__(self, transcript: Transcript, item: MessageItem) -> None:
        self._transcript, self._item = transcript, item

    def update(self, delta: Delta) -> None:
        """Show what came since the last call; cheap whatever the length of the answer. Call at 15 to 20 Hz."""
        self._transcript.grow(self._item, delta)

    def end(self, turn: Turn) -> None:
        """The answer is written: show the turn as it was stored."""
        self._transcript.end(self._item, turn)


class FindLine(Input):
    """What is looked for inside a thought; enter and the arrows go from hit to hit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "hit(1)", "Next hit", show=False),
        Binding("up", "hit(-1)", "Hit before", show=False),
        Binding("f3", "hit(1)", "Next hit", show=False),
        Binding("escape", "leave", "Close", show=False),
    ]

    class Hit(Message):
        """Go to another hit."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    class Left(Message):
        """Close the line."""

    def action_hit(self, step: int) -> None:
        self.post_message(self.Hit(step))

    def action_leave(self) -> None:
        self.post_message(self.Left())


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

    DEFAULT_CSS = """
    Transcript {
        height: 1fr;
        width: 1fr;
        layers: base over;
        & > FindLine {
            layer: over;
            dock: bottom;
            display: none;
            height: 1;
            border: none;
            padding: 0 1;
            background: $panel;
            &.-open { display: block; }
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
        Binding("left", "step(-1)", "Step before", show=False),
        Binding("right", "step(1)", "Next step", show=False),
        Binding("comma", "guess(-1)", "Guessed word before", show=False),
        Binding("full_stop", "guess(1)", "Next guessed word", show=False),
        Binding("c", "copy_message", "Copy", show=False),
        Binding("y", "copy_code", "Copy code", show=False),
        Binding("slash", "find", "Find in thought", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._view = TranscriptView()
        self._find = FindLine(placeholder="find in this thought", select_on_focus=False)
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
        yield self._find
        yield self._hint

    def focus(self, scroll_visible: bool = True) -> Transcript:
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
        self._leave_find()
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
        """An assistant's turn whose answer will stream. A turn that is shown already (a continued one) goes on there."""
        item = self._item_of(turn.id)
        if item is None:
            item = MessageItem(turn, live=True)
            self._view.at_end = True
            self._view.add(item)
        else:
            item.live = True
            item.replace(turn)
            self._view.at_end = True
            self._lay_out(item)
        self._view.refresh()
        return LiveMessage(self, item)

    def grow(self, item: MessageItem, delta: Delta) -> None:
        """What came for a live message."""
        view = self._view
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
        item.end(turn)
        self._lay_out(item)

    def note(self, text: str) -> None:
        """One line between messages, for what happened here; not stored."""
        self._view.add(NoteItem(text))
        self._view.refresh()

    def forget(self) -> None:
        """Drop every text (on locking)."""
        self._find.value = ""
        self.show(())
        self._hint.update("")

    def _lay_out(self, item: MessageItem) -> None:
        view = self._view
        if item.laid_out and view.size.width:
            item.layout(view.size.width)
            view.changed(item)
            view.refresh()

    def _seen(self, item: Item) -> None:
        if isinstance(item, MessageItem):
            if item.branch is None and self._branches is not None:
                item.branch = self._branches(item.turn.id)
            self._wait_for_colours(item)

    def _load_older(self) -> list[Item]:
        first = next((item for item in self._view.items if isinstance(item, MessageItem)), None)
        if self._older is None or first is None:
            return []
        return [_item(turn) for turn in self._older(first.turn.id)]

    def _item_of(self, turn_id: str) -> MessageItem | None:
        for item in reversed(self._view.items):
            if isinstance(item, MessageItem) and item.turn.id == turn_id:
                return item
        return None

    def _messages(self) -> list[MessageItem]:
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

    # Selecting a message

    @property
    def selected(self) -> Turn | None:
        """The message chosen by keyboard or mouse."""
        return self._selected.turn if self._selected else None

    def select_next(self) -> None:
        """Select the next message; after the last none is selected and the view is at its end again."""
        if self._selected is None:
            self.go_end()
            return
        messages = self._messages()
        number = messages.index(self._selected) + 1
        if number == len(messages):
            self._select(None)
            self.go_end()
        else:
            self._select(messages[number])

    def select_previous(self) -> None:
        """Select the message before; from none, the last one."""
        messages = self._messages()
        if not messages:
            return
        if self._selected is None:
            self._select(messages[-1])
            return
        number = messages.index(self._selected) - 1
        if number < 0 and self._view.load_more():
            messages = self._messages()
            number = messages.index(self._selected) - 1
        if number >= 0:
            self._select(messages[number])

    def select(self, turn_id: str) -> bool:
        """Select a message by its id and show it; whether it is here."""
        item = self._item_of(turn_id)
        if item is not None:
            self._select(item)
        return item is not None

    def deselect(self) -> bool:
        """Whether there was anything to leave: the find line, a guessed word, a selection."""
        if self._find.has_class("-open"):
            self._leave_find()
        elif self._guess is not None:
            self._show_guess(None)
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
            self.post_message(self.SelectionChanged(item.turn if item else None))
        self._say()

    def ask_branch(self, step: int) -> None:
        """Ask (``BranchAsked``) for a sibling of the selected message, else of the newest that has any."""
        item = self._selected
        if item is None:
            item = next((one for one in reversed(self._messages()) if one.branch and one.branch[1] > 1), None)
        if item is not None:
            self.post_message(self.BranchAsked(item.turn, step))

    # The thought

    def _with_thought(self) -> MessageItem | None:
        if self._selected is not None and self._selected.has_thought:
            return self._selected
        return next((item for item in reversed(self._messages()) if item.has_thought), None)

    def toggle_thought(self) -> None:
        """Unfold or fold the thought of the selected message, else of the newest that has one."""
        item = self._with_thought()
        if item is not None and item.toggle_thought():
            self._lay_out(item)
            if not self._view.at_end or (item.thought.unfolded and not item.live):
                top = item.section_top("thought")
                self._view.show_lines(item, top, top)

    def step_next(self) -> None:
        """Jump to the next step of the unfolded thought."""
        self._step(1)

    def step_previous(self) -> None:
        """Jump to the step before."""
        self._step(-1)

    def _step(self, step: int) -> None:
        item = self._with_thought()
        if item is None or not item.thought.count:
            return
        if not item.thought.unfolded:
            item.toggle_thought()
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
        if self._find.has_class("-open"):
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
        self._find.add_class("-open")
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
        self._leave_find()

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
        self._find.border_subtitle = None
        self._find.tooltip = None
        self.say(f"{item.thought.hit + 1} of {count}" if count else "no hit" if self._find.value else "")

    def _leave_find(self) -> None:
        self._find.remove_class("-open")
        if self._finding is not None:
            self._finding.thought.find("")
            self._lay_out(self._finding)
            self._finding = None
        if self._before_find is not None and self._before_find.is_attached:
            self._before_find.focus()
        self._before_find = None
        self._say()

    # Confidence

    def set_confidence(self, shown: bool) -> None:
        """Underline guessed words, or stop."""
        self._view.palette.guesses = shown
        self._show_guess(None)
        self._view.redraw()

    def guess_next(self) -> None:
        """Jump to the next guessed word and say what else it might have been."""
        self._walk_guesses(1)

    def guess_previous(self) -> None:
        """Jump to the guessed word before."""
        self._walk_guesses(-1)

    def _walk_guesses(self, step: int) -> None:
        item = self._guess[0] if self._guess else self._selected
        if item is None or not item.guesses:
            item = next((one for one in reversed(self._messages()) if one.guesses), None)
        if item is None or not self._view.palette.guesses:
            self.say("no guessed words (f4 marks them)" if not self._view.palette.guesses else "no guessed words")
            return
        guesses = list(item.guesses)
        if self._guess and self._guess[0] is item and self._guess[1] in guesses:
            number = (guesses.index(self._guess[1]) + step) % len(guesses)
        else:
            number = 0 if step > 0 else len(guesses) - 1
        self._show_guess((item, guesses[number]))
        line = item.line_of_guess(guesses[number])
        self._view.show_lines(item, line, line + 1)

    def _show_guess(self, guess: tuple[MessageItem, Guess] | None) -> None:
        before, self._guess = self._guess, guess
        self._view.palette.current_guess = guess[1] if guess else None
        for one in (before, guess):
            if one is not None:
                self._view.changed(one[0])
        self._say()

    # Copying

    def copy_selected(self) -> None:
        """Ask (``CopyAsked``) for the selected message, else the newest answer."""
        item = self._selected or next((one for one in reversed(self._messages()) if not one.is_user), None)
        if item is not None and item.turn.content:
            self.post_message(self.CopyAsked(item.turn.content, "message"))

    def copy_code(self) -> None:
        """Ask for the last code block of the selected message; asked again, the one before it."""
        item = self._selected or next((one for one in reversed(self._messages()) if one.code), None)
        blocks = item.code if item else []
        if item is None or not blocks:
            self.say("no code block here")
            return
        self._code = (self._code - 1) % len(blocks) if self._code >= 0 else len(blocks) - 1
        line, text = blocks[self._code]
        self._view.show_lines(item, line, line + text.count("\n") + 1)
        which = f"code block {self._code + 1} of {len(blocks)}" if len(blocks) > 1 else "code block"
        self.post_message(self.CopyAsked(text, which))

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
            self._show_guess((item, mark))
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

    # The line at the lower edge

    def say(self, text: str) -> None:
        """Show one line over the lower edge until something else is to be said there; empty: none."""
        self._hint.update(Content(clean_line(text)))
        self._hint.set_class(bool(text), "-open")

    def _say(self) -> None:
        if self._guess is not None:
            self.say(self._guess[0].guess_words(self._guess[1]))
        elif self._finding is not None:
            thought = self._finding.thought
            self.say(f"{thought.hit + 1} of {len(thought.hits)}" if thought.hits else "")
        elif self._new_below:
            self.say("↓ new text below (end)")
        elif self._selected is not None:
            self.say(_keys(self._selected))
        else:
            self.say("")

    def action_step(self, step: int) -> None:
        self._step(step)

    def action_guess(self, step: int) -> None:
        self._walk_guesses(step)

    def action_copy_message(self) -> None:
        self.copy_selected()

    def action_copy_code(self) -> None:
        self.copy_code()

    def action_find(self) -> None:
        self.find_in_thought()


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

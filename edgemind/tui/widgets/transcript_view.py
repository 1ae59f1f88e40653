"""The scrolled window over the lines of a conversation.

Only what is in sight, and a page around it, is laid out; the height of everything else is a guess until it comes near.
Lines in sight never move because something above them was measured. Strips are kept until their line changes, so a
frame of a streaming answer draws the lines that are new. Not for: what a message looks like (``message``), keys.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any, ClassVar

from textual import events
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.reactive import var
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from edgemind.tui.widgets.looks import COMPONENTS, LOOKS, Palette, selected, strip_of
from edgemind.tui.widgets.markdown.lines import Line, Piece, width_of
from edgemind.tui.widgets.message import EDGE, Item, MessageItem

KEPT = 60
"""Messages out of sight that stay laid out."""
KEPT_LINES = 500
"""Drawn lines of a message that are kept: a few screens, so that a frame never looks through a long answer."""
STRIDE = 1 << 20
"""Lines between two messages in the numbers that a text selection uses; they do not change when text comes."""


class TranscriptView(ScrollView, can_focus=True):
    """See the module."""

    COMPONENT_CLASSES: ClassVar[set[str]] = COMPONENTS
    DEFAULT_CSS = (
        """
    TranscriptView {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        scrollbar-background: $background;
        scrollbar-color: $foreground 20%;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
    }
    """
        + LOOKS
    )

    at_end = var(True)
    """Whether the end is in sight; then the view stays there while text comes."""

    class Clicked(Message):
        """A piece with a mark was clicked, or a message (``mark`` is ``None``)."""

        def __init__(self, item: Item, mark: object) -> None:
            super().__init__()
            self.item, self.mark = item, mark

    class Hovered(Message):
        """The mouse is over a piece with a mark now, or over none any more."""

        def __init__(self, item: Item | None, mark: object) -> None:
            super().__init__()
            self.item, self.mark = item, mark

    class Sideways(Message):
        """An arrow to the left (-1) or to the right (1): there is nothing to scroll there."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    class Moved(Message):
        """The view was scrolled, by whatever."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.items: list[Item] = []
        self.older: Callable[[], Iterable[Item] | None] | None = None
        """Asked for the items before the first, oldest first, when it comes near: an empty list when there are no more,
        ``None`` when they cannot be read now."""
        self.seen: Callable[[Item], None] = lambda item: None
        """Called before an item is drawn for the first time."""
        self.palette = Palette(self)
        self._keys: list[int] = []
        """The number of each item in text selections."""
        self._tops: list[int] = [0]
        self._strips: dict[int, dict[int, Strip]] = {}
        self._built: dict[Item, None] = {}
        """Items that are laid out, those used last at the end."""
        self._width = 0
        self._moving = False
        self._hovered: object = None

    # Items

    def set_items(self, items: Iterable[Item]) -> None:
        """Show these in place of what was there, from their end."""
        self.items = list(items)
        self._keys = list(range(len(self.items)))
        self._strips.clear()
        self._built.clear()
        self._hovered = self.palette.current_guess = None
        self._select_no_text()
        self._width = 0
        self.at_end = True
        self._measure()

    def add(self, item: Item) -> None:
        """One more item at the end."""
        self.items.append(item)
        self._keys.append(self._keys[-1] + 1 if self._keys else 0)
        if self._width:
            item.guess_height(self._width)
            self._settle()

    def lay_out(self, item: Item) -> None:
        """Lay out an item wherever it is; what is in sight stays where it is."""
        if self.index_of(item) < 0 or not self._width:
            return
        if not item.laid_out:
            self.seen(item)
        item.layout(self._width)
        self.changed(item)

    def changed(self, item: Item, first: int = 0) -> None:
        """The lines of an item from ``first`` on are others; it has been laid out. Cheap for the last item."""
        index = self.index_of(item)
        if index < 0 or not self._width:
            return
        self._built[item] = None
        strips = self._strips.get(self._keys[index])
        if strips:
            for number in [one for one in strips if one >= first]:
                del strips[number]
        old_height = self._tops[index + 1] - self._tops[index] if index + 1 < len(self._tops) else 0
        if item.height != old_height:
            above = self._tops[index] + first < self.scroll_offset.y and not self.at_end
            self._place(index)
            self._resize()
            if self.at_end:
                self._go(self.max_scroll_y)
            elif above:
                self._go(self.scroll_offset.y + item.height - old_height)
        self.refresh_item_lines(index, first, max(item.height, old_height))

    def line_changed(self, item: Item, number: int) -> None:
        """One line of an item is another."""
        index = self.index_of(item)
        if index >= 0:
            self._strips.get(self._keys[index], {}).pop(number, None)
            self.refresh_item_lines(index, number, number + 1)

    def refresh_item_lines(self, index: int, first: int, last: int) -> None:
        """Draw lines ``first`` to ``last`` (exclusive) of an item again, as far as they are in sight."""
        top = self._tops[index] - self.scroll_offset.y
        begin, end = max(0, top + first), min(self.size.height, top + last)
        if end > begin:
            self.refresh(Region(0, begin, self.size.width, end - begin))

    def index_of(self, item: Item) -> int:
        """Number of an item; -1 when it is not here. The last ones are found first."""
        for number in range(len(self.items) - 1, -1, -1):
            if self.items[number] is item:
                return number
        return -1

    def redraw(self) -> None:
        """Draw everything in sight again."""
        self._strips.clear()
        self.palette.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.palette.clear()
        self._strips.clear()

    # Where things are

    def _place(self, first: int = 0) -> None:
        """Sum up heights from an item on."""
        del self._tops[first + 1 :]
        heights = (item.height for item in self.items[first:])
        self._tops += list(accumulate(heights, initial=self._tops[-1]))[1:]

    @property
    def line_width(self) -> int:
        """Cells of a line, beside the scrollbar."""
        return max(0, self.scrollable_content_region.width)

    def _measure(self) -> None:
        """Everything for a new width."""
        width = self.line_width
        if not width or not self.size.height:
            return
        self._width = width
        for item in self.items:
            item.laid_out = False
            item.guess_height(width)
        self._place()
        self._settle()

    def _resize(self) -> None:
        size = Size(self._width, self._tops[-1])
        if size != self.virtual_size:
            self.virtual_size = size

    def _go(self, y: float) -> None:
        """Scroll, at once and without a word."""
        self._moving = True
        y = max(0, min(y, self.max_scroll_y))
        self.set_reactive(ScrollView.scroll_target_y, y)
        self.scroll_y = y
        self._moving = False

    def _settle(self) -> None:
        """Lay out what is in sight and around it, and keep what is in sight where it is."""
        height = self.size.height
        if not self._width or not height:
            return
        if len(self._tops) <= len(self.items):
            self._place(len(self._tops) - 1)
        for _ in range(20):
            top = max(0, self._tops[-1] - height) if self.at_end else self.scroll_offset.y
            anchor = max(0, min(bisect.bisect_right(self._tops, top) - 1, len(self.items) - 1))
            within = top - self._tops[anchor]
            first = max(0, bisect.bisect_right(self._tops, top - height) - 1)
            last = min(len(self.items), bisect.bisect_left(self._tops, top + 2 * height))
            changed = [number for number in range(first, last) if self._lay_out(number)]
            if changed:
                self._place(changed[0])
            if self.at_end:
                self._resize()
                self._go(self._tops[-1] - height)
            elif changed:
                self._resize()
                self._go(self._tops[anchor] + within)
            if not changed and not (first == 0 and self._load_older()):
                break
        self._resize()
        self._release(first, last)

    def _lay_out(self, number: int) -> bool:
        """Whether the height of an item is another now."""
        item = self.items[number]
        if item.laid_out:
            return False
        before = item.height
        self.seen(item)
        item.layout(self._width)
        self._built[item] = None
        self._strips.pop(self._keys[number], None)
        return item.height != before

    def _load_older(self) -> bool:
        if self.older is None:
            return False
        found = self.older()
        if found is None:
            return False
        items = list(found)
        if not items:
            self.older = None
            return False
        for item in items:
            item.guess_height(self._width)
        begin = self._keys[0] if self._keys else 0
        self.items[:0] = items
        self._keys[:0] = range(begin - len(items), begin)
        added = sum(item.height for item in items)
        top = self.scroll_offset.y
        self._tops = [0]
        self._place()
        self._resize()
        if not self.at_end:
            self._go(top + added)
        return True

    def _release(self, first: int, last: int) -> None:
        """Let go of items that are far away."""
        if len(self._built) <= KEPT:
            return
        near = set(map(id, self.items[first:last]))
        for item in list(self._built):
            if len(self._built) <= KEPT // 2:
                break
            if id(item) not in near and not (isinstance(item, MessageItem) and (item.live or item.thought.unfolded)):
                item.release()
                del self._built[item]
        alive = {self._keys[number] for number in range(first, last)}
        for key in [key for key in self._strips if key not in alive]:
            del self._strips[key]

    def on_resize(self) -> None:
        if self.line_width != self._width:
            anchor = self._anchor()
            self._strips.clear()
            self._measure()
            if not self.at_end and anchor is not None:
                number, share = anchor
                self._go(self._tops[number] + int(share * self.items[number].height))
                self._settle()
        else:
            self._settle()

    def _anchor(self) -> tuple[int, float] | None:
        """The item at the upper edge, and which share of it is above."""
        if not self.items or len(self._tops) != len(self.items) + 1:
            return None
        number = max(0, min(bisect.bisect_right(self._tops, self.scroll_offset.y) - 1, len(self.items) - 1))
        return number, (self.scroll_offset.y - self._tops[number]) / max(1, self.items[number].height)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if not self._moving and round(old_value) != round(new_value):
            self.at_end = new_value >= self.max_scroll_y
            self._settle()
            self.post_message(self.Moved())

    def load_more(self) -> bool:
        """Whether there were older items to load."""
        return self._load_older()

    def show_item(self, item: Item) -> None:
        """Scroll so that an item is in sight, from its beginning."""
        number = self.index_of(item)
        if number >= len(self._tops):
            self._settle()
        if number >= len(self._tops):  # nothing has a size yet; the end is shown first, and the item is there
            return
        if not item.laid_out and number >= 0:
            self._go(self._tops[number])
            self.at_end = False
            self._settle()
        self.show_lines(item, 0, max(0, item.height - 2))

    @property
    def built(self) -> Iterable[Item]:
        """Items that are laid out at the moment."""
        return self._built

    def show_lines(self, item: Item, first: int, last: int) -> None:
        """Scroll so that lines ``first`` to ``last`` of an item are in sight, the first before the last."""
        number = self.index_of(item)
        if number < 0 or not self._width:
            return
        for _ in range(3):
            top = self._tops[number]
            begin, end = top + first, top + last + 1
            y = self.scroll_offset.y
            if begin < y or end - begin >= self.size.height:
                target = begin
            elif end > y + self.size.height:
                target = end - self.size.height
            else:
                return
            self.at_end = target >= self.max_scroll_y
            self._go(target)
            self._settle()
        self.post_message(self.Moved())

    def go_end(self) -> None:
        self.at_end = True
        self._settle()
        self.post_message(self.Moved())

    def go_home(self) -> None:
        """The beginning of what is loaded, and of all there is once that has been loaded."""
        while self._load_older():
            pass
        self.at_end = False
        self._go(0)
        self._settle()
        self.post_message(self.Moved())

    # Drawing

    def render_line(self, y: int) -> Strip:
        found = self._at(self.scroll_offset.y + y)
        width = self.line_width
        if found is None:
            return Strip.blank(width, self.rich_style)
        number, within = found
        key = self._keys[number]
        selection = self.text_selection
        strips = self._strips.setdefault(key, {})
        strip = strips.get(within)
        if strip is None:
            if len(strips) >= KEPT_LINES:
                strips.clear()
            line = self._line(self.items[number], within)
            strip = strips[within] = strip_of(line, width, self.palette).apply_offsets(0, key * STRIDE + within)
        place = key * STRIDE + within
        if selection is not None and (span := selection.get_span(place)) is not None:
            style = self.screen.get_component_rich_style("screen--selection")
            strip = selected(strip, span, style).apply_offsets(0, place)  # each part has its own now
        return strip

    def _line(self, item: Item, within: int) -> Line:
        if item not in self._built:
            item.layout(self._width)
            self._built[item] = None
        return item.line(within)

    def _at(self, y: int) -> tuple[int, int] | None:
        """Item and line of it at a line of the whole."""
        number = bisect.bisect_right(self._tops, y) - 1
        if not 0 <= number < len(self.items) or y >= self._tops[-1]:
            return None
        return number, y - self._tops[number]

    # Selecting text with the mouse

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        if not self.items:
            return None
        low, high = selection.start, selection.end
        if low is None:
            low = Offset(0, self._keys[0] * STRIDE)
        if high is None:
            high = Offset(1 << 30, (self._keys[-1] + 1) * STRIDE - 1)
        lines: list[str] = []
        begin, end = (y // STRIDE - self._keys[0] for y in (low.y, high.y))
        for number in range(max(0, begin), min(len(self.items), end + 1)):
            item, base = self.items[number], self._keys[number] * STRIDE
            if not item.laid_out:
                self.lay_out(item)
            for within in range(max(0, low.y - base), min(item.height, high.y - base + 1)):
                text = "".join(piece.text for piece in self._line(item, within).pieces)
                y = base + within
                last = high.x if y == high.y else len(text)
                lines.append(text[max(EDGE, low.x if y == low.y else 0) : last].rstrip())
        return "\n".join(lines), "\n"

    def _select_no_text(self) -> None:
        """What was selected stood in what was shown before."""
        if self.is_attached and self.text_selection is not None:
            others = {widget: one for widget, one in self.screen.selections.items() if widget is not self}
            self.screen.selections = others

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()

    def text_select_all(self) -> None:
        """A double click selects no whole conversation."""

    def _scroll_to(self, x: float | None = None, y: float | None = None, **how: Any) -> bool:
        """At once: frames between two places would only cost, over a slow line above all."""
        return super()._scroll_to(x, y, **{**how, "animate": False})

    def action_scroll_left(self) -> None:
        self.post_message(self.Sideways(-1))

    def action_scroll_right(self) -> None:
        self.post_message(self.Sideways(1))

    # Mouse

    def piece_at(self, x: int, y: int) -> tuple[Item, Piece] | None:
        """What stands at a place of the widget."""
        found = self._at(self.scroll_offset.y + y)
        if found is None:
            return None
        item = self.items[found[0]]
        cells = 0
        for piece in self._line(item, found[1]).pieces:
            cells += width_of(piece.text)
            if x < cells:
                return item, piece
        return item, Piece("")

    def on_click(self, event: events.Click) -> None:
        if self.text_selection is not None:
            return
        if found := self.piece_at(event.x, event.y):
            self.post_message(self.Clicked(found[0], found[1].mark))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        found = self.piece_at(event.x, event.y)
        self._hover(found[0] if found else None, found[1].mark if found else None)

    def on_leave(self) -> None:
        self._hover(None, None)

    def _hover(self, item: Item | None, mark: object) -> None:
        if mark != self._hovered:
            self._hovered = mark
            self.post_message(self.Hovered(item, mark))

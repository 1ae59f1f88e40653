"""The text field itself: Textual's ``TextArea`` with keys that fit a chat and text that cannot act.

What it holds can be drawn as it stands: foreign text is cleaned on its way in (``shown``). The two joiners that
languages and emoji need (U+200C, U+200D) are kept: each stands in the field as one private character drawn as ``·``,
and ``Editor.written`` has the joiner again.
Not for: completion, attachments, sending (``composer``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.widgets import TextArea

from edgemind.terminal import clean

_JOINERS = {"\u200c": "\U000f200c", "\u200d": "\U000f200d"}
_TO_SHOWN = str.maketrans(_JOINERS)
_TO_WRITTEN = str.maketrans({private: joiner for joiner, private in _JOINERS.items()})
_DRAWN = str.maketrans(dict.fromkeys(_JOINERS.values(), "·"))
_IMPOSTORS = str.maketrans(dict.fromkeys(_JOINERS.values(), "\N{REPLACEMENT CHARACTER}"))
LINES = 10
"""The most that the field grows to."""

_LINE_ENDS = re.compile(r"\r\n?")


def shown(text: str) -> tuple[str, int]:
    """``text`` as the field holds it, and how many characters had to be made harmless. Line ends become newlines."""
    kept = _LINE_ENDS.sub("\n", text).translate(_IMPOSTORS).translate(_TO_SHOWN)
    cleaned = clean(kept)
    if cleaned == kept:
        return kept, 0
    return cleaned, sum(kept.count(character) for character in set(kept) if clean(character) != character)


def harmless(text: str) -> tuple[str, int]:
    """``text`` as it may be kept and sent: as ``shown``, with its joiners."""
    text, replaced = shown(text)
    return text.translate(_TO_WRITTEN), replaced


class Editor(TextArea, inherit_bindings=False):
    """A field for several lines.

    Args:
        first: asked about every key before the field acts on it; ``True`` means that it is done with.
        pasted: given every pasted text.
        lines: the most that it grows to.
    """

    DEFAULT_CSS = """
    Editor, Editor:focus {
        width: 1fr;
        height: auto;
        min-height: 1;
        border: none;
        padding: 0;
        background: transparent;
        scrollbar-size-vertical: 1;
    }
    Editor .text-area--cursor-line { background: transparent; }
    Editor .text-area--placeholder { color: $text-muted; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", show=False),
        Binding("down", "cursor_down", show=False),
        Binding("left", "cursor_left", show=False),
        Binding("right", "cursor_right", show=False),
        Binding("ctrl+left,alt+b", "cursor_word_left", show=False),
        Binding("ctrl+right,alt+f", "cursor_word_right", show=False),
        Binding("home,ctrl+a", "cursor_line_start", show=False),
        Binding("end", "cursor_line_end", show=False),
        Binding("ctrl+home", "text_start", show=False),
        Binding("ctrl+end", "text_end", show=False),
        Binding("pageup", "cursor_page_up", show=False),
        Binding("pagedown", "cursor_page_down", show=False),
        Binding("ctrl+shift+left", "cursor_word_left(True)", show=False),
        Binding("ctrl+shift+right", "cursor_word_right(True)", show=False),
        Binding("shift+home", "cursor_line_start(True)", show=False),
        Binding("shift+end", "cursor_line_end(True)", show=False),
        Binding("shift+up", "cursor_up(True)", show=False),
        Binding("shift+down", "cursor_down(True)", show=False),
        Binding("shift+left", "cursor_left(True)", show=False),
        Binding("shift+right", "cursor_right(True)", show=False),
        Binding("f6", "select_line", show=False),
        Binding("f7", "select_all", show=False),
        Binding("backspace", "delete_left", show=False),
        Binding("ctrl+w,ctrl+backspace,alt+backspace", "delete_word_left", show=False),
        Binding("delete,ctrl+d", "delete_right", show=False),
        Binding("alt+delete,alt+d", "delete_word_right", show=False),
        Binding("ctrl+u,super+backspace", "delete_to_start_of_line", show=False),
        Binding("ctrl+k", "delete_to_end_of_line_or_delete_line", show=False),
        Binding("ctrl+x,super+x", "cut", show=False),
        Binding("super+c", "copy", show=False),
        Binding("ctrl+v,super+v", "paste", show=False),
        Binding("ctrl+underscore,alt+z,super+z", "undo", show=False),
        Binding("alt+y,super+shift+z", "redo", show=False),
    ]

    def __init__(
        self,
        *,
        first: Callable[[str], bool] = lambda key: False,
        pasted: Callable[[str], None] | None = None,
        placeholder: str = "",
        lines: int = LINES,
    ) -> None:
        super().__init__(highlight_cursor_line=False, placeholder=placeholder)
        self._first = first
        self._pasted = pasted
        self._lines = lines
        self.match_cursor_bracket = False
        self.cursor_blink = False  # a chat that waits does nothing at all

    @property
    def written(self) -> str:
        """The text as it is sent."""
        return self.text.translate(_TO_WRITTEN)

    @property
    def before_cursor(self) -> str:
        """The cursor's line, up to the cursor."""
        row, column = self.cursor_location
        return self.document.get_line(row)[:column]

    def put(self, text: str, *, undo: bool = True) -> None:
        """Replace everything; the cursor goes to the end. Without ``undo`` nothing of before can come back."""
        text, _ = shown(text)
        if undo:
            self.history.checkpoint()
            self.replace(text, (0, 0), self.document.end, maintain_selection_offset=False)
            self.history.checkpoint()
        else:
            self.load_text(text)
        self.move_cursor(self.document.end)

    def type(self, text: str) -> int:
        """Write at the cursor, over what is selected; returns how many characters had to be made harmless."""
        text, harmless = shown(text)
        result = self.replace(text, *self.selection, maintain_selection_offset=False)
        self.move_cursor(result.end_location)
        return harmless

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """It grows with its text, in a small terminal to fewer lines."""
        most = max(1, min(self._lines, (viewport.height - 4) * 2 // 5))
        return min(max(1, self.wrapped_document.height), most)

    def get_line(self, line_index: int) -> Text:
        return Text(self.document.get_line(line_index).translate(_DRAWN), end="", no_wrap=True)

    async def _on_key(self, event: events.Key) -> None:
        if self._first(event.key):
            event.stop()
            event.prevent_default()
        elif event.key in ("shift+enter", "alt+enter", "ctrl+j"):
            event.stop()
            event.prevent_default()
            self.type("\n")
        elif event.key in ("enter", "tab", "shift+tab"):
            event.prevent_default()  # Textual's field would write a line break
        elif event.character is not None and event.is_printable:
            event.stop()
            event.prevent_default()
            self.type(event.character)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self._take(event.text)

    def action_paste(self) -> None:
        self._take(self.app.clipboard)

    def _take(self, text: str) -> None:
        if self._pasted is None:
            self.type(text)
        else:
            self._pasted(text)

    def action_cut(self) -> None:
        if not self.selected_text:
            raise SkipAction
        self.action_copy()
        self._delete_via_keyboard(*self.selection)

    def action_copy(self) -> None:
        if not self.selected_text:
            raise SkipAction
        self.app.copy_to_clipboard(self.selected_text.translate(_TO_WRITTEN))

    def action_text_start(self) -> None:
        self.move_cursor((0, 0))

    def action_text_end(self) -> None:
        self.move_cursor(self.document.end)

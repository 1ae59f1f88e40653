"""A field for one line whose text cannot act on the terminal, and a choice between a few words.

Not for: several lines (``editor``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.style import Style
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input

from edgemind.terminal import clean_line


class Line(Input):
    """Textual's field in one row. What is set or pasted is cleaned; a secret is kept as it is, and never shown."""

    DEFAULT_CSS = """
    Line, Line:focus { height: 1; border: none; padding: 0; background: $panel; }
    Line:focus { background: $primary 20%; }
    Line.-invalid, Line.-invalid:focus { border: none; color: $text-error; text-style: bold; }
    """

    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        secret: bool = False,
        suggester: Suggester | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(
            value if secret else clean_line(value),
            placeholder=clean_line(placeholder),
            password=secret,
            suggester=suggester,
            select_on_focus=False,
            id=id,
        )
        self.cursor_blink = False

    def put(self, value: str) -> None:
        """Replace the text; the cursor goes to the end."""
        self.value = value if self.password else clean_line(value)
        self.cursor_position = len(self.value)

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        lines = event.text.splitlines()
        if lines:
            line = lines[0] if self.password else clean_line(lines[0])
            self.replace(line, *sorted(self.selection))

    def action_paste(self) -> None:
        lines = self.app.clipboard.splitlines()
        if lines:
            line = lines[0] if self.password else clean_line(lines[0])
            self.replace(line, *sorted(self.selection))

    def action_copy(self) -> None:
        if not self.password:
            super().action_copy()

    def action_cut(self) -> None:
        if not self.password:
            super().action_cut()


class Choice(Widget, can_focus=True):
    """One of a few words; left and right change it, and so does a click.

    Args:
        options: ``(value, words)``; the words are cleaned.
        value: the one that is chosen.
    """

    DEFAULT_CSS = """
    Choice { height: 1; width: 1fr; pointer: pointer; }
    Choice:focus { background: $primary 20%; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "go(-1)", show=False),
        Binding("right,space", "go(1)", show=False),
    ]

    value: reactive[str] = reactive("")

    class Changed(Message):
        """Another word was chosen by the user."""

        def __init__(self, choice: Choice, value: str) -> None:
            super().__init__()
            self.choice = choice
            self.value = value

        @property
        def control(self) -> Choice:
            return self.choice

    def __init__(self, options: Sequence[tuple[str, str]], value: str, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.options = [(key, clean_line(words)) for key, words in options]
        self.set_reactive(Choice.value, value if value in dict(options) else self.options[0][0])

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1

    @property
    def _one_by_one(self) -> bool:
        """Too many to stand side by side."""
        return sum(len(words) + 3 for _, words in self.options) > max(1, self.size.width)

    def render(self) -> Content:
        marked = Style(reverse=True) if self.has_focus else Style(bold=True, underline=True)
        if self._one_by_one:
            words = dict(self.options)[self.value]
            return Content.assemble("‹ ", Content(f" {words} ").stylize(marked), " ›")
        parts = [
            Content(f" {words} ").stylize(marked if key == self.value else Style(dim=True))
            for key, words in self.options
        ]
        return Content(" ").join(parts)

    def on_click(self, event: events.Click) -> None:
        self.focus()
        if self._one_by_one:
            self.action_go(-1 if event.x < 2 else 1)
            return
        at = 0
        for key, words in self.options:
            at += len(words) + 3
            if event.x < at:
                self._choose(key)
                return

    def action_go(self, by: int) -> None:
        keys = [key for key, _ in self.options]
        self._choose(keys[(keys.index(self.value) + by) % len(keys)])

    def _choose(self, value: str) -> None:
        if value != self.value:
            self.value = value
            self.post_message(self.Changed(self, value))

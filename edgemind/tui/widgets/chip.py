"""One chip: something that goes along with the message, with its name, size and tokens.

Not for: the row of them and what they are read from (``chips``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from edgemind.terminal import clean_line
from edgemind.tui.widgets.completion import fitted

if TYPE_CHECKING:
    from edgemind.chat.attachments.types import Attachment

CHARACTERS_PER_TOKEN = 4
"""For the estimate that stands until a model has counted."""


@dataclass(frozen=True)
class Held:
    """One thing that goes along. ``attachment`` is ``None`` while its file is being read."""

    key: int
    name: str
    path: Path | None = None
    """The file it is read from; pasted text has none."""
    attachment: Attachment | None = None

    @property
    def pasted(self) -> bool:
        return self.path is None

    @property
    def tokens(self) -> int | None:
        return self.attachment.tokens if self.attachment else None

    def with_tokens(self, tokens: int | None) -> Held:
        if self.attachment is None:
            return self
        return replace(self, attachment=self.attachment.with_info(tokens=tokens))


def label(held: Held) -> str:
    """Name, size and tokens: ``report.pdf 1.2 MB · 3,400 tokens``."""
    name = clean_line(held.name)
    attachment = held.attachment
    if attachment is None:
        return f"{name} reading…"
    size = lines(attachment.text) if held.pasted else bytes_in_words(attachment.size)
    if attachment.tokens is not None:
        return f"{name} {size} · {counted(attachment.tokens, 'token')}"
    return f"{name} {size} · ≈{counted(max(1, len(attachment.text) // CHARACTERS_PER_TOKEN), 'token')}"


def lines(text: str) -> str:
    return counted(text.count("\n") + bool(text and not text.endswith("\n")), "line")


def counted(number: int, word: str) -> str:
    """``1 token``, ``1,234 tokens``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def bytes_in_words(size: int) -> str:
    """Decimal, as file managers say it: ``870 B``, ``1.2 MB``."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


class Chip(Widget, can_focus=True):
    """One attachment. Delete takes it out, enter unfolds pasted text into the field."""

    DEFAULT_CSS = """
    Chip {
        width: auto;
        max-width: 100%;
        height: 1;
        margin: 0 1 0 0;
        background: $panel;
        color: $foreground;
        pointer: pointer;
    }
    Chip:focus { text-style: reverse; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("delete,backspace,x", "take_out", "Take it out", show=False),
        Binding("left", "go(-1)", show=False),
        Binding("right", "go(1)", show=False),
        Binding("enter", "unfold", "Put pasted text into the field", show=False),
        Binding("escape,down,tab", "leave", "Back to the field", show=False),
    ]

    class TakenOut(Message):
        """The user does not want it any more."""

        def __init__(self, key: int) -> None:
            super().__init__()
            self.key = key

    class Unfolded(Message):
        """Pasted text shall stand in the field itself."""

        def __init__(self, key: int) -> None:
            super().__init__()
            self.key = key

    class Left(Message):
        """Back to the field."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self.held = held

    def show(self, held: Held) -> None:
        self.held = held
        self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return min(cell_len(self._text), container.width)

    @property
    def _text(self) -> str:
        return f" {label(self.held)} × "

    def render(self) -> Text:
        width = self.content_size.width or cell_len(self._text)
        text = self._text
        if cell_len(text) > width > 3:
            text = fitted(text[:-2], width - 2) + "× "
        return Text(text, end="", no_wrap=True)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if event.x >= self.size.width - 3:
            self.action_take_out()
        else:
            self.focus()

    def action_take_out(self) -> None:
        self.post_message(self.TakenOut(self.held.key))

    def action_unfold(self) -> None:
        self.post_message(self.Unfolded(self.held.key))

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_go(self, by: int) -> None:
        chips = list(self.parent.query_children(Chip)) if isinstance(self.parent, Widget) else []
        place = chips.index(self) + by
        if 0 <= place < len(chips):
            chips[place].focus()
        elif by > 0:
            self.action_leave()

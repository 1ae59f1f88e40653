"""A yes or no before what cannot be undone. Enter alone changes nothing: ``y`` has to be pressed.

Not for: doing it.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from edgemind.terminal import clean
from edgemind.tui.screens.dialog import Dialog


class ConfirmScreen(Dialog[bool]):
    """Dismissed with ``True`` only by ``y`` or a click on it.

    Args:
        heading: the question; ``deed`` the verb that answers it. Both are the program's own words.
        text: what it is about; may be foreign.
    """

    DEFAULT_CSS = """
    ConfirmScreen > #box { width: 60; border: round $error; border-title-color: $error; }
    ConfirmScreen #confirm-text { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "sure", show=False),
        Binding("n", "leave", show=False),
    ]

    def __init__(self, heading: str, text: str, deed: str) -> None:
        super().__init__()
        self._heading, self._text, self._deed = heading, text, deed

    def body(self) -> ComposeResult:
        yield Static("", classes="gap")
        yield Static(clean(self._text), id="confirm-text", markup=False)
        yield Static("", classes="gap")

    def on_mount(self) -> None:
        self.query_one("#box", Vertical).border_title = Content(f" {self._heading} ")
        self.hint((("y", self._deed, "sure"), ("n or esc", "leave it as it is", "leave")))

    def action_sure(self) -> None:
        self.dismiss(True)

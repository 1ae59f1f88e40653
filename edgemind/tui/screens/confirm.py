"""A yes or no before what cannot be undone. Enter alone changes nothing: the button that leaves things as they are has
the focus.

Not for: doing it.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from edgemind.terminal import clean


class ConfirmScreen(ModalScreen[bool]):
    """Dismissed with ``True`` only by the button that names the deed, or ``y``."""

    DEFAULT_CSS = """
    ConfirmScreen {
        align: center middle;
        #confirm { width: 56; max-width: 100%; height: auto; border: round $error; padding: 0 2; background: $surface; }
        #confirm-title { text-style: bold; height: 1; }
        #confirm-text { height: auto; margin: 1 0; color: $foreground 80%; }
        #confirm-keys { height: 1; }
        #confirm-keys Button { height: 1; min-width: 10; border: none; margin-right: 2; background: $panel; }
        #confirm-keys Button:focus { background: $primary; color: $background; text-style: bold; }
    }
    ConfirmScreen.-short #confirm { border: none; padding: 0 1; }
    ConfirmScreen.-short #confirm-text { margin: 0; }
    """

    BINDINGS: ClassVar = [
        Binding("escape,n", "answer(False)", show=False),
        Binding("y", "answer(True)", show=False),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, text: str, deed: str) -> None:
        super().__init__()
        self._title, self._text, self._deed = title, text, deed

    def compose(self) -> ComposeResult:
        with Vertical(id="confirm"):
            yield Static(clean(self._title), id="confirm-title", markup=False)
            yield Static(clean(self._text), id="confirm-text", markup=False)
            with Horizontal(id="confirm-keys"):
                yield Button("Keep  (n)", id="confirm-no")
                yield Button(f"{self._deed}  (y)", id="confirm-yes")

    def on_mount(self) -> None:
        self.query_one("#confirm-no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "confirm-yes")

    def action_answer(self, sure: bool) -> None:
        self.dismiss(sure)

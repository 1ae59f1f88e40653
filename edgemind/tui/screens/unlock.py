"""The door: asks for the passphrase of the history and says plainly when it was the wrong one, or how long to wait.

Not for: choosing a passphrase (``screens/passphrase.py``), keys (``chat.vault``).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input, Static

from edgemind.errors import EdgemindError
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.tui.app import EdgemindApp
    from edgemind.tui.household import Household


class UnlockScreen(Screen[None]):
    """In the place of the chat as long as the history is locked."""

    DEFAULT_CSS = """
    UnlockScreen {
        align: center middle;
        #door { width: 60; max-width: 100%; height: auto; border: round $primary; padding: 1 2; background: $surface; }
        #door-title { text-style: bold; color: $primary; height: 1; margin-bottom: 1; }
        #door-input { border: tall $foreground 20%; }
        #door-said { height: auto; min-height: 1; margin-top: 1; color: $foreground 70%; }
        #door-said.-wrong { color: $error; }
    }
    UnlockScreen.-short #door { border: none; padding: 0 1; }
    UnlockScreen.-short #door-title { margin-bottom: 0; }
    UnlockScreen.-short #door-input { border: none; height: 1; }
    UnlockScreen.-short #door-said { margin-top: 0; }
    """

    def __init__(self, house: Household, *, warm: bool = False) -> None:
        """``warm``: load the model meanwhile; after a lock nothing is loaded before it is opened again."""
        super().__init__()
        self.house = house
        self._warm = warm
        self._trying = False

    @property
    def edgemind(self) -> EdgemindApp:
        """The app, which is always this one."""
        from edgemind.tui.app import EdgemindApp

        assert isinstance(self.app, EdgemindApp)
        return self.app

    def compose(self) -> ComposeResult:
        with Vertical(id="door"):
            yield Static("EdgeMind is locked", id="door-title", markup=False)
            yield Input(password=True, placeholder="Passphrase", id="door-input")
            yield Static("enter opens · ctrl+q quits", id="door-said", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self.call_after_refresh(self._drawn)

    def _drawn(self) -> None:
        self.edgemind.drawn()
        if self._warm:
            self.house.load_model()

    def _say(self, text: str, *, wrong: bool = False) -> None:
        said = self.query_one("#door-said", Static)
        said.update(clean_line(text))
        said.set_class(wrong, "-wrong")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._trying and event.value:
            self._trying = True
            self._say("Opening ...")
            self.run_worker(self._try(event.value))

    async def _try(self, passphrase: str) -> None:
        field = self.query_one(Input)
        try:
            await asyncio.to_thread(self.house.unlock, passphrase)
        except EdgemindError as problem:
            self._say(f"{problem.message} {problem.hint}".strip(), wrong=True)
            field.clear()
            field.focus()
        else:
            field.clear()
            self.edgemind.unlocked()
        finally:
            self._trying = False

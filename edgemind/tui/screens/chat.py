"""The chat screen: its keys, models, and what is private. The main screen of the app.

Not for: anything below it (``chat_base``, ``chat_answers``, ``chat_shelf``).
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.binding import BindingType

from edgemind.errors import BadInput
from edgemind.tui import keys
from edgemind.tui.screens.chat_shelf import Shelving
from edgemind.tui.widgets.composer import Composer

if TYPE_CHECKING:
    from edgemind.tui.app import EdgemindApp


class ChatScreen(Shelving):
    """See the module."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("chat")

    # Commands

    def on_composer_command_asked(self, event: Composer.CommandAsked) -> None:
        self.perform(event.name, event.argument)

    def perform(self, command: str, argument: str = "") -> None:
        """Do what a slash command or a row of the palette means."""
        action = keys.of_command(command) or keys.BY_NAME.get(command)
        if action is None:
            self.complain(BadInput(f"There is no command /{command}.", "/help shows them all"))
            return
        for owner in (self, self.app):
            method = getattr(owner, f"action_{action.name}", None)
            if method is None:
                continue
            takes = "argument" in inspect.signature(method).parameters
            result = method(argument) if takes else method()
            if inspect.isawaitable(result):
                self.run_worker(_awaited(result))
            return

    # Models

    def action_models(self) -> None:
        from edgemind.tui.screens.models import ModelsScreen

        self.app.push_screen(ModelsScreen(self.house.engines), self._use_model)

    def action_model(self, argument: str = "") -> None:
        if argument.strip():
            self._use_model(argument.strip())
        else:
            self.action_models()

    def _use_model(self, name: str | None) -> None:
        if not name:
            return

        def use() -> None:
            self.house.chosen_model = name
            if self.session:
                self.session.set_model(name)
            else:
                self.house.engines.load(name)

        if self.attempt(use):
            self.composer.recount()
            self.show_facts()

    def action_unload(self) -> None:
        async def unload() -> None:
            if self.session:
                self.session.stop()
            await asyncio.to_thread(self.house.engines.unload)
            self.show_facts()
            self.notify("The model is unloaded; the next message loads it again.", markup=False)

        self.behind(unload())

    # Code

    async def action_code(self) -> None:
        """The model is unloaded meanwhile: two may not fit into memory."""
        from textual.app import SuspendNotSupported

        from edgemind.tui import coding

        engines = self.house.engines
        self.stop_answers()
        await asyncio.to_thread(engines.unload)
        try:
            code = await coding.hold(cast("EdgemindApp", self.app), engines.wanted)
        except (SuspendNotSupported, OSError) as problem:
            self.complain(BadInput(f"The coding session cannot be opened here: {problem}.", "edgemind code"))
        else:
            if code:
                self.notify(f"The coding session ended with exit code {code}: edgemind code", markup=False)
        engines.load(engines.wanted)
        self.show_facts()

    # Privacy

    def action_passphrase(self) -> None:
        self.ask_passphrase()

    # The app

    def action_theme(self, argument: str = "") -> None:
        self.edgemind.choose_theme(argument.strip())


async def _awaited(result: Any) -> None:
    await result

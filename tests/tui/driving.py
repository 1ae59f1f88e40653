"""Hands for a test of the chat app: press, type, wait until something is so, read the screen.

A test is a plain function: ``drive(app, script)`` runs the app without a terminal and hands ``script`` a ``Hands``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from textual.pilot import Pilot

from edgemind.tui.app import EdgemindApp
from edgemind.tui.screens.chat import ChatScreen

PATIENCE = 60.0
"""Seconds for what a busy machine may take."""


@dataclass
class Hands:
    """What a test does with a running app."""

    app: EdgemindApp
    pilot: Pilot[Any]

    @property
    def chat(self) -> ChatScreen:
        screen = self.app.chat_screen
        assert screen is not None
        return screen

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Into the composer, whatever has the focus."""
        self.chat.composer.focus()
        await self.pilot.pause()
        self.chat.composer.set_text(text)
        await self.pilot.pause()

    async def say(self, text: str) -> None:
        """Send a message."""
        await self.type(text)
        await self.press("enter")

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:
        """Until it is so; fails after ``PATIENCE``."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, what or "it did not happen"
            await self.pilot.pause(0.02)
        await self.pilot.pause()

    async def opened(self) -> None:
        """Until the history is open and the model has loaded."""
        await self.until(lambda: self.app.house.history is not None, "the history did not open")
        await self.until(lambda: self.app.house.engines.state == "ready", "the model did not load")

    async def answered(self) -> None:
        """Until the answer that is being written is complete."""
        await self.until(lambda: self.chat.session is not None, "nothing was asked")
        await self.until(
            lambda: (
                not self.chat.composer.busy
                and self.chat.session
                and not self.chat.session.live
                and all(worker.is_finished for worker in self.app.workers)  # what is being sent is no answer yet
            ),
            "no answer",
        )

    def text(self) -> str:
        """What the screen shows, line by line."""
        return shown(self.app)


def shown(app: EdgemindApp) -> str:
    """The lines of the screen as they would be drawn, without colours."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


def drive(app: EdgemindApp, script: Callable[[Hands], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    """Run the app without a terminal while ``script`` acts."""

    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            await script(Hands(app, pilot))

    asyncio.run(run())

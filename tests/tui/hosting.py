"""A small app around one widget or screen, and its picture as text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from edgemind.chat.attachments.types import Attachment, AttachmentInfo
from edgemind.errors import BadInput
from edgemind.tui.theme import THEMES
from edgemind.tui.widgets.composer import Composer

SIZES = ((80, 24), (40, 12), (20, 5))


class Host(App[None]):
    VERTICAL_BREAKPOINTS = [(0, "-short"), (16, "-regular")]  # noqa: RUF012
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-wide")]  # noqa: RUF012
    ENABLE_COMMAND_PALETTE = False

    def __init__(self) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self.results: list[Any] = []

    def picture(self) -> str:
        """What is on the screen, as text."""
        rows = self.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in rows)


class ComposerHost(Host):
    """A composer at the foot of an empty screen."""

    CSS = "#above { height: 1fr; }"

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.composer = Composer(**{"read": read_text, **arguments})
        self.sent: list[Composer.Submitted] = []
        self.asked: list[tuple[str, str]] = []

    def compose(self) -> ComposeResult:
        yield Static("", id="above")
        yield self.composer

    def on_mount(self) -> None:
        self.composer.focus()

    def on_composer_submitted(self, message: Composer.Submitted) -> None:
        self.sent.append(message)

    def on_composer_command_asked(self, message: Composer.CommandAsked) -> None:
        self.asked.append((message.name, message.argument))


def read_text(path: Path) -> Attachment:
    """A file of plain text, without the jailed child that other kinds need."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise BadInput(f"{path.name} is not text.", "Attach a text file.") from problem
    return Attachment(AttachmentInfo(name=path.name, size=len(text.encode()), characters=len(text)), text)


def play(app: Host, play: Callable[[Pilot[None]], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    """Run the app without a terminal, and ``play`` in it."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await play(pilot)

    asyncio.run(run())


def ask(
    screen: Callable[[], Screen[Any]],
    keys: Sequence[str] = (),
    *,
    size: tuple[int, int] = (80, 24),
    then: Callable[[Pilot[None], Host], Awaitable[None]] | None = None,
) -> Host:
    """Show a dialog, press ``keys``, and give back the app: ``results`` has what the dialog was dismissed with."""
    app = Host()

    async def run(pilot: Pilot[None]) -> None:
        app.push_screen(screen(), app.results.append)
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()
        if then is not None:
            await then(pilot, app)

    play(app, run, size)
    return app


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Wait for what a thread brings; the test's own timeout ends a wait for nothing."""
    while not true():
        await pilot.pause(0.01)

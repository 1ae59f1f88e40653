"""Pictures of the chat app for ``docs/chat.md``, and the table of keys in it, from the app as it is.

    python scripts/screenshots_chat.py            # all of docs/images/chat-*.svg, and the table of keys
    python scripts/screenshots_chat.py thought    # one picture
    python scripts/screenshots_chat.py --keys     # the table alone

The real app with the built-in model in its worker, in a folder of its own, driven through Textual's pilot. What would
differ from run to run is held still: the clock, the model's memory, and the speed, which is drawn as 50 tokens a
second; the model answers greedily. Not for: tests of how the app looks (``tests/tui``).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from edgemind.tui.app import EdgemindApp
    from edgemind.tui.screens.chat import ChatScreen

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
DOCUMENT = ROOT / "docs" / "chat.md"
BEGIN, END = "<!-- keys: made by scripts/screenshots_chat.py -->", "<!-- end of keys -->"

SIZE = (110, 30)
RATE = 50.0
"""Tokens a second that the pictures show."""
MEMORY = 60_000_000
NOON = 1_790_000_000.0
PATIENCE = 30.0
PASSPHRASE = "a picture of five words"


class Clock:
    """The time of the pictures."""

    def __init__(self) -> None:
        self.days_ago = 0
        self._zero = time.monotonic()

    def __call__(self) -> float:
        return NOON - self.days_ago * 86_400 + time.monotonic() - self._zero


CLOCK = Clock()


class Camera:
    """The app's hands, and what takes the picture."""

    def __init__(self, app: EdgemindApp, pilot: Pilot[Any]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def chat(self) -> ChatScreen:
        assert self.app.chat_screen is not None
        return self.app.chat_screen

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(self.app.crashed or "It did not happen within half a minute.")
            await self.pilot.pause(0.02)
        await self.pilot.pause()

    async def opened(self) -> None:
        await self.until(lambda: self.app.house.history is not None and self.app.house.engines.state == "ready")
        self.chat.show_facts()

    def newest(self) -> str:
        """The answer at the end of the chat, once it is complete."""
        session = self.chat.session
        last = session.page(limit=1) if session and not session.live else []
        return last[-1].id if last and last[-1].role == "assistant" else ""

    async def write(self, text: str) -> None:
        self.chat.composer.focus()
        self.chat.composer.set_text(text)
        await self.pilot.pause()

    async def say(self, text: str) -> None:
        """Send it, wait for the answer, and give that the speed of every picture."""
        before = self.newest()
        await self.write(text)
        await self.press("enter")
        await self.until(lambda: self.newest() != before and not self.chat.composer.busy)
        session = self.chat.session
        assert session is not None
        assert self.app.house.history is not None
        turn = session.page(limit=1)[-1]
        steps = tuple(step.model_copy(update={"seconds": step.tokens / RATE}) for step in turn.steps)
        stats = turn.stats.model_copy(update={"decode_rate": RATE}) if turn.stats else None
        self.app.house.history.save_turn(replace(turn, steps=steps, stats=stats))
        self.chat.reshow()
        self.chat.show_facts()
        await self.pilot.pause()

    async def still(self) -> str:
        """The screen as SVG, when nothing moves any more."""
        self.app.clear_notifications()
        for field in self.app.screen.query("Input, TextArea"):
            field.cursor_blink = False  # type: ignore[attr-defined]
        if self.app.chat_screen is not None:
            self.chat.show_facts()
        await self.pilot.pause(0.3)
        return tidy(self.app.export_screenshot(title="edgemind", simplify=True))


Shot = Callable[[Camera], Awaitable[None]]
SHOTS: dict[str, tuple[Shot, tuple[int, int], str]] = {}


def shot(*, size: tuple[int, int] = SIZE, theme: str = "dark") -> Callable[[Shot], Shot]:
    def add(function: Shot) -> Shot:
        SHOTS[function.__name__.replace("_", "-")] = (function, size, theme)
        return function

    return add


# What is photographed


@shot()
async def first_run(camera: Camera) -> None:
    """Before anything was said, without a keyring."""


@shot()
async def thought(camera: Camera) -> None:
    await some_chats(camera)
    await camera.say("A shop has 24 apples and sells 9. How many are left?")
    await camera.press("ctrl+t")


@shot()
async def guesses(camera: Camera) -> None:
    await some_chats(camera)
    await camera.press("ctrl+n")
    await camera.press("f4")
    await camera.say("Convert 2500 g to kg.")
    camera.chat.transcript.focus()
    await camera.press("full_stop")


@shot()
async def palette(camera: Camera) -> None:
    await some_chats(camera)
    await camera.press("ctrl+p")
    await camera.press(*"chat")
    await camera.pilot.pause(0.5)


@shot()
async def search(camera: Camera) -> None:
    await some_chats(camera)
    await camera.press("ctrl+f")
    await camera.press(*"minutes")
    await camera.pilot.pause(0.5)


@shot()
async def models(camera: Camera) -> None:
    await some_chats(camera)
    await camera.press("ctrl+o")
    await camera.pilot.pause(0.5)


@shot()
async def unlock(camera: Camera) -> None:
    await keep(camera)
    await camera.press("ctrl+l")
    await camera.pilot.pause(0.5)


@shot(theme="light")
async def light(camera: Camera) -> None:
    await some_chats(camera)
    await camera.say("Which is larger, 3.8 or 3.65?")


@shot(size=(80, 24))
async def small(camera: Camera) -> None:
    await keep(camera)
    await camera.say("Write a Python function that reverses a string.")
    await camera.write("/t")
    await camera.press("h")
    await camera.pilot.pause(0.5)


async def keep(camera: Camera) -> None:
    """A history with a passphrase."""
    await asyncio.to_thread(camera.app.house.set_passphrase, "", PASSPHRASE)
    await camera.until(lambda: camera.chat.sidebar.list.history is camera.app.house.history)


async def some_chats(camera: Camera) -> None:
    """A history with a few chats in it; the newest is open."""
    await keep(camera)
    for days, text, title, folder in (
        (9, "What is 48 + 37?", "Adding by hand", "sums"),
        (4, "Convert 3 hours to minutes.", "Hours and minutes", "times"),
        (
            2,
            "A train leaves at 14:20 and the trip takes 95 minutes. When does it arrive?",
            "The 14:20 train",
            "times",
        ),
        (0, "Sort 42, 7, 19, 88.", "Four numbers in order", ""),
    ):
        CLOCK.days_ago = days
        await camera.press("ctrl+n")
        await camera.say(text)
        camera.chat.perform("rename", title)
        if folder:
            camera.chat.perform("folder", folder)
    camera.chat.perform("pin")
    camera.chat.sidebar.list.refresh_rows()
    await camera.pilot.pause()


# Taking it


def take(name: str) -> str:
    """One picture."""
    script, size, theme = SHOTS[name]
    with tempfile.TemporaryDirectory(prefix="edgemind-pictures-") as folder:
        os.environ["EDGEMIND_HOME"] = folder
        os.chdir(folder)
        try:
            return asyncio.run(taken(script, size, theme))
        finally:
            os.chdir(ROOT)


async def taken(script: Shot, size: tuple[int, int], theme: str) -> str:
    from edgemind.chat.engines import Engines
    from edgemind.chat.types import Parameters
    from edgemind.chat.vault import Vault
    from edgemind.engine.events import Sampling
    from edgemind.privacy import jail
    from edgemind.settings import ChatSettings, Settings
    from edgemind.tui.app import EdgemindApp
    from edgemind.tui.household import Household

    class Posed(Household):
        """One that always answers the same."""

        offline = jail.Strength.KERNEL.value if jail.available() is jail.Strength.KERNEL else "none"

        def new_parameters(self) -> Parameters:
            return super().new_parameters().model_copy(update={"sampling": Sampling(temperature=0)})

        def facts(self, *, ephemeral: bool = False) -> dict[str, Any]:
            facts = super().facts(ephemeral=ephemeral)
            return {**facts, "memory": MEMORY if facts["memory"] else 0}

    settings = Settings(threads=1, chat=ChatSettings(theme=theme))  # type: ignore[arg-type]
    engines = Engines(settings)
    app = EdgemindApp(Posed(engines, settings, vault=Vault()))
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            camera = Camera(app, pilot)
            await camera.opened()
            await script(camera)
            return await camera.still()
    finally:
        engines.close()


def tidy(svg: str) -> str:
    """Without the fonts that it would load from elsewhere, and without blanks at the ends of lines."""
    svg = re.sub(r"\s*@font-face \{.*?\n\s*\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace")
    svg = re.sub(r"\s*<!--.*?-->", "", svg, flags=re.DOTALL)
    return "\n".join(line.strip() for line in svg.splitlines() if line.strip()) + "\n"


# The table of keys


def keys_table() -> str:
    """Every key and command as Markdown, from the table that binds them."""
    from edgemind.tui import keys
    from edgemind.tui.screens.help import PLACES

    lines: list[str] = []
    for group in dict.fromkeys(action.group for action in keys.ACTIONS):
        lines += ["", f"**{group}**", "", "| key | command | what it does |", "|---|---|---|"]
        for action in keys.ACTIONS:
            if action.group != group:
                continue
            pressed = ", ".join(f"`{keys.shown(key)}`" for key in action.keys)
            command = (
                f"`/{action.command} {action.argument}".strip().replace("|", r"\|") + "`" if action.command else ""
            )
            where = PLACES.get(action.where, "")
            lines.append(f"| {pressed} | {command} | {action.words}{f' ({where})' if where else ''} |")
    return "\n".join([BEGIN, *lines, "", END])


def put_keys() -> None:
    """The table into the document, in the place of the one that is there."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{DOCUMENT.name} has no place for the table of keys: {BEGIN} ... {END}")
    DOCUMENT.write_text(before + keys_table() + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures and the table of keys for docs/chat.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(SHOTS)}")
    parser.add_argument("--keys", action="store_true", help="the table of keys alone")
    wanted = parser.parse_args()
    unknown = set(wanted.names) - set(SHOTS)
    if unknown:
        parser.error(f"there is no picture {', '.join(sorted(unknown))}")
    os.environ["TZ"] = "UTC"
    os.environ.pop("NO_COLOR", None)
    time.tzset()
    time.time = CLOCK
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in [] if wanted.keys else wanted.names or SHOTS:
        file = IMAGES / f"chat-{name}.svg"
        file.write_text(take(name), encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1024} KiB")
    if wanted.keys or not wanted.names:
        put_keys()


if __name__ == "__main__":
    main()

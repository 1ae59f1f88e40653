"""Every dialog: it fits a small terminal, escape leaves, the keys stand at the bottom, foreign text cannot act."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hosting import SIZES, Host, ask
from textual.pilot import Pilot

from edgemind.chat.history import History
from edgemind.chat.types import Chat, ChatRow, Hit, Parameters, Persona
from edgemind.engine.events import Sampling
from edgemind.tui.screens.attach import FitScreen
from edgemind.tui.screens.dialog import Dialog
from edgemind.tui.screens.export import ExportScreen, PathScreen
from edgemind.tui.screens.passphrase import PassphraseScreen
from edgemind.tui.screens.personas import PersonaScreen, PersonasScreen
from edgemind.tui.screens.rename import RenameScreen
from edgemind.tui.screens.search import SearchScreen
from edgemind.tui.screens.settings import SettingsScreen

EVIL = "\x1b]52;c;aGk=\x07[red]x[/nothing] \u202e\x9b31m \n\x00"
CHAT = Chat("c", EVIL, True, 0.0, 0.0, folder=EVIL, tags=(EVIL,), persona=EVIL, system=EVIL)
PERSONA = Persona(EVIL, EVIL, Parameters(sampling=Sampling(temperature=0.5)))
HIT = Hit(ChatRow("c", EVIL, 0.0, folder=EVIL), "t", f"before {EVIL} after", ((3, 12), (14, 20)))


def personas() -> History:
    history = History.in_memory()
    history.save_persona(PERSONA)
    return history


DIALOGS: dict[str, Callable[[], Dialog[Any]]] = {
    "search": lambda: SearchScreen(lambda text, limit: [HIT] * 30, EVIL),
    "settings": lambda: SettingsScreen(CHAT, [PERSONA], model=Sampling(top_k=20)),
    "personas": lambda: PersonasScreen(personas(), EVIL),
    "persona": lambda: PersonaScreen(PERSONA, [EVIL]),
    "rename": lambda: RenameScreen(CHAT, folders=[EVIL], tags=[EVIL]),
    "fit": lambda: FitScreen((EVIL, EVIL), tokens=23_456, room=4_321, parts=6),
    "export": lambda: ExportScreen(EVIL, folder=Path("/tmp")),
    "path": lambda: PathScreen("Import chats from a file", folder=Path("/tmp"), note="A note."),
    "set": lambda: PassphraseScreen("set"),
    "change": lambda: PassphraseScreen("change"),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DIALOGS)
def test_it_fits_and_escape_leaves(name: str, size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[None], app: Host) -> None:
        picture = app.picture()
        assert not set(picture) & set("\x1b\x07\x9b\u202e\x00"), picture
        rows = [row.strip("│ ") for row in picture.splitlines() if row.strip()]
        keys = rows[-1] if size[1] < 8 else rows[-2]
        assert "enter" in keys, picture
        for key in ("tab", "down", "down", "right", "left", "up", "pagedown"):
            await pilot.press(key)
        for smaller in ((30, 8), (10, 3), (1, 1), size):
            await pilot.resize_terminal(*smaller)
            await pilot.pause()
        assert not set(app.picture()) & set("\x1b\x07\x9b\u202e\x00")
        await pilot.press("escape", "escape")
        await pilot.pause()

    app = ask(DIALOGS[name], size=size, then=look)
    assert app.results == [None]


def test_the_keys_at_the_bottom_can_be_clicked() -> None:
    async def click(pilot: Pilot[None], app: Host) -> None:
        hints = app.screen.query_one("#hints")
        text = app.picture().splitlines()[hints.region.y]
        await pilot.click(offset=(text.index("leaves"), hints.region.y))
        await pilot.pause()

    assert ask(lambda: RenameScreen(CHAT), then=click).results == [None]

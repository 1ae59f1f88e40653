"""The models screen: what is installed, what just arrived, switching and unloading."""

from __future__ import annotations

import shutil
from pathlib import Path

from driving import Hands, drive

from edgemind.chat.installed import InstalledModel
from edgemind.models import builtin
from edgemind.models.store.importing import import_gguf
from edgemind.models.store.store import own_store
from edgemind.tui.app import EdgemindApp
from edgemind.tui.screens import models
from edgemind.tui.screens.models import ModelsScreen, row


def test_what_is_installed_with_size_and_fit_and_a_way_to_more(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.press("ctrl+o")
        await hands.until(lambda: "fits" in hands.text())
        assert "edgemind-nano" in hands.text()
        assert "edgemind pull" in hands.text()
        await hands.press("escape")
        assert hands.app.screen is hands.chat

    drive(app, script)


def test_a_model_that_arrives_is_noticed_and_can_be_used(app: EdgemindApp, home: Path) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.press("ctrl+o")
        await hands.until(lambda: "fits" in hands.text())
        import_gguf(own_store(), [builtin.path()], "second")
        screen = hands.app.screen
        assert isinstance(screen, ModelsScreen)
        screen._look_again()
        await hands.until(lambda: "Just arrived: second" in hands.text())
        await hands.press("down", "enter")
        await hands.until(lambda: hands.app.house.engines.name == "second")
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()

    drive(app, script)


def test_unloaded_and_loaded_again_by_the_next_message(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.press("ctrl+o")
        await hands.until(lambda: "fits" in hands.text())
        await hands.press("u")
        await hands.until(lambda: hands.app.house.engines.state == "none")
        await hands.press("escape")
        await hands.say("Hello")
        await hands.answered()
        assert hands.app.house.engines.state == "ready"

    drive(app, script)


def test_a_model_that_does_not_load_leaves_the_app_and_offers_others(app: EdgemindApp, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    shutil.copy(builtin.path(), broken)
    with broken.open("r+b") as file:
        file.truncate(2000)

    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say(f"/model {broken}")
        await hands.until(lambda: hands.app.house.engines.state == "failed")
        await hands.until(lambda: "did not load" in hands.text() or "no model" in hands.text())
        await hands.say("/model edgemind-nano")
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()

    drive(app, script)


def test_rows_keep_to_their_width() -> None:
    long = InstalledModel(
        name="a-very-long-name-of-a-model-that-goes-on-and-on-and-on",
        size_bytes=9_000_000_000,
        parameters=14_000_000_000,
        context=32768,
        quantization="Q4_K_M",
        kind="gguf",
        default=False,
        fits=False,
        needs_bytes=12_000_000_000,
    )
    for width in (30, 36, 50, 78):
        assert row(long, width, used=True).cell_length <= max(width, 36)


def test_nothing_polls_while_the_screen_is_not_shown() -> None:
    assert models.LOOK_EVERY >= 2

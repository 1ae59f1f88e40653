"""The history in a real vault: kept, locked, opened again; what locking and panic leave behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from driving import Hands, drive
from textual.widgets import Input, Static

from edgemind.chat import keys
from edgemind.chat.engines import Engines
from edgemind.chat.vault import Vault
from edgemind.settings import ChatSettings, Settings
from edgemind.tui.app import EdgemindApp
from edgemind.tui.household import Household
from edgemind.tui.screens.unlock import UnlockScreen

PASSPHRASE = "correct horse battery"
CHEAP = keys.Argon2(memory_kib=8 << 10, passes=1, lanes=1)


@pytest.fixture
def vault(home: Path) -> Vault:
    return Vault(home / "data" / "history")


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase that is tried in milliseconds."""
    monkeypatch.setattr(keys, "calibrated", lambda: CHEAP)


def settled(engines: Engines, vault: Vault, **chat: object) -> EdgemindApp:
    settings = Settings(threads=1, chat=ChatSettings(**chat))  # type: ignore[arg-type]
    return EdgemindApp(Household(engines, settings, vault=vault))


async def door(hands: Hands) -> UnlockScreen:
    await hands.until(lambda: isinstance(hands.app.screen, UnlockScreen), "the door is not shown")
    screen = hands.app.screen
    assert isinstance(screen, UnlockScreen)
    return screen


async def knock(hands: Hands, passphrase: str) -> None:
    hands.app.screen.query_one(Input).value = passphrase
    await hands.press("enter")


def test_a_first_passphrase_moves_what_was_said_into_a_vault(engines: Engines, vault: Vault) -> None:
    app = settled(engines, vault)

    async def script(hands: Hands) -> None:
        await hands.opened()
        assert "not saved" in hands.text()
        await hands.say("What is 2 + 3?")
        await hands.answered()
        app.house.set_passphrase("", PASSPHRASE)
        await hands.until(lambda: "encrypted" in hands.text())
        await hands.say("Hello")
        await hands.answered()
        app.house.close()

    drive(app, script)
    opened = vault.unlock(passphrase=PASSPHRASE)
    history = opened.history()
    assert [turn.content for turn in history.path(history.rows(0, 9)[0].id) if turn.role == "user"] == [
        "What is 2 + 3?",
        "Hello",
    ]
    opened.lock()


def test_lock_forgets_everything_and_the_passphrase_opens_it_again(engines: Engines, vault: Vault) -> None:
    vault.create(passphrase=PASSPHRASE, cost=CHEAP).lock()
    app = settled(engines, vault)

    async def script(hands: Hands) -> None:
        await door(hands)
        await knock(hands, PASSPHRASE)
        await hands.until(lambda: app.chat_screen is not None)
        await hands.opened()
        await hands.say("The patient is called Zebedee")
        await hands.answered()
        old = hands.chat
        await hands.press("ctrl+l")
        screen = await door(hands)
        assert "locked" in hands.text()
        assert app.house.history is None
        assert app.house.open_vault is None
        assert app.house.engines.pid is None
        assert old.session is None
        assert "Zebedee" not in hands.text()
        await knock(hands, "wrong one here")
        await hands.until(lambda: "does not open" in hands.text())
        assert not screen.query_one(Input).value
        await hands.until(lambda: vault.wait_seconds() == 0)
        await knock(hands, PASSPHRASE)
        await hands.until(lambda: app.chat_screen is not None)
        await hands.opened()
        assert app.house.history is not None
        assert app.house.history.count() == 1
        app.house.close()

    drive(app, script)


def test_too_many_wrong_ones_have_to_wait(engines: Engines, vault: Vault) -> None:
    vault.create(passphrase=PASSPHRASE, cost=CHEAP).lock()
    app = settled(engines, vault)

    async def script(hands: Hands) -> None:
        await door(hands)
        said = app.screen.query_one("#door-said", Static)
        for number in range(30):
            await knock(hands, f"wrong {number}")
            await hands.until(lambda: not str(said.render()).startswith(("enter", "Opening")))
            if "Too many" in str(said.render()):
                break
        assert "Too many wrong passphrases" in str(said.render())
        assert app.chat_screen is None

    drive(app, script)


def test_nothing_to_lock_is_said_and_loses_nothing(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()
        await hands.press("ctrl+l")
        assert hands.app.chat_screen is not None
        await hands.until(lambda: "would lose it" in hands.text())

    drive(app, script)


def test_idle_for_as_long_as_the_settings_say_it_locks_itself(engines: Engines, vault: Vault) -> None:
    vault.create(passphrase=PASSPHRASE, cost=CHEAP).lock()
    app = settled(engines, vault, lock_after_minutes=1)

    async def script(hands: Hands) -> None:
        await door(hands)
        await knock(hands, PASSPHRASE)
        await hands.until(lambda: app.chat_screen is not None)
        await hands.opened()
        app._maybe_idle()
        assert app.chat_screen is not None
        app._last_input = time.monotonic() - 61
        app._maybe_idle()
        await door(hands)

    drive(app, script)


def test_panic_ends_at_once_and_keeps_what_was_acknowledged(engines: Engines, vault: Vault) -> None:
    vault.create(passphrase=PASSPHRASE, cost=CHEAP).lock()
    app = settled(engines, vault)

    async def script(hands: Hands) -> None:
        await door(hands)
        await knock(hands, PASSPHRASE)
        await hands.until(lambda: app.chat_screen is not None)
        await hands.opened()
        await hands.say("Zebedee came at noon")
        await hands.until(lambda: app.house.history is not None and app.house.history.count() == 1)
        worker = engines.pid
        await hands.pilot.press("f12")
        await hands.pilot.pause()
        assert app.house.history is None
        assert worker is None or not os.path.exists(f"/proc/{worker}") or engines.pid is None

    drive(app, script)
    opened = vault.unlock(passphrase=PASSPHRASE)
    history = opened.history()
    assert history.path(history.rows(0, 9)[0].id)[0].content == "Zebedee came at noon"
    opened.lock()


def test_a_keyring_alone_locks_by_ending(engines: Engines, vault: Vault) -> None:
    opened = vault.create(keyring_secret=b"s" * 32)
    app = settled(engines, vault)
    app.house.open_vault, app.house.history, app.house.kept = opened, opened.history(), "encrypted"

    async def script(hands: Hands) -> None:
        await hands.opened()
        assert "keyring" in hands.text()
        await hands.press("ctrl+l")

    drive(app, script, size=(130, 40))
    assert "opens it again" in (app.return_value or "")
    assert opened.locked


def test_a_history_that_cannot_be_opened_is_left_alone_and_the_chat_goes_on(engines: Engines, vault: Vault) -> None:
    vault.folder.mkdir(parents=True)
    vault.database.write_bytes(b"SQLite format 3\0" + bytes(100))
    before = vault.database.read_bytes()
    app = settled(engines, vault)

    async def script(hands: Hands) -> None:
        await hands.opened()
        assert "nothing is saved" in hands.text() or "not opened" in hands.text()
        await hands.say("Hello")
        await hands.answered()

    drive(app, script, size=(120, 40))
    assert vault.database.read_bytes() == before


def test_clinic_mode_asks_for_a_passphrase_before_anything_is_said(engines: Engines, home: Path) -> None:
    clinic = Vault(home / "data" / "history", clinic=True)
    app = settled(engines, clinic, clinic=True)

    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.until(lambda: "Passphrase of the history" in hands.text())
        await hands.press("escape")
        await hands.say("Zebedee has gout")
        await hands.until(lambda: "needs a passphrase" in hands.text())
        await hands.until(lambda: hands.chat.composer.draft == "Zebedee has gout")
        assert app.house.history is not None
        assert app.house.history.count() == 0

    drive(app, script)

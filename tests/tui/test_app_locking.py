"""The history in a real vault: kept, locked, opened again; what locking and panic leave behind."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from driving import Hands, drive
from textual.widgets import Input, Static

from edgemind.chat import keyring_, keys
from edgemind.chat.engines import Engines
from edgemind.chat.history import History
from edgemind.chat.locking_policy import now
from edgemind.chat.vault import Vault
from edgemind.settings import ChatSettings, Settings
from edgemind.tui.app import EdgemindApp
from edgemind.tui.household import Household
from edgemind.tui.screens.unlock import UnlockScreen
from edgemind.tui.widgets.drafts import DraftKeeper

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


class Answered:
    """A keyring that has answered."""

    key_id = "0" * 32

    def __init__(self, secret: bytes) -> None:
        self._answer = keyring_.Answer(bytearray(secret))

    def result(self) -> keyring_.Answer:
        return self._answer


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
        await hands.until(lambda: "Zebedee" in hands.text(), "the chat that was open is not shown again")
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


class Clock:
    """A clock that tests put forward."""

    ahead = 0.0

    def __call__(self) -> float:
        return now() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The app's, which the app looks at all the time."""
    clock = Clock()
    monkeypatch.setattr("edgemind.tui.app.now", clock)
    monkeypatch.setattr("edgemind.tui.app.LOOK_EVERY", 0.05)
    return clock


def test_a_history_opened_at_the_door_locks_itself_when_idle(engines: Engines, vault: Vault, clock: Clock) -> None:
    vault.create(passphrase=PASSPHRASE, cost=CHEAP).lock()
    app = settled(engines, vault, lock_after_minutes=1)

    async def script(hands: Hands) -> None:
        await door(hands)
        await knock(hands, PASSPHRASE)
        await hands.until(lambda: app.chat_screen is not None)
        await hands.opened()
        clock.ahead = 50
        await hands.press("a")
        clock.ahead = 100
        await hands.pilot.pause(0.3)
        assert app.chat_screen is not None
        clock.ahead = 111
        await door(hands)

    drive(app, script)


def test_a_history_that_the_keyring_opened_locks_itself_when_idle(engines: Engines, vault: Vault, clock: Clock) -> None:
    vault.create(keyring_secret=b"s" * 32, key_id="0" * 32).lock()
    app = settled(engines, vault, lock_after_minutes=1)
    app.house._asking = Answered(b"s" * 32)  # type: ignore[assignment]

    async def script(hands: Hands) -> None:
        await hands.opened()
        assert app.house.kept == "encrypted"
        clock.ahead = 61
        await hands.until(lambda: app.return_value is not None)

    drive(app, script)
    assert "opens it again" in (app.return_value or "")


def test_clinic_s_first_session_locks_itself_when_idle(engines: Engines, home: Path, clock: Clock) -> None:
    app = settled(engines, Vault(home / "data" / "history", clinic=True), clinic=True)

    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.until(lambda: "Passphrase of the history" in hands.text())
        for _ in range(2):
            await hands.press(*PASSPHRASE.replace(" ", "-"), "enter")
        await hands.until(lambda: app.house.kept == "encrypted")
        await hands.until(lambda: len(app.screen_stack) == 1)
        clock.ahead = 5 * 60 + 1
        await door(hands)

    drive(app, script)


def test_a_key_after_the_machine_slept_finds_the_door(
    engines: Engines, vault: Vault, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemind.tui.app.LOOK_EVERY", 3600.0)  # the key is what finds it, not a look that came before
    vault.create(passphrase=PASSPHRASE, cost=CHEAP).lock()
    app = settled(engines, vault)

    async def script(hands: Hands) -> None:
        await door(hands)
        await knock(hands, PASSPHRASE)
        await hands.until(lambda: app.chat_screen is not None)
        await hands.opened()
        assert app._idle is not None
        app._idle.stop()
        clock.ahead = 8 * 3600
        await hands.press("x")
        await door(hands)
        assert app.screen.query_one(Input).value == ""

    drive(app, script)


def test_what_could_not_be_saved_survives_a_lock(engines: Engines, vault: Vault, clock: Clock) -> None:
    vault.create(passphrase=PASSPHRASE, cost=CHEAP).lock()
    app = settled(engines, vault)

    async def script(hands: Hands) -> None:
        await door(hands)
        await knock(hands, PASSPHRASE)
        await hands.until(lambda: app.chat_screen is not None)
        await hands.opened()
        house = app.house
        assert house.open_vault is not None
        house.history, house.kept = house.open_vault.history_in_memory(), "unsaved"
        hands.chat.house_changed()
        await hands.say("Zebedee came at noon")
        await hands.answered()
        clock.ahead = 16 * 60
        await door(hands)
        assert app.chat_screen is None
        assert engines.pid is None
        assert "Zebedee" not in hands.text()
        await knock(hands, "wrong one here")
        await hands.until(lambda: "does not open" in hands.text())
        await hands.until(lambda: vault.wait_seconds() == 0)
        await knock(hands, PASSPHRASE)
        await hands.until(lambda: app.chat_screen is not None)
        assert "Zebedee" in hands.text()
        await hands.say("And again at one")
        await hands.answered()

    drive(app, script)


def test_what_the_keyring_opens_and_could_not_be_saved_is_not_locked_away(engines: Engines, vault: Vault) -> None:
    opened = vault.create(keyring_secret=b"s" * 32)
    app = settled(engines, vault)
    app.house.open_vault, app.house.history, app.house.kept = opened, opened.history_in_memory(), "unsaved"

    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()
        await hands.press("ctrl+l")
        await hands.until(lambda: "would lose it" in hands.text())
        assert app.chat_screen is not None

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
        await hands.until(lambda: worker is None or not os.path.exists(f"/proc/{worker}") or engines.pid is None)

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


def test_panic_waits_for_no_disk(engines: Engines, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = vault.create(keyring_secret=b"s" * 32)
    app = settled(engines, vault)
    app.house.open_vault, app.house.history, app.house.kept = opened, opened.history(), "encrypted"
    free, done = threading.Event(), threading.Event()

    def busy(_: History) -> None:
        free.wait(20)
        done.set()

    monkeypatch.setattr(History, "close", busy)
    monkeypatch.setattr(DraftKeeper, "_save", lambda *_: busy(History.in_memory()))

    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.type("Zebedee has gout")
        hands.chat.composer.save_draft(wait=False)
        app.copy_to_clipboard("Zebedee")
        await hands.pilot.press("f12")
        await hands.until(lambda: app.return_value is not None)
        assert not done.is_set()
        await hands.until(lambda: opened.locked)
        assert app.clipboard == ""

    drive(app, script)
    free.set()

"""What becomes of the words: opening, a first passphrase, failures on the way. Without a screen and without a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemind.chat import keyring_, keys
from edgemind.chat.engines import Engines
from edgemind.chat.history import History
from edgemind.chat.open_vault import OpenVault
from edgemind.chat.problems import HistoryInUse, HistoryNotSaving
from edgemind.chat.vault import Vault
from edgemind.errors import EdgemindError, HistoryProblem
from edgemind.settings import ChatSettings, Settings
from edgemind.tui.household import Household

PASSPHRASE = "correct horse battery"
CHEAP = keys.Argon2(memory_kib=8 << 10, passes=1, lanes=1)


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase that is tried in milliseconds."""
    monkeypatch.setattr(keys, "calibrated", lambda: CHEAP)


@pytest.fixture
def vault(home: Path) -> Vault:
    return Vault(home / "data" / "history")


class Answered:
    """A keyring that has answered."""

    key_id = "0" * 32

    def __init__(self, secret: bytes | None) -> None:
        self.answer = keyring_.Answer(bytearray(secret) if secret else None)

    def result(self) -> keyring_.Answer:
        return self.answer


houses: list[Household] = []


def house(vault: Vault | None, *, ephemeral: bool = False, asking: Answered | None = None, **chat: object) -> Household:
    settings = Settings(threads=1, chat=ChatSettings(**chat))  # type: ignore[arg-type]
    made = Household(Engines(settings), settings, vault=vault, asking=asking, ephemeral=ephemeral)  # type: ignore[arg-type]
    made.load_model = lambda: None  # type: ignore[method-assign]
    houses.append(made)
    return made


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while houses:
        houses.pop().close()


def opened(one: Household) -> Household:
    one.begin(lambda: None)
    one.wait_opened()
    return one


def talked(one: Household) -> Household:
    """With a chat of this session in memory."""
    opened(one)
    assert one.history is not None
    chat = one.history.create_chat(title="Zebedee")
    one.history.add_turn(chat.id, None, "user", "Zebedee has gout")
    return one


def full(*_: object, **__: object) -> None:
    """Stands for a disk that is full, which a test cannot have everywhere."""
    raise HistoryNotSaving("The disk is full: the history cannot be saved.", "Free some space.")


def test_chats_of_this_session_stay_when_the_disk_fills_while_they_move(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = talked(house(vault))
    with monkeypatch.context() as patch:
        patch.setattr(History, "move_into", full)
        one.set_passphrase("", PASSPHRASE)
        assert one.kept == "unsaved"
        assert one.history is not None
        assert [row.title for row in one.history.rows(0, 9)] == ["Zebedee"]
        one._move_now()
        assert one.kept == "unsaved"
    one.close()
    opened = vault.unlock(passphrase=PASSPHRASE)
    assert [row.title for row in opened.history().rows(0, 9)] == ["Zebedee"]
    opened.lock()


def test_a_vault_that_cannot_be_entered_is_locked_again_and_can_be_tried_again(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = talked(house(vault))
    seen: list[OpenVault] = []

    def busy(self: OpenVault, app: bool = False) -> History:
        seen.append(self)
        raise HistoryInUse("Another edgemind is changing the history.", "Let it finish.")

    with monkeypatch.context() as patch:
        patch.setattr(OpenVault, "history", busy)
        with pytest.raises(HistoryInUse):
            one.set_passphrase("", PASSPHRASE)
    assert seen[0].locked
    assert (one.kept, one.open_vault) == ("memory", None)
    assert one.history is not None
    assert one.history.count() == 1
    one.set_passphrase(PASSPHRASE, PASSPHRASE + " 2")
    assert one.kept == "encrypted"
    assert one.history.count() == 1
    one.close()
    vault.unlock(passphrase=PASSPHRASE + " 2").lock()


def test_clinic_mode_does_not_talk_past_a_history_that_only_the_keyring_opens(home: Path) -> None:
    folder = home / "data" / "history"
    Vault(folder).create(keyring_secret=b"s" * 32).lock()
    one = opened(house(Vault(folder, clinic=True), clinic=True))
    assert one.kept == "trouble"
    assert one.has_to_be_kept
    assert one.problem is not None
    assert "Clinic mode does not use the keyring" in one.problem.message
    assert "edgemind history passphrase" in one.problem.hint
    with pytest.raises(HistoryProblem, match="keyring"):
        one.set_passphrase("", PASSPHRASE)


@pytest.mark.parametrize(("ephemeral", "kept"), [(True, "ephemeral"), (False, "off")])
def test_clinic_mode_ends_what_is_kept_nowhere(ephemeral: bool, kept: str) -> None:
    one = opened(house(None, ephemeral=ephemeral, clinic=True))
    assert one.kept == kept
    policy = one.locking
    assert policy is not None
    assert (policy.after_seconds, policy.locking) == (300, "end")
    assert opened(house(None, ephemeral=ephemeral)).locking is None


def test_how_to_keep_chats_is_said_for_the_reason_that_they_are_not() -> None:
    with pytest.raises(EdgemindError) as caught:
        opened(house(None, history="off")).set_passphrase("", PASSPHRASE)
    assert "history" in caught.value.hint
    assert "--ephemeral" not in caught.value.hint
    with pytest.raises(EdgemindError) as caught:
        opened(house(None, ephemeral=True)).set_passphrase("", PASSPHRASE)
    assert "--ephemeral" in caught.value.hint


def test_a_secret_is_wiped_when_no_vault_can_be_made_with_it(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vault, "create", full)
    asking = Answered(b"s" * 32)
    one = opened(house(vault, asking=asking))
    assert one.kept == "trouble"
    assert asking.answer.secret is None

"""Locking while something else is under way: no key is lost, nothing waits for ever."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from vaults import CHEAP, PASSPHRASE, new_vault, said, say

from edgemind.chat import backups, keys
from edgemind.chat.problems import HistoryLocked
from edgemind.chat.vault import Vault
from edgemind.errors import HistoryProblem

NEW = "battery staple and more"
PATIENCE = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


def test_locking_while_a_passphrase_is_set_loses_no_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new_vault(folder)
    chat = say(found.history(), "knee", "It hurts.")
    usual = keys._from_passphrase

    def slow(*given: object) -> bytearray:
        found.lock()
        return usual(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(keys, "_from_passphrase", slow)
    found.set_passphrase(NEW, CHEAP)
    monkeypatch.undo()
    again = Vault(folder).unlock(NEW)
    assert said(again.history(), chat) == ["It hurts."]
    again.lock()


def test_locking_while_a_reader_is_opened_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new_vault(folder)
    history = found.history()
    say(history, "knee", "It hurts.")
    opening, locking = threading.Event(), threading.Event()
    usual = found.connect_to

    def connect_to(path: Path) -> object:
        opening.set()
        locking.wait(1)
        return usual(path)

    monkeypatch.setattr(found, "connect_to", connect_to)
    told: list[BaseException | int] = []

    def read() -> None:
        try:
            told.append(history.count())
        except HistoryProblem as problem:
            told.append(problem)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert opening.wait(PATIENCE)
    locker = threading.Thread(target=found.lock, daemon=True)
    locker.start()
    while not (found.locked or found._history is None):
        pass
    locking.set()
    locker.join(PATIENCE)
    reader.join(PATIENCE)
    assert not locker.is_alive()
    assert not reader.is_alive()
    assert isinstance(told[0], HistoryLocked)
    assert Vault(folder).unlock(PASSPHRASE).history().count() == 1


def test_what_a_killed_process_left_goes_when_nobody_can_need_it(folder: Path) -> None:
    first = new_vault(folder)
    say(first.history(), "knee", "It hurts.")
    left = [folder / ".new-0123abcd-history.db", folder / ".new-0123abcd-restore" / "history.db"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a copy")
    second = Vault(folder).unlock(PASSPHRASE)
    second.history()
    assert all(path.exists() for path in left), "the other one may be writing it"
    second.lock()
    first.lock()
    third = Vault(folder).unlock(PASSPHRASE)
    third.history()
    assert not list(folder.glob(".new-*"))
    third.lock()


def test_a_history_that_was_replaced_is_not_taken_for_a_damaged_one(folder: Path, tmp_path: Path) -> None:
    other = new_vault(tmp_path / "other")
    chat = say(other.history(), "foot", "It is well.")
    backups.write(other, tmp_path / "other.backup")
    other.lock()
    new_vault(folder).lock()
    unlocked = Vault(folder).unlock(PASSPHRASE)
    backups.restore(Vault(folder), tmp_path / "other.backup", PASSPHRASE)
    with pytest.raises(HistoryProblem, match="Another history was restored"):
        unlocked.history()
    unlocked.lock()
    again = Vault(folder).unlock(PASSPHRASE)
    assert said(again.history(), chat) == ["It is well."]
    assert again.recovered is None
    again.lock()

"""Damage to the database, of every kind: what could be read comes back, what was damaged is kept, and it is said."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from vaults import PASSPHRASE, new_vault, said, say

from edgemind.chat import snapshots
from edgemind.chat.history import History
from edgemind.chat.open_vault import OpenVault
from edgemind.chat.problems import HistoryDamaged, HistoryInUse, HistoryNotSaving
from edgemind.chat.vault import Vault

PAGE = 4096
CHATS, MESSAGES = 8, 12


def text(chat: int, message: int) -> str:
    return f"chat {chat} message {message} " + f"word{chat}n{message} " * 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A history with a snapshot, and a chat that is newer than that."""
    folder = tmp_path / "history"
    found = new_vault(folder)
    for chat in range(CHATS):
        say(found.history(), f"chat {chat}", *(text(chat, message) for message in range(MESSAGES)))
    assert found.snapshot()
    say(found.history(), "newer", "after the snapshot")
    found.lock()
    return folder


def opened(folder: Path) -> tuple[OpenVault, History]:
    found = Vault(folder).unlock(PASSPHRASE)
    return found, found.history()


def flip(folder: Path, *pages: int) -> None:
    data = bytearray((folder / "history.db").read_bytes())
    for page in pages:
        data[page * PAGE + 200] ^= 1
    (folder / "history.db").write_bytes(data)


def flip_in_the_middle(folder: Path, count: int = 1) -> None:
    """Damage pages that do not hold the schema, without which nothing can be read."""
    whole = (folder / "history.db").read_bytes()
    for first in range(pages(folder) // 2, pages(folder) - count):
        (folder / "history.db").write_bytes(whole)
        flip(folder, *range(first, first + count))
        found = Vault(folder).unlock(PASSPHRASE)
        with contextlib.suppress(HistoryDamaged):
            found.connect().close()
            return
    raise AssertionError


def pages(folder: Path) -> int:
    return (folder / "history.db").stat().st_size // PAGE


def titles(history: History) -> set[str]:
    return {row.title for row in history.rows(0, 100)}


EVERY = {f"chat {number}" for number in range(CHATS)}


def test_any_damaged_page_is_found_and_every_chat_comes_back(folder: Path) -> None:
    """Twelve pages spread over the file, each in a history of its own."""
    whole = (folder / "history.db").read_bytes()
    count = pages(folder)
    for page in random.Random(1).sample(range(1, count), 12):
        (folder / "history.db").write_bytes(whole)
        flip(folder, page)
        found = Vault(folder).unlock(PASSPHRASE)
        assert found.check(), page
        damaged = (folder / "history.db").read_bytes()
        history = found.history()
        assert found.recovered is not None
        assert found.recovered.aside is not None
        assert (found.recovered.aside / "history.db").read_bytes() == damaged
        assert titles(history) >= EVERY, page
        for row in history.rows(0, 100):
            if row.title != "newer":
                number = int(row.title.split()[1])
                assert sorted(said(history, row.id)) == sorted(text(number, n) for n in range(MESSAGES)), page
        assert history.search("word3n7", 5), page
        assert found.check() == []
        found.lock()


def test_what_is_newer_than_the_snapshot_is_salvaged(folder: Path) -> None:
    """Somewhere in the middle are the messages; the chat that came last is not there."""
    flip_in_the_middle(folder)
    found = Vault(folder).unlock(PASSPHRASE)
    assert found.check()
    assert "newer" in titles(found.history())
    assert found.recovered is not None
    assert "has been mended" in found.recovered.sentence
    found.lock()


def test_a_lost_header_means_the_snapshot(folder: Path) -> None:
    flip(folder, 0)
    found, history = opened(folder)
    assert titles(history) == EVERY
    assert found.recovered is not None
    assert found.recovered.salvaged.incomplete
    assert "Newer chats may be missing." in found.recovered.sentence
    found.lock()
    found, _ = opened(folder)
    assert found.recovered is None
    found.lock()


@pytest.mark.parametrize("size", [0, 1, 100, PAGE, 3 * PAGE + 17])
def test_a_file_that_was_cut_short(folder: Path, size: int) -> None:
    with open(folder / "history.db", "r+b") as file:
        file.truncate(size)
    found, history = opened(folder)
    assert titles(history) >= EVERY
    assert found.recovered is not None
    found.lock()


def test_a_file_that_is_gone(folder: Path) -> None:
    (folder / "history.db").unlink()
    found, history = opened(folder)
    assert titles(history) == EVERY
    assert found.recovered is not None
    assert found.recovered.aside is None
    found.lock()


def test_a_damaged_snapshot_is_passed_over(folder: Path) -> None:
    found, history = opened(folder)
    say(history, "second", "later")
    later = found.snapshot()
    assert later is not None
    found.lock()
    data = bytearray(later.path.read_bytes())
    data[5 * PAGE + 99] ^= 1
    later.path.write_bytes(data)
    flip(folder, 0)
    found, history = opened(folder)
    assert titles(history) == EVERY
    found.lock()


def test_without_a_snapshot_what_can_be_read_is_kept(folder: Path) -> None:
    for file in (folder / "snapshots").iterdir():
        file.unlink()
    flip_in_the_middle(folder, 3)
    found = Vault(folder).unlock(PASSPHRASE)
    assert found.check()
    history = found.history()
    assert found.recovered is not None
    assert found.recovered.snapshot is None
    kept = sum(len(said(history, row.id)) for row in history.rows(0, 100))
    assert kept + found.recovered.salvaged.lost == CHATS * MESSAGES + 1
    assert kept > CHATS * MESSAGES // 2
    found.lock()


def test_a_snapshot_is_not_taken_of_what_is_damaged(folder: Path) -> None:
    before = sorted((folder / "snapshots").iterdir())
    flip_in_the_middle(folder)
    found = Vault(folder).unlock(PASSPHRASE)
    with pytest.raises(HistoryDamaged):
        found.snapshot()
    assert [one for one in sorted((folder / "snapshots").iterdir()) if one.suffix == ".db"] == [
        one for one in before if one.suffix == ".db"
    ]
    assert titles(found.history()) >= EVERY
    assert found.recovered is not None
    found.lock()


def test_damage_that_is_met_while_chatting_is_mended_by_the_next_opening(folder: Path) -> None:
    whole = (folder / "history.db").read_bytes()
    met = 0
    for page in range(pages(folder) // 3, pages(folder), 4):
        (folder / "history.db").write_bytes(whole)
        flip(folder, page)
        found, history = opened(folder)
        try:
            for row in history.rows(0, 100):
                history.path(row.id)
        except HistoryDamaged:
            met += 1
            found.lock()
            found, history = opened(folder)
            assert found.recovered is not None
            assert titles(history) >= EVERY
        found.lock()
    assert met


def test_no_snapshot_hides_damage_whichever_page_it_is(folder: Path) -> None:
    """SQLite's backup copies a page that fails its authentication as an empty one, and says nothing."""
    whole = (folder / "history.db").read_bytes()
    before = len(list((folder / "snapshots").glob("*.db")))
    for page in range(0, pages(folder), 3):
        (folder / "history.db").write_bytes(whole)
        flip(folder, page)
        found = Vault(folder).unlock(PASSPHRASE)
        with pytest.raises(HistoryDamaged):
            found.snapshot()
        found.lock()
    assert len(list((folder / "snapshots").glob("*.db"))) == before


@pytest.mark.parametrize("kind", ["killed", "full"])
def test_mending_that_ends_midway_leaves_what_there_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The mended one is checked, which takes long, before the damaged one is moved."""
    from sqlcipher3 import dbapi2

    flip_in_the_middle(folder)
    (folder / "damaged").touch()
    usual, checked = snapshots.check, []

    def check(path: Path, connect: snapshots.Connect) -> None:
        checked.append(path)
        if len(checked) == 2:
            raise KeyboardInterrupt if kind == "killed" else dbapi2.OperationalError("database or disk is full")
        usual(path, connect)

    monkeypatch.setattr(snapshots, "check", check)
    with pytest.raises(KeyboardInterrupt if kind == "killed" else HistoryNotSaving):
        opened(folder)
    monkeypatch.undo()
    assert (folder / "history.db").exists()
    assert not (folder / "set-aside").exists()
    found, history = opened(folder)
    assert titles(history) == EVERY | {"newer"}
    found.lock()


def test_it_is_not_mended_under_another_that_has_it_open(folder: Path) -> None:
    first, _ = opened(folder)
    flip_in_the_middle(folder)
    second = Vault(folder).unlock(PASSPHRASE)
    assert second.check()
    before = (folder / "history.db").read_bytes()
    with pytest.raises(HistoryInUse):
        second.history()
    assert (folder / "history.db").read_bytes() == before
    first.lock()
    assert titles(second.history()) >= EVERY
    second.lock()

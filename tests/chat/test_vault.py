"""Making, opening, locking a vault; wrong passphrases; changing what opens it; two at once."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from vaults import CHEAP, PASSPHRASE, SECRET, new_vault, said, say

from edgemind.chat import keys, running, tries
from edgemind.chat.problems import HistoryDamaged, HistoryNotSaving, NoHistory
from edgemind.chat.vault import Vault, encrypted
from edgemind.errors import HistoryProblem, HistoryTooNew, WrongPassphrase

NEW = "battery staple and more"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "history"


def test_what_is_said_is_there_when_it_is_opened_again(folder: Path) -> None:
    vault = Vault(folder)
    assert vault.state().kind == "none"
    with pytest.raises(NoHistory):
        vault.unlock(PASSPHRASE)
    first = new_vault(folder, keyring=True)
    chat = say(first.history(), "knee", "It hurts.", "Rest it.")
    first.lock()
    assert vault.state().kind == "both"
    for way in ({"passphrase": PASSPHRASE}, {"keyring_secret": SECRET}):
        found = vault.unlock(**way)  # type: ignore[arg-type]
        assert said(found.history(), chat) == ["It hurts.", "Rest it."]
        found.lock()


def test_files_are_for_their_owner_alone_under_any_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        found = new_vault(folder)
        say(found.history(), "knee", "It hurts.")
        found.snapshot()
        modes = {one: one.stat().st_mode & 0o777 for one in [folder, *folder.rglob("*")]}
        found.lock()
    finally:
        os.umask(before)
    assert {mode for one, mode in modes.items() if one.is_dir()} == {0o700}
    assert {mode for one, mode in modes.items() if one.is_file()} == {0o600}
    assert {"history.db", "history.db-wal", "history.key", "history.key.copy"} <= {one.name for one in modes}


def test_a_folder_that_others_can_enter_is_closed(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    new_vault(folder).lock()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_database_means_nothing_to_sqlite_and_to_another_key(folder: Path) -> None:
    found = new_vault(folder)
    say(found.history(), "knee", "It hurts.")
    found.lock()
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(folder / "history.db").execute("SELECT * FROM sqlite_master")
    with pytest.raises(HistoryDamaged):
        encrypted(folder / "history.db", keys.random_key())


def test_locking_overwrites_the_key_and_closes_everything(folder: Path) -> None:
    found = new_vault(folder)
    history, key = found.history(), found._key
    assert key is not None
    found.lock()
    found.lock()
    assert bytes(key) == bytes(32)
    assert found.locked
    assert history.closed
    for use in (found.connect, found.history, lambda: found.set_passphrase(NEW, CHEAP)):
        with pytest.raises(HistoryProblem, match="locked"):
            use()
    assert running.running(folder) == []


def test_a_wrong_passphrase_touches_nothing(folder: Path) -> None:
    found = new_vault(folder)
    say(found.history(), "knee", "It hurts.")
    found.lock()
    before = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    with pytest.raises(WrongPassphrase):
        Vault(folder).unlock("not this one")
    after = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    assert {name: after[name] for name in before} == before


def test_wrong_ones_make_the_wait_longer_and_a_restart_does_not_help(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_vault(folder).lock()
    now = [1_000_000.0]
    monkeypatch.setattr(tries.time, "time", lambda: now[0])
    waits = []
    for _ in range(14):
        with pytest.raises(WrongPassphrase):
            Vault(folder).unlock("not this one")
        waits.append(Vault(folder).wait_seconds())
        now[0] += waits[-1]
    assert waits[:2] == [0, 0]
    assert waits[2:8] == [2, 4, 8, 16, 32, 64]
    assert waits[-1] == tries.LONGEST
    with pytest.raises(WrongPassphrase):
        Vault(folder).unlock("not this one")
    with pytest.raises(WrongPassphrase, match="Too many wrong passphrases"):
        Vault(folder).unlock(PASSPHRASE)
    now[0] += tries.LONGEST
    Vault(folder).unlock(PASSPHRASE).lock()
    assert Vault(folder).wait_seconds() == 0


def test_a_clock_that_was_wrong_once_locks_nobody_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_vault(folder).lock()
    now = [4_000_000_000.0]
    monkeypatch.setattr(tries.time, "time", lambda: now[0])
    for _ in range(3):
        with pytest.raises(WrongPassphrase):
            Vault(folder).unlock("not this one")
    now[0] = 1_000_000.0
    assert Vault(folder).wait_seconds() == 2
    now[0] += 2
    Vault(folder).unlock(PASSPHRASE).lock()


@pytest.mark.parametrize("data", [b"", b"{", b'{"wrong": -1}', b'{"wrong": 3, "last": 1e999}', b"x" * 10_000])
def test_a_damaged_count_locks_nobody_out(folder: Path, data: bytes) -> None:
    new_vault(folder).lock()
    (folder / tries.FILE).write_bytes(data)
    Vault(folder).unlock(PASSPHRASE).lock()


def test_a_try_that_is_killed_counts_and_one_that_fails_otherwise_does_not(folder: Path) -> None:
    new_vault(folder).lock()

    def tried(problem: BaseException) -> bytes:
        with tries.counted(folder):
            during = (folder / tries.FILE).read_bytes()
            assert b'"wrong":' in during
            raise problem

    with pytest.raises(WrongPassphrase):
        tried(WrongPassphrase("no"))
    with pytest.raises(MemoryError):
        tried(MemoryError())
    assert b'"wrong":1' in (folder / tries.FILE).read_bytes()


def test_a_try_that_fails_otherwise_takes_back_its_own_count_alone(folder: Path) -> None:
    new_vault(folder).lock()

    def wrong_ones_meanwhile() -> None:
        with tries.counted(folder):
            for _ in range(2):
                with pytest.raises(WrongPassphrase), tries.counted(folder):
                    raise WrongPassphrase("no")
            raise MemoryError

    with pytest.raises(MemoryError):
        wrong_ones_meanwhile()
    assert b'"wrong":2' in (folder / tries.FILE).read_bytes()


def test_changing_the_passphrase_keeps_the_chats_and_shuts_the_old_one_out(folder: Path) -> None:
    found = new_vault(folder)
    chat = say(found.history(), "knee", "It hurts.")
    with pytest.raises(WrongPassphrase):
        found.change_passphrase("not this one", NEW, CHEAP)
    found.change_passphrase(PASSPHRASE, NEW, CHEAP)
    found.lock()
    with pytest.raises(WrongPassphrase):
        Vault(folder).unlock(PASSPHRASE)
    found = Vault(folder).unlock(NEW)
    assert said(found.history(), chat) == ["It hurts."]
    found.lock()
    for name in ("history.key", "history.key.copy"):
        assert keys.unwrap_with_passphrase(keys.read_key_file(folder / name), PASSPHRASE) is None


@pytest.mark.parametrize("step", range(8))
def test_a_change_that_is_interrupted_anywhere_never_loses_the_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The process ends at the n-th of the system's calls that write, sync or rename."""
    found = new_vault(folder)
    chat = say(found.history(), "knee", "It hurts.")
    calls = [0]

    class Killed(BaseException):
        pass

    def counting(name: str) -> None:
        real = getattr(os, name)

        def call(*values: object, **more: object) -> object:
            calls[0] += 1
            if calls[0] > step:
                raise Killed
            return real(*values, **more)

        monkeypatch.setattr(f"edgemind.chat.private_files.os.{name}", call)

    for name in ("write", "fsync", "replace"):
        counting(name)
    with pytest.raises(Killed):
        found.set_passphrase(NEW, CHEAP)
    monkeypatch.undo()
    found.lock()
    opened = []
    for passphrase in (PASSPHRASE, NEW):
        try:
            again = Vault(folder).unlock(passphrase)
        except WrongPassphrase:
            continue
        assert said(again.history(), chat) == ["It hurts."]
        opened.append(passphrase)
        again.lock()
    assert len(opened) == 1
    assert keys.read_key_file(folder / "history.key") == keys.read_key_file(folder / "history.key.copy")
    assert not list(folder.glob(".new-*"))


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x00" * 300, None])
def test_a_key_file_that_is_damaged_or_gone_has_its_copy(folder: Path, damage: bytes | None) -> None:
    found = new_vault(folder)
    chat = say(found.history(), "knee", "It hurts.")
    found.lock()
    if damage is None:
        (folder / "history.key").unlink()
    else:
        (folder / "history.key").write_bytes(damage)
    assert Vault(folder).state().kind == "passphrase"
    found = Vault(folder).unlock(PASSPHRASE)
    assert said(found.history(), chat) == ["It hurts."]
    found.set_passphrase(NEW, CHEAP)
    found.lock()
    assert keys.read_key_file(folder / "history.key") == keys.read_key_file(folder / "history.key.copy")


def test_a_newer_key_file_is_not_opened_by_an_older_copy(folder: Path) -> None:
    new_vault(folder).lock()
    (folder / "history.key").write_text('{"version": 2}')
    with pytest.raises(HistoryTooNew):
        Vault(folder).unlock(PASSPHRASE)
    assert Vault(folder).state().kind == "damaged"


def test_a_database_without_any_key_file_is_said_and_never_replaced(folder: Path) -> None:
    new_vault(folder).history().close()
    for name in ("history.key", "history.key.copy"):
        (folder / name).unlink()
    vault = Vault(folder)
    assert vault.state().kind == "damaged"
    before = vault.database.read_bytes()
    for use in (lambda: vault.unlock(PASSPHRASE), lambda: vault.create(PASSPHRASE, cost=CHEAP)):
        with pytest.raises(HistoryProblem):
            use()
    assert vault.database.read_bytes() == before


def test_a_plain_database_is_not_taken_for_the_history(folder: Path) -> None:
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "history.db") as plain:
        plain.execute("CREATE TABLE a (b)")
    plain.close()
    vault = Vault(folder)
    assert vault.state().kind == "plain"
    with pytest.raises(HistoryProblem, match="not encrypted"):
        vault.create(PASSPHRASE, cost=CHEAP)


def test_clinic_mode_wants_a_passphrase_and_no_keyring(folder: Path) -> None:
    clinic = Vault(folder, clinic=True)
    for given in ({"keyring_secret": SECRET}, {"keyring_secret": SECRET, "passphrase": PASSPHRASE}):
        with pytest.raises(WrongPassphrase, match="Clinic mode"):
            clinic.create(**given, cost=CHEAP)  # type: ignore[arg-type]
    new_vault(folder, keyring=True).lock()
    with pytest.raises(WrongPassphrase, match="Clinic mode"):
        clinic.unlock(keyring_secret=SECRET)
    found = clinic.unlock(PASSPHRASE)
    found.remove("keyring")
    with pytest.raises(WrongPassphrase):
        found.set_keyring(SECRET)
    found.lock()
    assert Vault(folder).state().kind == "passphrase"


def test_two_of_them_write_at_the_same_time(folder: Path) -> None:
    first = new_vault(folder)
    second = Vault(folder).unlock(PASSPHRASE)
    histories = [first.history(app=True), second.history()]
    assert not first.alone()
    chats = [history.create_chat(title="both").id for history in histories]
    problems: list[BaseException] = []

    def write(number: int) -> None:
        try:
            parent = None
            for count in range(20):
                parent = histories[number].add_turn(chats[number], parent, "user", f"{number} {count}").id
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for number in range(2):
        assert said(histories[1 - number], chats[number]) == [f"{number} {count}" for count in range(20)]
    second.lock()
    assert first.alone()
    first.lock()


def test_two_that_begin_at_once_make_one_history(folder: Path) -> None:
    made, refused = [], []

    def begin() -> None:
        try:
            made.append(Vault(folder).create(PASSPHRASE, cost=CHEAP))
        except HistoryProblem as problem:
            refused.append(problem)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 3)
    Vault(folder).unlock(PASSPHRASE).lock()


def test_a_history_that_cannot_be_written_is_read_into_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = new_vault(folder)
    chat = say(found.history(), "knee", "It hurts.")
    found.lock()
    found = Vault(folder).unlock(PASSPHRASE)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(running, "register", refuse)
    with pytest.raises(HistoryNotSaving, match="read-only file system"):
        found.history()
    memory = found.history_in_memory()
    assert said(memory, chat) == ["It hurts."]
    assert not memory.saved
    memory.create_chat(title="new")
    found.lock()
    assert memory.count() == 2

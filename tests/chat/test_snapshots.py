"""Snapshots: encrypted, checked, thinned out, without what was deleted. Backups: written, restored, hostile."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from vaults import CHEAP, PASSPHRASE, SECRET, new_vault, said, say

from edgemind.chat import backups, keys, snapshots
from edgemind.chat.history import History
from edgemind.chat.open_vault import OpenVault
from edgemind.chat.problems import HistoryInUse, HistoryLocked
from edgemind.chat.snapshots import DAY, HOUR, Snapshot
from edgemind.chat.vault import Vault
from edgemind.errors import BadInput, EdgemindError, HistoryProblem, HistoryTooNew, UsageError, WrongPassphrase

PLANTED = "the planted words of a patient"


@pytest.fixture
def found(tmp_path: Path) -> OpenVault:
    return new_vault(tmp_path / "history", keyring=True)


def titles(vault: OpenVault, path: Path | None = None) -> set[str]:
    history = vault.history() if path is None else History(lambda: vault.connect_to(path))
    names = {row.title for row in history.rows(0, 100)}
    if path is not None:
        history.close()
    return names


def test_a_snapshot_is_a_whole_encrypted_history(found: OpenVault) -> None:
    say(found.history(), "knee", PLANTED)
    taken = found.snapshot()
    assert taken is not None
    say(found.history(), "later", "after it")
    assert titles(found, taken.path) == {"knee"}
    assert PLANTED.encode() not in taken.path.read_bytes()
    assert {one.suffix for one in taken.path.parent.iterdir()} <= {".db", ""}


def test_when_one_is_due(found: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_800_000_000.0]
    monkeypatch.setattr(snapshots.time, "time", lambda: now[0])
    assert found.snapshot_if_due() is None
    assert found.history().count() == 0
    assert found.snapshot_if_due() is None, "nothing is in it"
    say(found.history(), "knee", "It hurts.")
    assert found.snapshot_if_due() is not None
    now[0] += HOUR - 2
    assert found.snapshot_if_due() is None
    now[0] += 3
    assert found.snapshot_if_due(opening=True) is None
    assert found.snapshot_if_due() is not None
    now[0] += DAY + 1
    assert found.snapshot_if_due(opening=True) is not None


def test_a_few_recent_ones_and_one_of_each_day_stay() -> None:
    hours = [Snapshot(Path(f"{hour}"), hour * HOUR, 1) for hour in reversed(range(24 * 10))]
    kept = list(hours[-1:])
    for one in reversed(hours[:-1]):
        kept = [one, *kept]
        gone = snapshots.superseded(kept, 7)
        kept = [other for other in kept if other not in gone]
    ages = [round((kept[0].taken - one.taken) / HOUR) for one in kept]
    assert ages[:4] == [0, 1, 2, 3]
    assert len(ages) == 7
    assert ages[-1] >= 48
    assert snapshots.superseded(kept, 1) == kept[1:]


def test_one_of_many_in_one_second_is_the_newest_and_stays(found: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots.time, "time", lambda: 1_790_000_000.5)
    for _ in range(25):
        taken = found.snapshot()
        assert taken is not None
        assert snapshots.listed(found.vault.folder)[0].path == taken.path


def test_a_deleted_chat_is_taken_out_of_the_snapshots_too(found: OpenVault) -> None:
    doomed = say(found.history(), "knee", PLANTED)
    say(found.history(), "foot", "It is well.")
    taken = found.snapshot()
    assert taken is not None
    found.delete_chat(doomed)
    assert titles(found) == titles(found, taken.path) == {"foot"}
    connection = found.connect_to(taken.path)
    assert snapshots.flaws(connection) == []
    assert connection.execute("PRAGMA freelist_count").fetchone() is not None
    connection.close()


def test_a_snapshot_from_which_it_cannot_be_taken_goes(found: OpenVault) -> None:
    doomed = say(found.history(), "knee", PLANTED)
    taken = found.snapshot()
    assert taken is not None
    taken.path.write_bytes(b"x" * 9000)
    found.delete_chat(doomed)
    assert snapshots.listed(found.vault.folder) == []


def test_deleting_that_is_interrupted_can_be_done_again(found: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    doomed = say(found.history(), "knee", PLANTED)
    taken = found.snapshot()
    assert taken is not None

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(snapshots, "finish", killed)
    with pytest.raises(KeyboardInterrupt):
        found.delete_chat(doomed)
    monkeypatch.undo()
    assert titles(found) == titles(found, taken.path) == {"knee"}
    found.delete_chat(doomed)
    assert titles(found) == titles(found, taken.path) == set()


def test_locking_while_a_chat_is_deleted_keeps_the_snapshots(found: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    doomed = say(found.history(), "knee", PLANTED)
    for _ in range(2):
        found.snapshot()
    usual = snapshots._held

    def locked(*given: Any) -> list[str]:
        found.lock()
        return usual(*given)

    monkeypatch.setattr(snapshots, "_held", locked)
    with pytest.raises(HistoryLocked):
        found.delete_chat(doomed)
    assert len(snapshots.listed(found.vault.folder)) == 2


def test_a_snapshot_half_taken_goes_with_the_chat(found: OpenVault) -> None:
    doomed = say(found.history(), "knee", PLANTED)
    taken = found.snapshot()
    assert taken is not None
    left = taken.path.parent / ".new-0123abcd-20260101T000000Z.db"
    left.write_bytes(taken.path.read_bytes())
    found.delete_chat(doomed)
    assert not left.exists()


def test_a_clock_that_was_wrong_once_does_not_have_one_taken_all_the_time(
    found: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [4_000_000_000.0]
    monkeypatch.setattr(snapshots.time, "time", lambda: now[0])
    say(found.history(), "knee", "It hurts.")
    assert found.snapshot() is not None
    now[0] = 1_800_000_000.0
    assert found.snapshot_if_due() is not None
    assert found.snapshot_if_due() is None


def test_an_interrupted_snapshot_leaves_nothing_for_long(found: OpenVault) -> None:
    say(found.history(), "knee", "It hurts.")
    first = found.snapshot()
    assert first is not None
    left = first.path.parent / ".new-0123abcd-20260101T000000Z.db"
    left.write_bytes(b"half")
    assert [one.path for one in snapshots.listed(found.vault.folder)] == [first.path]
    found.snapshot()
    assert not left.exists()


def test_a_snapshot_is_restored_and_what_was_there_kept(found: OpenVault) -> None:
    say(found.history(), "knee", "It hurts.")
    taken = found.snapshot()
    assert taken is not None
    say(found.history(), "later", "after it")
    found.lock()
    again = Vault(found.vault.folder).unlock(PASSPHRASE)
    done = backups.restore_snapshot(again, taken.name)
    assert titles(again) == {"knee"}
    assert done.aside is not None
    assert titles(again, done.aside / "history.db") == {"knee", "later"}
    with pytest.raises(BadInput):
        backups.restore_snapshot(again, "../history")


# Backups


def test_a_backup_brings_everything_to_another_place(found: OpenVault, tmp_path: Path) -> None:
    chat = say(found.history(), "knee", PLANTED)
    written = backups.write(found, tmp_path / "b.backup")
    assert written.opens_with == ("passphrase", "keyring")
    assert PLANTED.encode() not in written.path.read_bytes()
    assert written.path.stat().st_mode & 0o777 == 0o600
    there = Vault(tmp_path / "elsewhere")
    assert backups.restore(there, written.path, PASSPHRASE).aside is None
    other = there.unlock(PASSPHRASE)
    assert said(other.history(), chat) == [PLANTED]


def test_a_backup_may_have_a_passphrase_of_its_own(tmp_path: Path) -> None:
    found = Vault(tmp_path / "history").create(keyring_secret=SECRET)
    say(found.history(), "knee", "It hurts.")
    backups.write(found, tmp_path / "b.backup", "for the safe at home", CHEAP)
    there = Vault(tmp_path / "elsewhere")
    backups.restore(there, tmp_path / "b.backup", "for the safe at home")
    assert there.state().kind == "both"
    assert found.vault.state().kind == "keyring"


def test_restoring_over_another_history_sets_that_aside(found: OpenVault, tmp_path: Path) -> None:
    say(found.history(), "knee", "It hurts.")
    backups.write(found, tmp_path / "b.backup")
    other = Vault(tmp_path / "other").create("quite another one", cost=CHEAP)
    say(other.history(), "mine", "kept")
    other.snapshot()
    with pytest.raises(HistoryInUse):
        backups.restore(other.vault, tmp_path / "b.backup", PASSPHRASE)
    other.lock()
    done = backups.restore(other.vault, tmp_path / "b.backup", PASSPHRASE)
    assert done.aside is not None
    assert {"history.db", "history.key", "history.key.copy", "snapshots"} <= {one.name for one in done.aside.iterdir()}
    assert titles(other.vault.unlock(PASSPHRASE)) == {"knee"}
    assert titles(Vault(done.aside).unlock("quite another one")) == {"mine"}


def test_a_wrong_passphrase_and_a_damaged_backup_change_nothing(found: OpenVault, tmp_path: Path) -> None:
    say(found.history(), "knee", "It hurts.")
    file = backups.write(found, tmp_path / "b.backup").path
    there = new_vault(tmp_path / "there")
    say(there.history(), "mine", "kept")
    there.lock()
    before = {one.name: one.read_bytes() for one in there.vault.folder.iterdir() if one.is_file()}
    with pytest.raises(WrongPassphrase):
        backups.restore(there.vault, file, "not this one")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(BadInput):
        backups.restore(there.vault, file, PASSPHRASE)
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput):
        backups.restore(there.vault, file, PASSPHRASE)
    assert before == {one.name: one.read_bytes() for one in there.vault.folder.iterdir() if one.is_file()}
    assert not any(one.name.startswith(".new-") for one in there.vault.folder.iterdir())


@pytest.mark.parametrize("moment", ["history.key", "history.db"])
def test_restoring_that_is_killed_is_said_and_done_again(
    found: OpenVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    chat = say(found.history(), "knee", PLANTED)
    backup = tmp_path / "backup"
    backups.write(found, backup)
    found.lock()
    usual = backups.os.replace

    def killed(source: Path, target: Path) -> None:
        if target == found.vault.folder / moment and "restore" in source.parent.name:
            raise KeyboardInterrupt
        usual(source, target)

    monkeypatch.setattr(backups.os, "replace", killed)
    monkeypatch.setattr(backups.shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        backups.restore(found.vault, backup, PASSPHRASE)
    monkeypatch.undo()
    state = found.vault.state()
    assert (state.kind, "interrupted" in state.problem) == ("damaged", True)
    with pytest.raises(HistoryProblem):
        found.vault.unlock(PASSPHRASE)
    backups.restore(found.vault, backup, PASSPHRASE)
    again = found.vault.unlock(PASSPHRASE)
    assert said(again.history(), chat) == [PLANTED]
    assert not list(found.vault.folder.glob(".new-*"))


def test_a_backup_of_a_newer_version_replaces_nothing(found: OpenVault, tmp_path: Path) -> None:
    say(found.history(), "knee", PLANTED)
    backup = tmp_path / "backup"
    connection = found.connect()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute("PRAGMA user_version = 99")
    backups.write(found, backup)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    found.lock()
    with pytest.raises(HistoryTooNew):
        backups.restore(found.vault, backup, PASSPHRASE)
    assert titles(found.vault.unlock(PASSPHRASE)) == {"knee"}


def test_a_backup_replaces_no_file(found: OpenVault, tmp_path: Path) -> None:
    (tmp_path / "b.backup").write_text("mine")
    with pytest.raises(UsageError):
        backups.write(found, tmp_path / "b.backup")
    assert (tmp_path / "b.backup").read_text() == "mine"


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for info, data in members:
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_hostile_archives_are_refused_and_nothing_is_written(found: OpenVault, tmp_path: Path) -> None:
    key = found.vault.key_file().model_dump_json(exclude_none=True).encode()
    member = tarfile.TarInfo
    hostile = {
        "empty": b"",
        "no archive": b"x" * 5000,
        "a path upwards": archive((member("../history.key"), key), (member("../../history.db"), b"x")),
        "an absolute path": archive((member("/history.key"), key)),
        "a link": archive((link("history.key", "/etc/passwd"), b"")),
        "a linked database": archive((member("history.key"), key), (link("history.db", "/etc/passwd"), b"")),
        "no database": archive((member("history.key"), key)),
        "no key": archive((member("history.db"), b"x" * 4096)),
        "a database of nothing": archive((member("history.key"), key), (member("history.db"), b"")),
        "a database of another": archive((member("history.key"), key), (member("history.db"), b"x" * 8192)),
        "a large key": archive((member("history.key"), b" " * 200_000), (member("history.db"), b"x")),
    }
    for name, data in hostile.items():
        file = tmp_path / "h.backup"
        file.write_bytes(data)
        there = Vault(tmp_path / "there" / name.replace(" ", "-"))
        with pytest.raises(EdgemindError) as raised:
            backups.restore(there, file, PASSPHRASE)
        assert raised.value.message.count("\n") == 0
        assert there.state().kind == "none", name
        assert not [one for one in there.folder.iterdir() if not one.name.startswith(".history.lock")], name
    assert isinstance(found.vault.key_file(), keys.KeyFile)

"""A backup for another place: one file, a plain tar with the encrypted database and its wrapped key.

Whoever has the file still needs the passphrase, or this machine's keyring. Restoring sets what is there aside and
deletes nothing. Not for: the rolling copies beside the history (``snapshots``).
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgemind.chat import keys, migrations, recovery, running, snapshots
from edgemind.chat.open_vault import OpenVault
from edgemind.chat.private_files import interrupted, make_folder, remove, sync_file, sync_folder, temporary_beside
from edgemind.chat.problems import HistoryInUse
from edgemind.chat.vault import DATABASE, KEY, KEY_COPY, RESTORE, Vault, encrypted
from edgemind.errors import BadInput, HistoryProblem, HistoryTooNew, NoRoom, UsageError, WrongPassphrase

_KEY_MOST = 64 << 10
_MARGIN = 16 << 20
"""Bytes of the disk that stay free."""


@dataclass(frozen=True)
class Backup:
    path: Path
    size: int
    opens_with: tuple[keys.Kind, ...]


@dataclass(frozen=True)
class Restored:
    """``aside``: where the history is that was there before, if there was one."""

    aside: Path | None
    opens_with: tuple[keys.Kind, ...]


def write(vault: OpenVault, path: Path, passphrase: str | None = None, cost: keys.Argon2 | None = None) -> Backup:
    """Write a checked copy of the history as it is now.

    Args:
        passphrase: opens the backup, in the place of the history's own if it has one.

    Raises:
        UsageError: there is something at ``path``.
        HistoryProblem: it cannot be written there, or the history is damaged.
    """
    if os.path.lexists(path):
        raise UsageError(f"{path} is there already.", "Choose another name; a backup replaces no file.")
    own = vault.vault.key_file()
    if passphrase is not None:
        own = own.with_slot(vault.passphrase_slot(passphrase, cost))
    copy = temporary_beside(vault.vault.database)
    target = temporary_beside(path)
    try:
        vault.copy_to(copy)
        with _writing(path):
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            with open(fd, "wb") as file:
                with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
                    _put(archive, KEY, own.model_dump_json(indent=2, exclude_none=True).encode("ascii"))
                    with open(copy, "rb") as database:
                        archive.addfile(_member(DATABASE, os.fstat(database.fileno()).st_size), database)
                file.flush()
                os.fsync(file.fileno())
            os.replace(target, path)
            sync_folder(path.parent)
    finally:
        for rest in (target, copy):
            with contextlib.suppress(OSError):
                rest.unlink()
    return Backup(path, path.stat().st_size, tuple(slot.kind for slot in own.slots))


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        reason = (problem.strerror or type(problem).__name__).lower()
        raise HistoryProblem(f"The backup cannot be written to {path}: {reason}.", f"ls -ld {path.parent}") from None


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_member(name, len(data)), io.BytesIO(data))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def key_file(path: Path) -> keys.KeyFile:
    """What opens a backup.

    Raises:
        BadInput: it is none.
        HistoryProblem: its key file cannot be used.
    """
    with _reading(path) as archive:
        return _key_in(archive, path)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with open(path, "rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            yield archive
    except FileNotFoundError:
        raise BadInput(f"There is no file {path}.", "edgemind history status names the snapshots") from None
    except OSError as problem:
        reason = (problem.strerror or type(problem).__name__).lower()
        raise BadInput(f"{path} cannot be read: {reason}.", f"ls -l {path}") from None
    except (tarfile.TarError, ValueError, EOFError):
        raise _no_backup(path) from None


def _no_backup(path: Path) -> BadInput:
    return BadInput(f"{path} is no backup of a history, or a damaged one.", "edgemind history backup FILE writes one")


def _part(archive: tarfile.TarFile, name: str, path: Path) -> tuple[IO[bytes], int]:
    """The first two members are looked at; whatever else an archive holds is never touched."""
    for _ in range(2):
        member = archive.next()
        if member is not None and member.name == name and member.isreg() and not member.issparse():
            found = archive.extractfile(member)
            if found is not None:
                return found, member.size
    raise _no_backup(path)


def _key_in(archive: tarfile.TarFile, path: Path) -> keys.KeyFile:
    file, size = _part(archive, KEY, path)
    if size > _KEY_MOST:
        raise _no_backup(path)
    return keys.parse_key_file(file.read(_KEY_MOST), path)


def restore(
    vault: Vault, path: Path, passphrase: str | None = None, keyring_secret: bytes | bytearray | None = None
) -> Restored:
    """Put a backup in the place of the history, once it has been opened and checked; what was there is set aside.

    Raises:
        WrongPassphrase: it opens with another.
        BadInput: it is no sound backup. HistoryTooNew: a newer version wrote it.
        HistoryInUse: an edgemind has the history open.
        HistoryProblem: it cannot be written here. In every case nothing was changed.
    """
    with vault.changing():
        if running.running(vault.folder):
            raise _in_use(vault)
        place = temporary_beside(vault.folder / RESTORE)
        make_folder(place)
        try:
            file = _extracted(path, place)
            _proven(file, place / DATABASE, passphrase, keyring_secret, path)
            keys.write_key_file(place / KEY, file)
            if running.running(vault.folder):  # proving it takes a while
                raise _in_use(vault)
            aside = _set_aside(vault, file)
            os.replace(place / KEY, vault.folder / KEY)
            os.replace(place / DATABASE, vault.folder / DATABASE)
            keys.write_key_file(vault.folder / KEY_COPY, file)
            sync_folder(vault.folder)
            for left in interrupted(vault.folder):
                remove(left)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    return Restored(aside, tuple(slot.kind for slot in file.slots))


def _in_use(vault: Vault) -> HistoryInUse:
    pids = ", ".join(str(one.pid) for one in running.running(vault.folder))
    return HistoryInUse(f"An edgemind has the history open (process {pids}).", "Close it, then restore.")


def _extracted(path: Path, place: Path) -> keys.KeyFile:
    with _reading(path) as archive:
        file = _key_in(archive, path)
        database, size = _part(archive, DATABASE, path)
        if size + _MARGIN > shutil.disk_usage(place).free:
            raise NoRoom(f"The backup holds {size} bytes, more than the disk has free.", f"df {place}")
        target = place / DATABASE
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with open(fd, "wb") as out:
            shutil.copyfileobj(database, out, 1 << 20)
        if target.stat().st_size != size:
            raise _no_backup(path)
        sync_file(target)
        return file


def _proven(
    file: keys.KeyFile,
    database: Path,
    passphrase: str | None,
    secret: bytes | bytearray | None,
    path: Path,
) -> None:
    """Open it, and read every page. Wrong passphrases are not counted: whoever has the file can try without us, and a
    right one for some other file must not make the count of the history's own forgotten."""
    key = None
    if passphrase is not None:
        key = keys.unwrap_with_passphrase(file, passphrase)
    elif secret is not None:
        key = keys.unwrap_with_secret(file, secret)
    if key is None:
        raise WrongPassphrase("That does not open the backup.", "Give the passphrase that it was made with.")
    try:
        snapshots.check(database, lambda one: encrypted(one, key))
        connection = encrypted(database, key)
        try:
            migrations.check(connection)
            connection.execute("SELECT count(*) FROM chats").fetchone()
        finally:
            connection.close()
    except HistoryTooNew:
        raise
    except Exception:
        raise _no_backup(path) from None
    finally:
        keys.wipe(key)


def _set_aside(vault: Vault, new: keys.KeyFile) -> Path | None:
    """Move the history that is there out of the way, with its key; snapshots under another key go along."""
    aside = recovery.set_aside(vault.folder, "replaced")
    try:
        old = vault.key_file()
    except HistoryProblem:
        old = None
    names = [KEY, KEY_COPY]
    if old is None or old.key_id != new.key_id:
        names.append(snapshots.FOLDER)
    for name in names:
        if os.path.lexists(vault.folder / name):
            aside = aside or recovery.new_aside(vault.folder, "replaced")
            os.replace(vault.folder / name, aside / name)
    return aside


def restore_snapshot(vault: OpenVault, name: str) -> Restored:
    """Put a snapshot in the place of the history. No connection of this process may be open. Raises as ``restore``."""
    one = next((one for one in snapshots.listed(vault.vault.folder) if one.name == name), None)
    if one is None:
        raise BadInput(f"There is no snapshot {name}.", "edgemind history status names them")
    database = vault.vault.database
    with vault.vault.changing():
        if not vault.alone():
            raise _in_use(vault.vault)
        temporary = temporary_beside(database)
        try:
            snapshots.duplicate(one.path, temporary)
            snapshots.check(temporary, vault.connect_to)
            sync_file(temporary)
            aside = recovery.set_aside(vault.vault.folder, "replaced")
            os.replace(temporary, database)
            sync_folder(vault.vault.folder)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
    return Restored(aside, tuple(slot.kind for slot in vault.vault.key_file().slots))

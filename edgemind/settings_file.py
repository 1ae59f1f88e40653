"""Changing the settings file: comments and order stay, and a change that is not valid changes nothing.

The file is read, changed, validated and replaced under a lock, so two commands at once both take effect.
Not for: reading settings (``settings``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from edgemind.errors import BadConfig, NoRoom
from edgemind.locking import locked
from edgemind.settings import Settings, load_settings, parse_settings, paths

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

Change = Callable[[Settings], Mapping[str, Any]]
MAKE_ROOM = "Make room: edgemind list shows sizes, edgemind rm NAME frees them."
WAIT = 10.0
"""Seconds to wait for another command that changes the settings."""


def edit_settings(change: Change | None = None, /, **values: Any) -> Settings:
    """Set values in the settings file, which is made when there is none; ``None`` removes a key.

    Args:
        change: given the settings as they are under the lock, returns the values to set: for what depends on them.

    Returns:
        The settings as they are now.

    Raises:
        BadConfig: the file is not valid, would not be, or cannot be written.
        NoRoom: the disk is full.
    """
    file = paths().settings_file
    with _writing(file), _locked(file):
        now = load_settings(file)
        wanted = {**(change(now) if change else {}), **values}
        old = file.read_text(encoding="utf-8") if file.exists() else ""
        new = _edited(old, wanted)
        settings = _checked(file, new, wanted)
        if new != old:
            _replace(file, new.encode("utf-8"))
    return settings


def _edited(text: str, values: Mapping[str, Any]) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    for key, value in values.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(value, Mapping):
            _set_table(document, key, value)
        elif document.get(key) != value:
            document[key] = _array(value) if isinstance(value, (list, tuple)) else value
    return tomlkit.dumps(document)


def _set_table(document: TOMLDocument, key: str, values: Mapping[str, Any]) -> None:
    """Change what differs, so that comments beside the rest stay; an empty table goes."""
    import tomlkit

    if not values:
        document.pop(key, None)
        return
    table: Any = document.get(key)
    if table is None:
        table = document[key] = tomlkit.table()
        table = document[key]
    for gone in [name for name in table if name not in values]:
        del table[gone]
    for name, value in values.items():
        if table.get(name) != value:
            table[name] = value


def _array(values: list[Any] | tuple[Any, ...]) -> Any:
    import tomlkit

    array = tomlkit.array()
    array.extend(list(values))
    return array.multiline(len(values) > 1)


def _checked(file: Path, text: str, wanted: Mapping[str, Any]) -> Settings:
    """The settings that the new text means, which must be the wanted ones."""
    settings = parse_settings(text, file)
    for key, value in wanted.items():
        found = getattr(settings, key)
        if value is not None and _plain(found) != _plain(value):
            raise BadConfig(
                f"{file} does not take {key} in the place where it would stand.", f"Set it by hand in {file}."
            )
    return settings


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    return list(value) if isinstance(value, tuple) else value


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """The lock file is there only while it is held."""
    _make_folder(file.parent)
    lock = file.with_name(f".{file.name}.lock")
    with locked(lock, WAIT) as held:
        if not held:
            raise BadConfig(f"Another edgemind is changing {file}; waited {WAIT:g} seconds.", "Let it finish.")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()


def _make_folder(folder: Path) -> None:
    """0700 under any umask, and so are those above it that have to be made."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
        folder.chmod(0o700)


def _replace(file: Path, data: bytes) -> None:
    """Whole or not at all. A link, as keepers of dotfiles have it, stays one; so does the file's mode."""
    real = Path(os.path.realpath(file))
    mode = real.stat().st_mode & 0o777 if real.exists() else 0o600
    temporary = real.with_name(f".{real.name}.{uuid.uuid4().hex[:8]}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        with contextlib.suppress(PermissionError):
            os.chmod(temporary, mode)
        os.replace(temporary, real)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(real.parent)


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with contextlib.suppress(OSError):
                os.fsync(fd)
        finally:
            os.close(fd)


@contextlib.contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as problem:
        raise BadConfig("That is not text, so it cannot stand in the settings file.", "Use plain letters.") from problem
    except OSError as problem:
        reason = problem.strerror or str(problem)
        if problem.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1)):
            raise NoRoom(f"The settings file {file} cannot be written: the disk is full.", MAKE_ROOM) from problem
        raise BadConfig(f"The settings file {file} cannot be written: {reason}.", f"ls -ld {file.parent}") from problem

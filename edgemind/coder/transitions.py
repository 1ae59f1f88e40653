"""Bringing the files of one step from one side to the other: before it, or after it.

``move`` does it or raises, ``settle`` mends what a crash or a failure left between the sides. Every file is finished
under a temporary name in its own folder before the first one is put in place, so a full disk is met before anything
changed; what is taken out stays beside it until all are in place.
Not for: remembering that a step is under way (``journal``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edgemind.coder.beneath import FILE, read_most, regular, split
from edgemind.coder.exchange import exchange, move_new
from edgemind.coder.problems import FileChanged
from edgemind.coder.steps import Record, State, Step
from edgemind.coder.workspace import Workspace
from edgemind.models.store.files import sync, write_all
from edgemind.terminal import clean_line

Side = Literal["before", "after"]

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_SOMETHING_ELSE = (errno.ELOOP, errno.ENOTDIR, errno.EXDEV, errno.EISDIR, errno.EINVAL)
"""What stands at the path now is no file that could be replaced."""


@dataclass(frozen=True)
class Found:
    """A file as it is on the disk; ``data`` may be cut one byte after what it is compared with."""

    data: bytes
    status: os.stat_result
    attributes: dict[str, bytes]


def move(workspace: Workspace, step: Step, to: Side) -> None:
    """From the other side to this one.

    Raises:
        FileChanged, OSError: some files may have changed sides; ``settle`` brings them back. An ``OSError`` names the
            file by its whole path, if it is about one.
    """
    for index, record in enumerate(step.records):
        want = _sides(record, to)[0]
        if want is not None:
            with _about(workspace, record):
                make_parents(workspace, record.path)
                with workspace.folder_of(record.path) as (fd, name):
                    _stage(fd, step.temporary(index), want, _find(fd, name, record), record)
    for index, record in enumerate(step.records):
        with _about(workspace, record), workspace.folder_of(record.path) as (fd, name):
            _swap(fd, name, step.temporary(index), record, to)
    for index, record in enumerate(step.records):
        with workspace.folder_of(record.path) as (fd, _):
            _drop(fd, step.temporary(index))
    _finish(workspace, step, to)


def settle(workspace: Workspace, step: Step, to: Side) -> list[Record]:
    """Every file of the step to this side, from whatever a crash left, but for those that somebody else changed: these
    are returned, and are as they were found.

    May itself be interrupted and called again. Raises ``OSError`` when the disk does not let it.
    """
    kept: list[Record] = []
    for index, record in enumerate(step.records):
        try:
            _settle_one(workspace, step, index, to)
        except FileChanged:
            kept.append(record)
        except OSError as problem:
            if problem.errno not in _SOMETHING_ELSE:
                raise
            kept.append(record)
    _finish(workspace, step, to)
    return kept


def is_at(workspace: Workspace, record: Record, side: Side) -> bool:
    """Whether a file is now as it is on this side of its step. Raises ``OSError``."""
    try:
        with workspace.folder_of(record.path) as (fd, name):
            found = _find(fd, name, record)
    except FileNotFoundError:
        found = None
    except OSError as problem:
        if problem.errno not in _SOMETHING_ELSE:
            raise
        return False
    return _matches(found, *_sides(record, side))


def missing_folders(workspace: Workspace, path: str) -> Iterator[str]:
    """Folders above a path that are not there, outermost first."""
    names = path.split("/")[:-1]
    for depth in range(1, len(names) + 1):
        folder = "/".join(names[:depth])
        if not workspace.exists(folder):
            yield folder


def make_parents(workspace: Workspace, path: str) -> None:
    """Raises ``OSError``."""
    for folder in missing_folders(workspace, path):
        with workspace.folder_of(folder) as (fd, name):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o777, dir_fd=fd)
            sync(fd)


@contextlib.contextmanager
def _about(workspace: Workspace, record: Record) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        problem.filename = str(workspace.root / record.path)
        raise


def _settle_one(workspace: Workspace, step: Step, index: int, to: Side) -> None:
    """Raises ``FileChanged`` when the file is on neither side."""
    record, temporary = step.records[index], step.temporary(index)
    want, other = _sides(record, to)
    if want is not None:
        make_parents(workspace, record.path)
    try:
        with workspace.folder_of(record.path) as (fd, name):
            _put_back(fd, name, temporary, record)
            found = _find(fd, name, record)
            if _matches(found, want, other):
                _drop(fd, temporary)
                return
            if not _matches(found, other, want):
                _drop(fd, temporary)
                raise _changed(record.path)
            if want is None:
                _drop(fd, temporary)
            else:
                _stage(fd, temporary, want, found, record)
            _swap(fd, name, temporary, record, to)
            _drop(fd, temporary)
    except FileNotFoundError:
        if want is not None:
            raise


def _put_back(fd: int, name: str, temporary: str, record: Record) -> None:
    """Another program's file that was taken out, and not put back because of a kill, gets its name again."""
    if not _holds_foreign(fd, temporary, record):
        return
    if _status(fd, name) is None:
        move_new(fd, temporary, name)
    elif exchange(fd, temporary, name):
        _drop(fd, temporary)
    raise _changed(record.path)


def _holds_foreign(fd: int, temporary: str, record: Record) -> bool:
    """Whether there is something under the temporary name that is neither side of the step, nor begins as one."""
    try:
        found = _find(fd, temporary, record)
    except OSError as problem:
        if problem.errno not in _SOMETHING_ELSE:
            raise
        return True
    ours = [state.data for state in (record.before, record.after) if state is not None]
    return found is not None and not any(data.startswith(found.data) for data in ours)


def _stage(fd: int, temporary: str, want: State, current: Found | None, record: Record) -> None:
    """The wanted file, whole and on the disk, under its temporary name; one that lies there already is used."""
    ready = _status(fd, temporary)
    if ready is not None and not _is(fd, temporary, record, want, None):
        _drop(fd, temporary)
        ready = None
    mode = _wanted_mode(want, current, record)
    owner = (current.status.st_uid, current.status.st_gid) if current else want.owner
    if ready is None:
        new = os.open(temporary, _CREATE, 0o666 if mode is None else 0o600, dir_fd=fd)
    else:
        new = os.open(temporary, FILE, dir_fd=fd)
    try:
        if ready is None:
            write_all(new, want.data)
        made = os.fstat(new)
        if owner is not None and owner != (made.st_uid, made.st_gid):
            os.fchown(new, *owner)
        attributes = current.attributes if current else want.attributes
        if attributes is not None:
            _set_attributes(new, attributes)
        if mode is not None:
            os.fchmod(new, mode)
        sync(new)
    finally:
        os.close(new)


def _wanted_mode(want: State, current: Found | None, record: Record) -> int | None:
    """The mode that the step sets; a file whose mode it does not change keeps what it has now."""
    if current is None:
        return want.mode
    same = record.before is None or record.after is None or record.before.mode == record.after.mode
    return stat.S_IMODE(current.status.st_mode) if same or want.mode is None else want.mode


def _swap(fd: int, name: str, temporary: str, record: Record, to: Side) -> None:
    """Put the staged file in place, or take the file out; what was there is now under the temporary name, or gone."""
    want, other = _sides(record, to)
    if other is None:
        if want is None:
            return
        try:
            move_new(fd, temporary, name)
        except FileExistsError:
            raise _changed(record.path) from None
        return
    if want is None:
        _take_out(fd, name, temporary, record, other)
        return
    try:
        swapped = exchange(fd, temporary, name)
    except FileNotFoundError:
        raise _changed(record.path) from None
    if not swapped:
        if not _is(fd, name, record, other, want):
            raise _changed(record.path)
        os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
    elif not _is(fd, temporary, record, other, want):
        exchange(fd, temporary, name)
        raise _changed(record.path)


def _take_out(fd: int, name: str, temporary: str, record: Record, other: State) -> None:
    try:
        move_new(fd, name, temporary)
    except FileNotFoundError:
        raise _changed(record.path) from None
    if not _is(fd, temporary, record, other, None):
        move_new(fd, temporary, name)
        raise _changed(record.path)


def _finish(workspace: Workspace, step: Step, to: Side) -> None:
    """Have the names on the disk, and take away folders that the step had made and that are empty again."""
    for parent in sorted({split(record.path)[0] for record in step.records}):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), workspace.beneath.folder(parent) as fd:
            sync(fd)
    if to == "before":
        for folder in reversed(step.folders):
            with contextlib.suppress(OSError), workspace.folder_of(folder) as (fd, name):
                os.rmdir(name, dir_fd=fd)
                sync(fd)


def _sides(record: Record, to: Side) -> tuple[State | None, State | None]:
    """What is wanted, and what is there before."""
    return (record.before, record.after) if to == "before" else (record.after, record.before)


def _matches(found: Found | None, state: State | None, other: State | None) -> bool:
    if found is None or state is None:
        return found is None and state is None
    if found.data != state.data:
        return False
    if other is None or other.data != state.data or state.mode is None:
        return True
    return stat.S_IMODE(found.status.st_mode) & 0o111 == state.mode & 0o111  # the step changes nothing but the mode


def _is(fd: int, name: str, record: Record, state: State, other: State | None) -> bool:
    try:
        return _matches(_find(fd, name, record), state, other)
    except OSError as problem:
        if problem.errno not in _SOMETHING_ELSE:
            raise
        return False


def _find(fd: int, name: str, record: Record) -> Found | None:
    """Raises ``OSError``: ``ELOOP``, ``EISDIR`` or ``EINVAL`` when it is no regular file."""
    status = _status(fd, name)
    if status is None:
        return None
    most = max(len(state.data) for state in (record.before, record.after) if state is not None)
    file = os.open(name, FILE, dir_fd=fd)
    try:
        return Found(read_most(file, most + 1), regular(status), attributes_of(file))
    finally:
        os.close(file)


def attributes_of(file: int) -> dict[str, bytes]:
    """Access list and other extended attributes of an open file, as far as this system and the user's rights show."""
    found: dict[str, bytes] = {}
    with contextlib.suppress(OSError, AttributeError):  # macOS: Python has no calls for them there
        for name in os.listxattr(file):
            with contextlib.suppress(OSError):
                found[name] = os.getxattr(file, name)
    return found


def _set_attributes(file: int, wanted: dict[str, bytes]) -> None:
    """These and no others: the folder may have given a new file an access list of its own."""
    there = attributes_of(file)
    for name in there.keys() - wanted.keys():
        with contextlib.suppress(OSError):
            os.removexattr(file, name)
    for name, value in wanted.items():
        if there.get(name) != value:
            with contextlib.suppress(OSError):
                os.setxattr(file, name, value)


def _status(fd: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _drop(fd: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=fd)


def _changed(path: str) -> FileChanged:
    return FileChanged(f"{clean_line(path)} was changed by another program meanwhile.", "Look at it, then try again.")

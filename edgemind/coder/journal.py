"""What was applied in a workspace, step by step, so that the last step can be taken back exactly.

The journal lies outside the workspace, for its owner's eyes only. A step is written there, synced, before the first
file changes: ``N.applying``; once all files are in place it becomes ``N.step``, and ``N.undoing`` while it is taken
back. So after a crash the one file with a name of the other two says what has to be mended, and ``recover`` brings the
tree to where it was before that step. One process at a time writes in a workspace (a lock).
Not for: whether something should be applied (``session``, ``protection``).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemind.coder.beneath import split
from edgemind.coder.problems import FileChanged, Forbidden, JournalProblem, NothingToUndo, NotWritable
from edgemind.coder.protection import clash, same_name
from edgemind.coder.steps import Record, State, Step, Summary, encode, new_step, read_step, read_summary
from edgemind.coder.transitions import Side, attributes_of, is_at, missing_folders, move, settle
from edgemind.coder.types import FileChange
from edgemind.coder.workspace import Workspace
from edgemind.errors import EdgemindError, NoRoom, WorkspaceProblem
from edgemind.locking import locked
from edgemind.models.opening import typed
from edgemind.models.store.files import TEMPORARY, Folder, make_root
from edgemind.settings import paths
from edgemind.terminal import clean_line

KEEP_STEPS = 100
KEEP_BYTES = 256 << 20
KEEP_DAYS = 90
"""After so long without a step a journal is removed."""

LOCK_WAIT_S = 30.0

_APPLYING, _DONE, _UNDOING = ".applying", ".step", ".undoing"
_NAME = re.compile(r"(\d{8,})(\.applying|\.step|\.undoing)")
_LOCK, _RESCUED = "lock", "rescued"
_NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", -1))


@dataclass(frozen=True)
class Recovery:
    """What was mended after a step that had been interrupted."""

    label: str
    kept: tuple[str, ...]
    """Files that another program changed after the crash; they are as they were found."""
    rescued: Path | None
    """The folder that has what those were before the step."""


def state_folder() -> Path:
    """Where the journals of all workspaces lie."""
    return paths().data / "code"


class Journal:
    """The steps of one workspace."""

    def __init__(self, state_dir: Path, workspace: Workspace) -> None:
        key = hashlib.sha256(os.fsencode(workspace.root)).hexdigest()[:24]
        self.folder = state_dir / key
        self._workspace = workspace
        self._state_dir = state_dir

    def apply(self, changes: Sequence[FileChange], label: str) -> int:
        """All the changes, or none.

        Raises:
            FileChanged: a file is not what was read.
            Forbidden, NotWritable, OutsideWorkspace: a file may not be written.
            NoRoom, JournalProblem: the disk does not let it; nothing is changed.
            ValueError: there is nothing to apply.
        """
        if not changes:
            raise ValueError("nothing to apply")
        with self._alone():
            self._recover()
            records, folders = self._planned(changes)
            number = max((number for number, _ in self._files()), default=0) + 1
            step = new_step(number, label, records, folders)
            with _explained("Nothing was written", self.folder), Folder.at(self.folder) as place:
                place.write(f"{number:08}{_APPLYING}", encode(step))
            self._moved(step, _APPLYING, _DONE)
            self._prune()
            return number

    def undo(self) -> Step:
        """Take back the last step.

        Raises:
            NothingToUndo: there is none.
            FileChanged: a file of it was changed since; nothing is undone.
            NotWritable, NoRoom, JournalProblem: it cannot be done now; nothing is undone.
        """
        with self._alone():
            self._recover()
            done = [number for number, kind in self._files() if kind == _DONE]
            if not done:
                raise NothingToUndo("There is no step to undo in this folder.", "edgemind code log")
            step = read_step(self._file(done[-1], _DONE))
            self._check_undo(step)
            self._moved(step, _UNDOING, None)
            return step

    def recover(self) -> tuple[Recovery, ...]:
        """Mend what an interrupted ``apply`` or ``undo`` left. To be called at each start.

        Raises:
            JournalProblem, NoRoom, NotWritable: it cannot be mended now.
        """
        if all(name.endswith(_DONE) or name in (_LOCK, _RESCUED) for name in self._names()):
            return ()
        with self._alone():
            return self._recover()

    def steps(self) -> list[Summary]:
        """The steps that can be undone, the last one first."""
        found = [read_summary(self._file(number, kind)) for number, kind in self._files() if kind == _DONE]
        return [one for one in reversed(found) if one is not None]

    def _planned(self, changes: Sequence[FileChange]) -> tuple[list[Record], list[str]]:
        workspace = self._workspace
        taken: set[str] = set()
        folders: dict[str, None] = {}
        records = []
        for change in changes:
            refused = workspace.refusal(change.path)
            if refused:
                raise refused
            key = same_name(change.path)
            if any(clash(key, one) for one in taken):
                raise Forbidden(f"{change.path} is named twice, or as a file and a folder.", "Give the task again.")
            taken.add(key)
            records.append(self._record(change))
            folders |= dict.fromkeys(missing_folders(workspace, change.path)) if change.after is not None else {}
        return records, list(folders)

    def _record(self, change: FileChange) -> Record:
        before, mode, owner = None, change.mode, None
        with _explained("Nothing was written", self._workspace.root / change.path):
            try:
                data, status = self._workspace.read_raw(change.path, max(len(change.before or b""), 1 << 20))
                owner = (status.st_uid, status.st_gid)
                before = State(data, stat.S_IMODE(status.st_mode), owner, self._attributes(change))
                mode = before.mode if mode is None else mode
            except FileNotFoundError:
                pass
            except ValueError:  # larger than what was read
                raise _changed(change.path) from None
        if (before.data if before else None) != change.before:
            raise _changed(change.path)
        if change.before is None and change.after is None:
            raise ValueError(f"{change.path} is neither there before nor after")
        after = None if change.after is None else State(change.after, mode, owner)
        return Record(change.path, before, after)

    def _attributes(self, change: FileChange) -> dict[str, bytes] | None:
        """What nothing else keeps of a file that is deleted."""
        if change.after is not None:
            return None
        with self._workspace.beneath.file(change.path) as (fd, _):
            return attributes_of(fd)

    def _check_undo(self, step: Step) -> None:
        with _explained("Nothing was undone", self._workspace.root):
            changed = [record.path for record in step.records if not is_at(self._workspace, record, "after")]
        if changed:
            names = ", ".join(clean_line(path) for path in changed)
            raise FileChanged(
                f"Nothing was undone: since that step {names} {'was' if len(changed) == 1 else 'were'} changed.",
                "Take that change back first, then: edgemind code undo",
            )
        for record in step.records:
            refused = self._workspace.refusal(record.path)
            if refused:
                raise refused

    def _moved(self, step: Step, intent: str, done: str | None) -> None:
        """Carry out an intent; on any failure the tree and the journal are as before it."""
        to: Side = "after" if intent == _APPLYING else "before"
        nothing = "Nothing was written" if to == "after" else "Nothing was undone"
        try:
            if intent == _UNDOING:
                self._rename(step.number, _DONE, intent)
            move(self._workspace, step, to)
            if done:
                self._rename(step.number, intent, done, last=True)
            else:
                self._remove(step.number, intent)
        except BaseException as problem:
            self._take_back(step, intent, "before" if to == "after" else "after")
            if isinstance(problem, FileChanged):
                raise FileChanged(f"{nothing}: {problem.message}", problem.hint) from None
            if isinstance(problem, OSError):
                raise _as_error(problem, nothing, self.folder / str(problem.filename or "")) from problem
            raise

    def _take_back(self, step: Step, intent: str, to: Side) -> None:
        try:
            settle(self._workspace, step, to)
            if to == "before":
                self._remove(step.number, intent)
            elif self._file(step.number, intent).exists():
                self._rename(step.number, intent, _DONE, last=True)
        except OSError as problem:
            raise JournalProblem(
                f"Writing failed half-way and cannot be taken back yet: {problem.strerror}.",
                "Mend that (a full or read-only disk), then: edgemind code log",
            ) from problem

    def _recover(self) -> tuple[Recovery, ...]:
        recovered = []
        for number, kind in self._files():
            if kind == _DONE:
                continue
            step = read_step(self._file(number, kind))
            with _explained("An interrupted step cannot be taken back yet", self._workspace.root):
                kept = settle(self._workspace, step, "before")
                rescued = self._rescue(step, kept)
                self._remove(number, kind)
            recovered.append(Recovery(step.label, tuple(record.path for record in kept), rescued))
        self._sweep()
        return tuple(recovered)

    def _rescue(self, step: Step, kept: Sequence[Record]) -> Path | None:
        """Keep what those files were before the step, which is in no other place any more."""
        if not any(record.before for record in kept):
            return None
        place = self.folder / _RESCUED / f"{step.number:08}-{step.nonce}"
        make_root(place)
        for index, record in enumerate(kept):
            if record.before:
                with Folder.at(place) as folder:
                    folder.write(f"{index}-{split(record.path)[1]}"[:200], record.before.data)
        return place

    def _prune(self) -> None:
        """Forget the oldest steps. What cannot be removed stays."""
        room = KEEP_BYTES
        done = [number for number, kind in self._files() if kind == _DONE]
        for age, number in enumerate(reversed(done)):
            file = self._file(number, _DONE)
            with contextlib.suppress(OSError):
                room -= file.stat().st_size
                if age and (age >= KEEP_STEPS or room < 0):
                    file.unlink()

    def _sweep(self) -> None:
        """Remove what a kill left while a step's file was being written."""
        with contextlib.suppress(OSError):
            for file in self.folder.glob(f"{TEMPORARY}*"):
                file.unlink()

    def _files(self) -> list[tuple[int, str]]:
        """Number and kind of each step, oldest first."""
        return sorted((int(match[1]), match[2]) for name in self._names() if (match := _NAME.fullmatch(name)))

    def _names(self) -> list[str]:
        with _explained("The journal cannot be read", self.folder), contextlib.suppress(FileNotFoundError):
            return os.listdir(self.folder)
        return []

    def _file(self, number: int, kind: str) -> Path:
        return self.folder / f"{number:08}{kind}"

    def _rename(self, number: int, kind: str, new: str, last: bool = False) -> None:
        """``last``: nothing follows. Should the disk then forget the new name, the step is mended, which is safe."""
        with Folder.at(self.folder) as place:
            place.move(f"{number:08}{kind}", place, f"{number:08}{new}")
            with contextlib.suppress(*([OSError] if last else [])):
                place.sync()

    def _remove(self, number: int, kind: str) -> None:
        with Folder.at(self.folder) as place:
            place.remove(f"{number:08}{kind}")
            with contextlib.suppress(OSError):  # mended again, which changes nothing
                place.sync()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            with _explained("The journal cannot be written, so nothing was changed", self.folder):
                make_root(self._state_dir)
                is_new = not self.folder.exists()
                make_root(self.folder)
                if is_new:
                    with Folder.at(self._state_dir) as place:
                        place.sync()  # what mends a crash must not be lost by it
                held = stack.enter_context(locked(self.folder / _LOCK, LOCK_WAIT_S))
            if not held:
                raise JournalProblem(
                    "Another edgemind code is writing in this folder.", "Wait until it is done, then try again."
                )
            yield


def forget_old(state_dir: Path, keep: Path, now: float | None = None) -> None:
    """Remove journals that nobody has used for long. Raises nothing.

    Not one with an interrupted step, or with files that are nowhere else, and not ``keep``.
    """
    oldest = (time.time() if now is None else now) - KEEP_DAYS * 86400
    with contextlib.suppress(OSError):
        for folder in state_dir.iterdir():
            if folder == keep or not _is_unused(folder, oldest):
                continue
            with contextlib.suppress(OSError), locked(folder / _LOCK, 0) as held:
                if not held or not _is_unused(folder, oldest):  # a step may have come before the lock
                    continue
                if not any(name.endswith((_APPLYING, _UNDOING, _RESCUED)) for name in os.listdir(folder)):
                    shutil.rmtree(folder)


def _is_unused(folder: Path, oldest: float) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_mtime <= oldest


def _changed(path: str) -> FileChanged:
    return FileChanged(
        f"{clean_line(path)} was changed since it was read; nothing was written.", "Give the task again."
    )


@contextlib.contextmanager
def _explained(what: str, where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise _as_error(problem, what, where) from problem


def _as_error(problem: OSError, what: str, where: Path) -> EdgemindError:
    place = clean_line(str(where))
    look = f"ls -ld {typed(where if os.path.lexists(where) else where.parent)}"
    if problem.errno in _NO_ROOM:
        return NoRoom(f"{what}: the disk is full.", f"Make room on the disk of {place}, then try again.")
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        why = "the disk is read-only" if problem.errno == errno.EROFS else "you may not write there"
        return NotWritable(f"{what}: {why} ({place}).", look)
    why = (problem.strerror or str(problem)).lower()
    return WorkspaceProblem(f"{what}: {why} ({place}).", look)

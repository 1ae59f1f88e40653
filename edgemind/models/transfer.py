"""Getting one file whole: resume, hash while writing, sync. What comes out is complete and proven, or not there.

The unfinished file lies in the store's ``partial`` folder with a small state beside it. How much of it is believed when
a pull is taken up again: after a crash of the program all that was written, since the system has it; after a crash of
the machine only what had been synced, which the state says. Either way the whole file is hashed, what was kept is read
again for it, and nothing leaves ``partial`` with a wrong hash.
Not for: the network (``download``), choosing files (``selection``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from edgemind.errors import Damaged, EdgemindError, NetworkProblem, StoreProblem
from edgemind.models.opening import shown
from edgemind.models.remote import STRONG_ETAG, Body, RangeRefused, RemoteFile, Transient
from edgemind.models.sizes import human_bytes
from edgemind.models.store.files import explained, flaw, sync, write_all

READ = 4 << 20
SYNC_SECONDS = 5.0
"""A crash of the machine costs the bytes of so many seconds."""
LEAST_BYTES, LEAST_SECONDS = 4 << 10, 60.0
"""A connection that brings less than so much in so long is given up and tried again."""
PROGRESS_BYTES = 64 << 10
"""A connection that brought so much before it broke was worth it: the tries begin anew."""


@dataclass(frozen=True)
class Patience:
    """How often and how long a broken connection is tried again before it is given up."""

    tries: int = 8
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_asked: float = 300.0
    """A hub that asks to wait longer is left for later."""

    def wait(self, failures: int, asked: float | None) -> float:
        usual: float = min(self.first_wait * 2 ** (failures - 1), self.longest_wait)
        return max(usual, asked or 0.0)


PATIENT = Patience()


class Watcher(Protocol):
    """Who is told how it goes. Everything may be ignored; what is raised ends the transfer, and the part stays."""

    def advanced(self, file: RemoteFile, done: int, part: Path) -> None:
        """``done`` bytes of the file lie in ``part``."""

    def retrying(self, file: RemoteFile, why: str, seconds: float) -> None: ...

    def rehashing(self, file: RemoteFile, kept: int) -> None:
        """A pull is taken up again; ``kept`` bytes are there."""

    def restarted(self, file: RemoteFile, why: str) -> None:
        """What was there cannot be used."""


Opener = Callable[[RemoteFile, int, "str | None"], Body]
"""Opens a file from an offset, given the validator of the first answer."""


@dataclass(frozen=True)
class _State:
    """What is remembered beside a part."""

    size: int
    validator: str | None = None
    synced: int = 0
    """Bytes that survive a crash of the machine."""
    boot: str = ""

    def to_json(self) -> bytes:
        return json.dumps(self.__dict__).encode()


def fetch(
    file: RemoteFile,
    part: Path,
    opener: Opener,
    watcher: Watcher,
    patience: Patience = PATIENT,
    pause: Callable[[float], object] = time.sleep,
) -> str:
    """Bring ``part`` to the whole file, proven by its hash and synced to the disk; its SHA-256.

    Args:
        part: where to write; a state file lies beside it. The caller holds its lock.
        pause: waits so many seconds.

    Raises:
        NetworkProblem: given up; what is there stays, and the same call goes on from it.
        Damaged: the bytes are not those the hub's own list promises, twice over.
        NoRoom, StoreProblem: it cannot be written.
        EdgemindError: of the opener, or of the watcher.
    """
    transfer = _Transfer(file, part, opener, watcher, patience, pause)
    try:
        for last in (False, True):
            transfer.receive()
            digest = transfer.proven()
            if digest:
                return digest
            transfer.discard()
            if not last:
                watcher.restarted(file, "its bytes are not those that the hub's list promises")
        raise Damaged(
            f"{file.path} came twice with other bytes than its hash promises, so it was thrown away.",
            "Something on the way changes it; try another network, or another mirror: HF_ENDPOINT=https://...",
        )
    finally:
        transfer.close()


def state_file(part: Path) -> Path:
    return part.with_suffix(".json")


class _Transfer:
    def __init__(
        self,
        file: RemoteFile,
        part: Path,
        opener: Opener,
        watcher: Watcher,
        patience: Patience,
        pause: Callable[[float], object],
    ) -> None:
        self._file = file
        self._part = part
        self._opener = opener
        self._watcher = watcher
        self._patience = patience
        self._pause = pause
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        with self._writing():
            self._fd = os.open(part, flags | getattr(os, "O_BINARY", 0), 0o600)
        try:
            self._check_part()
            self._state = self._read_state()
            self._done = 0
            self._lost = False
            self._whole = False
            self._hashes = _Hashes(file)
            self._last_sync = time.monotonic()
            self._take_up()
        except BaseException:
            os.close(self._fd)
            raise

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return explained(f"store {self._file.path}", self._part.parent)

    def _check_part(self) -> None:
        """It must be a plain file with this one name: what is written here must not change another file.

        Raises:
            StoreProblem: it is something else, or was removed meanwhile.
        """
        with self._writing():
            here = os.fstat(self._fd)
            try:
                named = os.path.samestat(here, os.lstat(self._part))
            except FileNotFoundError:
                named = False
        place = shown(self._part)
        if not named:
            raise StoreProblem(f"{place} was removed or replaced meanwhile.", "Run the same command again.")
        trouble = flaw(here)
        if trouble:
            raise StoreProblem(f"The unfinished file {place} {trouble}.", f"Remove it, then pull again: rm {place}")

    def close(self) -> None:
        """Leave the part as it is, with what is known about it."""
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def discard(self) -> None:
        """Begin again with nothing."""
        self._rewind(0)
        self._state = _State(self._file.size, boot=_boot())
        self._save()

    def proven(self) -> str | None:
        """The SHA-256 when the file is whole and its hash right."""
        if self._done != self._file.size or not self._hashes.match():
            return None
        self._sync_bytes()
        return self._hashes.sha256()

    def receive(self) -> None:
        """Until all bytes are there, over as many connections as it takes."""
        failures, conditional = 0, True
        while self._done < self._file.size:
            before = self._done
            try:
                conditional = self._receive_once(conditional)
            except RangeRefused:
                self._whole = True
                failures += 1
                self._give_up_after(failures, Transient("The hub refuses the range that was asked for."))
                self._watcher.retrying(self._file, "The hub does not go on from there, so it sends the file anew", 0.0)
            except Transient as problem:
                failures = 1 if self._done - before >= PROGRESS_BYTES else failures + 1
                self._give_up_after(failures, problem)
                seconds = self._patience.wait(failures, problem.wait)
                self._watcher.retrying(self._file, problem.message, seconds)
                self._pause(seconds)
            finally:
                self._sync()

    def _give_up_after(self, failures: int, problem: Transient) -> None:
        asked = problem.wait or 0.0
        if failures < self._patience.tries and asked <= self._patience.longest_asked:
            return
        kept = f" {human_bytes(self._done)} of {human_bytes(self._file.size)} are kept." if self._done else ""
        later = f"Run the same command in {asked:.0f} s." if asked else "Run the same command again to go on."
        raise NetworkProblem(f"{problem.message.rstrip('.')}; given up on {self._file.path}.{kept}", later) from problem

    def _receive_once(self, conditional: bool) -> bool:
        """One connection. Returns whether the next may ask with ``If-Range``.

        A server whose tag changes from answer to answer would send everything again each time: then the range is asked
        for without a condition, and the hash of the whole decides.
        """
        start = 0 if self._whole else self._done
        body = self._opener(self._file, start, self._state.validator if conditional and start else None)
        try:
            if body.total is not None and body.total != self._file.size:
                raise Transient(
                    f"The hub sends {human_bytes(body.total)} of {self._file.path}, its list says "
                    f"{human_bytes(self._file.size)}."
                )
            anew = bool(self._done) and not body.offset
            if anew and start and conditional and self._state.validator and body.validator != self._state.validator:
                return False
            if body.validator != self._state.validator:
                self._state = replace(self._state, validator=body.validator)
                self._save()
            self._append(body, skip=self._done if anew else 0)
        finally:
            body.close()
        if self._done < self._file.size:
            raise Transient("The connection ended before the file did.")
        return conditional

    def _append(self, body: Body, skip: int) -> None:
        """Write what comes; ``skip`` bytes at its head are there already."""
        size = self._file.size
        came, since = 0, time.monotonic()
        for chunk in body:
            came += len(chunk)
            if time.monotonic() - since > LEAST_SECONDS:
                if came < LEAST_BYTES:
                    raise Transient(f"The hub sent {came} bytes in {LEAST_SECONDS:.0f} s.")
                came, since = 0, time.monotonic()
            if skip:
                passed = min(skip, len(chunk))
                skip -= passed
                chunk = chunk[passed:]
            chunk = chunk[: size - self._done]
            if not chunk:
                continue
            with self._writing():
                write_all(self._fd, chunk)
            self._hashes.update(chunk)
            self._done += len(chunk)
            if time.monotonic() - self._last_sync > SYNC_SECONDS:
                self._sync()
            self._watcher.advanced(self._file, self._done, self._part)
            if self._done == size:
                return

    def _take_up(self) -> None:
        """Believe what may be believed of an earlier try, and hash it."""
        there = os.fstat(self._fd).st_size
        usable = there if self._state.boot == _boot() else min(there, self._state.synced)
        if self._state.size != self._file.size or there > self._file.size:
            usable = 0
        if not usable:
            self.discard()
            return
        self._watcher.rehashing(self._file, usable)
        os.lseek(self._fd, 0, os.SEEK_SET)
        while self._done < usable:
            with self._writing():
                piece = os.read(self._fd, min(READ, usable - self._done))
            if not piece:
                break
            self._hashes.update(piece)
            self._done += len(piece)
        self._cut(self._done)
        self._state = replace(self._state, boot=_boot())
        self._save()

    def _rewind(self, size: int) -> None:
        self._cut(size)
        self._done = size
        self._hashes = _Hashes(self._file)

    def _cut(self, size: int) -> None:
        with self._writing():
            os.ftruncate(self._fd, size)
            os.lseek(self._fd, size, os.SEEK_SET)

    def _sync(self) -> None:
        """Remember how much is on the disk for good."""
        self._last_sync = time.monotonic()
        if self._done == self._state.synced or self._lost:
            return
        self._sync_bytes()
        self._state = replace(self._state, synced=self._done)
        self._save()

    def _sync_bytes(self) -> None:
        """After a sync that failed the system forgets what it could not write, and says yes the next time: what was
        not synced before is cut off, so that neither that nor what is still in memory is ever taken for good."""
        self._check_part()
        with self._writing():
            try:
                sync(self._fd)
            except OSError:
                self._lost = True
                with contextlib.suppress(OSError, EdgemindError):
                    self._state = replace(self._state, boot="")
                    self._save()
                    os.ftruncate(self._fd, self._state.synced)
                raise

    def _save(self) -> None:
        """Not synced: an old state only costs some bytes."""
        target = state_file(self._part)
        temporary = target.with_suffix(".json.new")
        with self._writing():
            temporary.unlink(missing_ok=True)
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                write_all(fd, self._state.to_json())
            finally:
                os.close(fd)
            os.replace(temporary, target)

    def _read_state(self) -> _State:
        """The state of an earlier try; a state that makes no sense is none."""
        none = _State(self._file.size, boot=_boot(), synced=0)
        try:
            with open(state_file(self._part), "rb") as stream:
                given = json.loads(stream.read(4096))
            state = _State(**given)
        except (OSError, ValueError, TypeError, RecursionError):
            return replace(none, boot="unknown")
        plain = type(state.size) is int and type(state.synced) is int and isinstance(state.boot, str)
        tagged = state.validator is None or (
            isinstance(state.validator, str) and STRONG_ETAG.fullmatch(state.validator) is not None
        )
        return state if plain and tagged and state.synced >= 0 else replace(none, boot="unknown")


class _Hashes:
    """The hash that the hub promises, and SHA-256 in any case."""

    def __init__(self, file: RemoteFile) -> None:
        self._sha256 = hashlib.sha256()
        self._wanted = file.sha256
        self._git_oid = None if file.sha256 else file.git_oid
        self._git = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False) if self._git_oid else None

    def update(self, data: bytes) -> None:
        self._sha256.update(data)
        if self._git:
            self._git.update(data)

    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def match(self) -> bool:
        if self._git:
            return self._git.hexdigest() == self._git_oid
        return self._sha256.hexdigest() == self._wanted


def _boot() -> str:
    """This run of the machine; two calls agree when no crash of the machine lies between them."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"

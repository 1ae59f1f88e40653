"""The key of the history, and the file that keeps it wrapped.

A random data key of 32 bytes encrypts the database. ``history.key`` holds it once for each way to open it (a slot),
wrapped with AES-256-GCM: under a key that Argon2id makes of a passphrase (RFC 9106), or that HKDF-SHA256 makes of a
secret in the system's keyring. Changing a passphrase writes another wrap of the same key. The slot's own header (which
history, which kind, which salt, which cost) is authenticated with it, so a slot cannot be moved or made cheaper unseen.
Not for: the database (``vault``), asking the keyring (``keyring_``).
"""

from __future__ import annotations

import json
import os
import time
import unicodedata
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgemind.chat.private_files import read_small, write_whole
from edgemind.errors import HistoryProblem, HistoryTooNew, OutOfMemory, WrongPassphrase

Kind = Literal["keyring", "passphrase"]

KEY_BYTES = 32
VERSION = 1
SHORTEST = 8
"""Characters that a new passphrase has at least."""
LONGEST = 1024
SECONDS = 0.5
"""What opening with a passphrase should take."""

_FILE_MOST = 64 << 10
_MEBIBYTE = 1 << 10
"""In KiB, the unit of Argon2."""
_FLOOR = 64 * _MEBIBYTE
_FLOOR_SCARCE = 16 * _MEBIBYTE
_CEILING_MADE = 256 * _MEBIBYTE
_CEILING_READ = 1024 * _MEBIBYTE
_WORK_READ = 8 * _CEILING_READ
"""KiB times passes: what a key file may ask for before it is taken for an attack on this machine."""


class Argon2(BaseModel):
    """The cost of trying one passphrase. The bounds are those of a file that anyone could have written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory_kib: int = Field(ge=8 * _MEBIBYTE, le=_CEILING_READ)
    passes: int = Field(ge=1, le=1024)
    lanes: int = Field(ge=1, le=16)

    @model_validator(mode="after")
    def _bounded(self) -> Argon2:
        if self.memory_kib * self.passes > _WORK_READ:
            raise ValueError("asks for too much work")
        return self


class Slot(BaseModel):
    """One way to open the history. Bytes are in hexadecimal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    nonce: str = Field(pattern=r"^[0-9a-f]{24}$")
    wrapped: str = Field(pattern=r"^[0-9a-f]{96}$")
    argon2: Argon2 | None = None

    @model_validator(mode="after")
    def _whole(self) -> Slot:
        if (self.kind == "passphrase") != (self.argon2 is not None):
            raise ValueError("a passphrase has a cost, a keyring none")
        return self


class KeyFile(BaseModel):
    """``history.key``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    key_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    """Names the history; the keyring's entry is kept under it."""
    slots: tuple[Slot, ...] = Field(min_length=1, max_length=2)

    @model_validator(mode="after")
    def _one_of_each(self) -> KeyFile:
        if len({slot.kind for slot in self.slots}) != len(self.slots):
            raise ValueError("two slots of one kind")
        return self

    def slot(self, kind: Kind) -> Slot | None:
        return next((slot for slot in self.slots if slot.kind == kind), None)

    def with_slot(self, slot: Slot) -> KeyFile:
        """The same with this slot in the place of the one of its kind."""
        others = tuple(one for one in self.slots if one.kind != slot.kind)
        return KeyFile(key_id=self.key_id, slots=(*others, slot))

    def without(self, kind: Kind) -> KeyFile:
        """The same without a slot of this kind.

        Raises:
            HistoryProblem: no way to open the history would be left.
        """
        others = tuple(one for one in self.slots if one.kind != kind)
        if not others:
            raise HistoryProblem(
                f"The {kind} is the only way to open the history, so it has to stay.",
                "Set another way first: edgemind history passphrase",
            )
        return KeyFile(key_id=self.key_id, slots=others)


def random_key() -> bytearray:
    return bytearray(os.urandom(KEY_BYTES))


def new_key_id() -> str:
    return os.urandom(16).hex()


def wipe(secret: bytearray) -> None:
    """Overwrite it. Copies that Python made of a passphrase, which is a ``str``, cannot be reached."""
    secret[:] = bytes(len(secret))


def check_new_passphrase(passphrase: str) -> None:
    """Raises ``WrongPassphrase`` for one that protects nothing."""
    if len(passphrase.strip()) < SHORTEST:
        raise WrongPassphrase(
            f"A passphrase needs at least {SHORTEST} characters.", "Several words are easy to type and hard to guess."
        )
    if len(passphrase) > LONGEST:
        raise WrongPassphrase(f"A passphrase has at most {LONGEST} characters.", "Use a shorter one.")


def wrap_with_passphrase(key: bytearray, key_id: str, passphrase: str, cost: Argon2) -> Slot:
    """Raises ``OutOfMemory`` when the cost does not fit this machine now."""
    salt = os.urandom(16)
    return _wrapped(key, key_id, "passphrase", salt, _from_passphrase(passphrase, salt, cost), cost)


def wrap_with_secret(key: bytearray, key_id: str, secret: bytes | bytearray) -> Slot:
    salt = os.urandom(16)
    return _wrapped(key, key_id, "keyring", salt, _from_secret(secret, salt), None)


def unwrap_with_passphrase(file: KeyFile, passphrase: str) -> bytearray | None:
    """The data key, or ``None`` when the passphrase is another (or the slot was changed).

    Raises:
        OutOfMemory: trying needs more memory than there is.
    """
    slot = file.slot("passphrase")
    if slot is None or slot.argon2 is None or len(passphrase) > LONGEST:
        return None
    return _unwrapped(slot, file.key_id, _from_passphrase(passphrase, bytes.fromhex(slot.salt), slot.argon2))


def unwrap_with_secret(file: KeyFile, secret: bytes | bytearray) -> bytearray | None:
    """The data key, or ``None`` when the keyring's secret is another's."""
    slot = file.slot("keyring")
    if slot is None:
        return None
    return _unwrapped(slot, file.key_id, _from_secret(secret, bytes.fromhex(slot.salt)))


def read_key_file(file: Path) -> KeyFile:
    """Raises ``FileNotFoundError``; ``HistoryProblem`` with one sentence for whatever else is wrong with it."""
    try:
        return parse_key_file(read_small(file, _FILE_MOST), file)
    except FileNotFoundError:
        raise
    except OSError as problem:
        reason = (problem.strerror or type(problem).__name__).lower()
        raise HistoryProblem(f"The history's key file cannot be read: {reason}.", f"ls -l {file}") from None
    except ValueError:
        raise _damaged(file) from None


def parse_key_file(data: bytes, where: Path) -> KeyFile:
    """The same for bytes that stand in ``where``. Raises ``HistoryProblem``."""
    try:
        values = json.loads(data)
        version = values.get("version") if isinstance(values, dict) else None
        if type(version) is int and version > VERSION:
            raise HistoryTooNew(
                f"A newer version of EdgeMind wrote the history (key file {version}; this one knows {VERSION}).",
                "Update EdgeMind; the history was left as it is.",
            )
        return KeyFile.model_validate(values)
    except (ValueError, RecursionError):
        raise _damaged(where) from None


def _damaged(file: Path) -> HistoryProblem:
    return HistoryProblem(
        f"The history's key file {file} is damaged, or not one.", "edgemind history restore FILE, from a backup"
    )


def write_key_file(file: Path, content: KeyFile) -> None:
    """Whole or not at all: the old slots are there until the new ones are on the disk. Raises ``OSError``."""
    write_whole(file, (content.model_dump_json(indent=2, exclude_none=True) + "\n").encode("ascii"))


def calibrated(seconds: float = SECONDS) -> Argon2:
    """A cost that takes about this long on this machine.

    Never under 64 MiB and three passes (RFC 9106, section 4) unless memory is scarce, so that a machine which is
    busy for the moment does not make it weak.
    """
    import psutil

    lanes = min(4, os.cpu_count() or 1)
    available = psutil.virtual_memory().available // 1024
    floor = _FLOOR if available > 8 * _FLOOR else max(_FLOOR_SCARCE, available // 16)
    once = Argon2(memory_kib=floor, passes=1, lanes=lanes)
    work = seconds / min(_seconds_of(once) for _ in range(2)) * floor
    memory = int(min(max(work / 3, floor), max(available // 8, floor), _CEILING_MADE))
    passes = int(min(max(work / memory, 3), 16))
    return Argon2(memory_kib=memory, passes=passes, lanes=lanes)


def _seconds_of(cost: Argon2) -> float:
    before = time.perf_counter()
    _from_passphrase("calibration", bytes(16), cost)
    return max(time.perf_counter() - before, 1e-4)


def _wrapped(key: bytearray, key_id: str, kind: Kind, salt: bytes, wrapping: bytearray, cost: Argon2 | None) -> Slot:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    try:
        wrapped = AESGCM(wrapping).encrypt(nonce, key, _header(key_id, kind, salt.hex(), cost))
    finally:
        wipe(wrapping)
    return Slot(kind=kind, salt=salt.hex(), nonce=nonce.hex(), wrapped=wrapped.hex(), argon2=cost)


def _unwrapped(slot: Slot, key_id: str, wrapping: bytearray) -> bytearray | None:
    """AES-GCM compares its tag in constant time; nothing else here compares secrets."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header = _header(key_id, slot.kind, slot.salt, slot.argon2)
    nonce, wrapped = bytes.fromhex(slot.nonce), bytes.fromhex(slot.wrapped)
    key = bytearray(KEY_BYTES)
    try:
        AESGCM(wrapping).decrypt_into(nonce, wrapped, header, key)
    except InvalidTag:
        return None
    finally:
        wipe(wrapping)
    return key


def _header(key_id: str, kind: Kind, salt: str, cost: Argon2 | None) -> bytes:
    numbers = (cost.memory_kib, cost.passes, cost.lanes) if cost else ()
    return ":".join(["edgemind history", str(VERSION), key_id, kind, salt, *map(str, numbers)]).encode("ascii")


def _from_passphrase(passphrase: str, salt: bytes, cost: Argon2) -> bytearray:
    """Argon2id over the passphrase in NFC, so that it does not matter how a keyboard puts an accent together."""
    from _argon2_cffi_bindings import ffi, lib
    from argon2.low_level import ARGON2_VERSION, Type

    typed = bytearray(unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass"))
    made = bytearray(KEY_BYTES)
    try:
        code = lib.argon2_hash(
            cost.passes,
            cost.memory_kib,
            cost.lanes,
            ffi.from_buffer(typed),
            len(typed),
            salt,
            len(salt),
            ffi.from_buffer(made),
            len(made),
            ffi.NULL,
            0,
            Type.ID.value,
            ARGON2_VERSION,
        )
    finally:
        wipe(typed)
    if code == lib.ARGON2_MEMORY_ALLOCATION_ERROR:
        raise OutOfMemory(
            f"Trying a passphrase takes {cost.memory_kib // _MEBIBYTE} MiB of memory, which are not free.",
            "Close other programs and try again.",
        )
    if code != lib.ARGON2_OK:
        raise HistoryProblem(
            "The history's key file asks for a cost that Argon2 does not know.", "edgemind history status"
        )
    return made


def _from_secret(secret: bytes | bytearray, salt: bytes) -> bytearray:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return bytearray(HKDF(SHA256(), KEY_BYTES, salt=salt, info=b"edgemind history").derive(secret))

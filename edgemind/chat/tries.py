"""Wrong passphrases are counted on the disk, and each makes the wait for the next one longer, also after a restart.

It slows down someone at this keyboard. Someone with a copy of the files is slowed down by Argon2id alone.
Not for: checking a passphrase (``keys``).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgemind.chat.private_files import read_small, write_whole
from edgemind.errors import WrongPassphrase
from edgemind.locking import locked

FILE, LOCK = "tries", ".tries.lock"
FREE = 3
"""Wrong ones before there is a wait."""
LONGEST = 300.0


class _Tries(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    wrong: int = Field(default=0, ge=0, le=1_000_000)
    last: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Seconds since the epoch."""


_unwritable: dict[Path, _Tries] = {}
"""Where nothing can be written, what this process has seen counts."""


def wait_seconds(folder: Path) -> float:
    """How long until the next try is looked at. Raises nothing."""
    now = time.time()
    seen = _read(folder)
    if seen.last > now:
        seen = _Tries(wrong=seen.wrong, last=now)
        _write(folder, seen)
    return max(0.0, seen.last + _delay(seen.wrong) - now)


def _delay(wrong: int) -> float:
    return min(2.0 ** min(wrong - FREE + 1, 30), LONGEST) if wrong >= FREE else 0.0


@contextlib.contextmanager
def counted(folder: Path) -> Iterator[None]:
    """One try. It counts as wrong from its beginning, so that ending the process does not save it; when nothing is
    raised, all are forgotten, and what is no ``WrongPassphrase`` does not count.

    Raises:
        WrongPassphrase: it comes too soon; nothing was tried.
    """
    with _alone(folder):
        wait = wait_seconds(folder)
        if wait > 0:
            raise WrongPassphrase(
                f"Too many wrong passphrases; the next one is looked at in {_words(wait)}.", "Nothing was changed."
            )
        _write(folder, _Tries(wrong=_read(folder).wrong + 1, last=time.time()))
    try:
        yield
    except WrongPassphrase:
        raise
    except BaseException:
        with _alone(folder):  # one less than now: others may have tried meanwhile
            now = _read(folder)
            _write(folder, _Tries(wrong=max(0, now.wrong - 1), last=now.last))
        raise
    with _alone(folder):
        _write(folder, _Tries())


def _words(seconds: float) -> str:
    whole = max(1, round(seconds))
    return f"{whole} s" if whole < 120 else f"{round(whole / 60)} minutes"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(folder / LOCK, 2.0))
        yield


def _read(folder: Path) -> _Tries:
    if folder in _unwritable:
        return _unwritable[folder]
    try:
        return _Tries.model_validate_json(read_small(folder / FILE, 4096))
    except (OSError, ValueError, ValidationError):
        return _Tries()


def _write(folder: Path, tries: _Tries) -> None:
    try:
        if tries.wrong:
            write_whole(folder / FILE, tries.model_dump_json().encode("ascii"))
        else:
            (folder / FILE).unlink(missing_ok=True)
        _unwritable.pop(folder, None)
    except OSError:
        _unwritable[folder] = tries

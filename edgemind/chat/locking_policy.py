"""When the chats are locked by themselves, and what locking means. Not for: doing it (``OpenVault.lock``, the face)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from edgemind.settings import ChatSettings

MINUTES = 15
"""Without a word from the user, for a history that a passphrase opens again."""
CLINIC_MINUTES = 5

Locking = Literal["unlock screen", "end"]


def now() -> float:
    """Seconds of a clock that goes on while the machine sleeps, which ``time.monotonic`` does not: a laptop that is
    opened the next morning has been idle all night."""
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if clock is None else time.clock_gettime(clock)


@dataclass(frozen=True)
class LockingPolicy:
    """Worked out once from the settings and from how the history is opened."""

    after_seconds: float | None
    """Idle for this long, it is locked; ``None``: never by itself."""
    locking: Locking
    """What the face shows then. A history that only the keyring opens cannot be opened again from inside the jail, so
    the app ends and ``edgemind`` opens it again."""

    @classmethod
    def of(cls, settings: ChatSettings, passphrase: bool) -> LockingPolicy:
        """
        Args:
            passphrase: a passphrase opens the history.
        """
        minutes = settings.lock_after_minutes
        if minutes is None:
            minutes = MINUTES if passphrase else 0
        if settings.clinic:
            minutes = min(minutes or CLINIC_MINUTES, CLINIC_MINUTES)
        return cls(minutes * 60.0 if minutes else None, "unlock screen" if passphrase else "end")

    def due(self, last_activity: float, now: float) -> bool:
        """Whether it is time; both in seconds of ``now``. A clock that went back does not keep it open."""
        if self.after_seconds is None:
            return False
        return not 0 <= now - last_activity < self.after_seconds

    def wait(self, last_activity: float, now: float) -> float | None:
        """Seconds until it may be due: one timer, nothing that polls. ``None``: never."""
        if self.after_seconds is None:
            return None
        return max(0.0, self.after_seconds - (now - last_activity)) if now >= last_activity else 0.0

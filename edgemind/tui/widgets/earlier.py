"""What was sent before, walked with up and down like a shell's history; what is unsent waits at the end.

Not for: keeping messages (``chat.history``).
"""

from __future__ import annotations

from collections.abc import Sequence

KEPT = 500
"""Messages that can be walked back."""


class Earlier:
    """One chat's and this session's messages, oldest first."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._changed: dict[int, str] = {}
        self._at = 0

    def open(self, texts: Sequence[str]) -> None:
        """Another chat's messages."""
        self._texts = [text for text in texts if text.strip()][-KEPT:]
        self._rest()

    def remember(self, text: str) -> None:
        """This was sent."""
        if text.strip() and self._texts[-1:] != [text]:
            self._texts = [*self._texts, text][-KEPT:]
        self._rest()

    def back(self, current: str) -> str | None:
        """The message before; ``None`` at the first. ``current`` is found again on the way back."""
        return self._go(-1, current)

    def forth(self, current: str) -> str | None:
        """The message after; after the last comes what was unsent; ``None`` at the end."""
        return self._go(1, current)

    def _go(self, by: int, current: str) -> str | None:
        if not 0 <= self._at + by <= len(self._texts):
            return None
        self._changed[self._at] = current
        self._at += by
        return self._changed.get(self._at, self._texts[self._at] if self._at < len(self._texts) else "")

    def _rest(self) -> None:
        self._changed = {}
        self._at = len(self._texts)

"""Set or change the passphrase of the history: typed twice, never shown, its strength said in words.

Not for: unlocking (``screens.unlock``), keys (``chat.vault``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from edgemind.tui.screens.dialog import Dialog


@dataclass(frozen=True)
class Passphrases:
    """What the dialog hands back; ``old`` is empty when none was set before."""

    old: str = field(repr=False)
    new: str = field(repr=False)


class PassphraseScreen(Dialog[Passphrases]):
    """Dismissed with the passphrases, or ``None``.

    Args:
        mode: ``set`` the first one, or ``change`` it, which asks for the old one too.
        apply: when given, it is called in a thread before the dialog closes; an ``EdgemindError`` (a wrong old
            passphrase) is said in the dialog, which stays open.
    """

    def __init__(
        self, mode: Literal["set", "change"], *, apply: Callable[[Passphrases], None] | None = None
    ) -> None:
        super().__init__()

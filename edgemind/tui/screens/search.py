"""Search over all chats: type, and the hits appear with what was found highlighted; enter opens the chat there.

Not for: how it is searched (``chat.history``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgemind.tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from edgemind.chat.types import Hit


class SearchScreen(Dialog["Hit"]):
    """Dismissed with the hit to open, or ``None``. ``find(text, limit)`` runs in a thread: ``History.search``."""

    def __init__(self, find: Callable[[str, int], list[Hit]], text: str = "") -> None:
        super().__init__()

"""What is attached does not fit: the numbers, and the choice to cut, to summarise in parts, or to pick passages.

Not for: doing it (``chat.attachments.fitting``).
"""

from __future__ import annotations

from typing import Literal

from edgemind.tui.screens.dialog import Dialog

Choice = Literal["cut", "summarise", "passages"]


class FitScreen(Dialog[Choice]):
    """Dismissed with the choice, or ``None``: the message goes back into the composer.

    Args:
        names: the attachments that do not fit, cleaned or not.
        tokens: of the attachments together.
        room: tokens that are free for them.
        parts: requests that summarising in parts would take.
    """

    def __init__(self, names: tuple[str, ...], *, tokens: int, room: int, parts: int | None = None) -> None:
        super().__init__()

"""A chat's title, folder and tags in one dialog.

Not for: titles that the model makes (``chat.titles``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgemind.tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from edgemind.chat.types import Chat


@dataclass(frozen=True)
class Renamed:
    """What the dialog hands back."""

    title: str
    folder: str
    tags: tuple[str, ...]


class RenameScreen(Dialog[Renamed]):
    """Dismissed with the new names, or ``None``. ``folders`` and ``tags`` are those in use, for completion."""

    def __init__(
        self,
        chat: Chat,
        *,
        folders: Sequence[str] = (),
        tags: Sequence[str] = (),
        begin: Literal["title", "folder", "tags"] = "title",
    ) -> None:
        super().__init__()

"""Where a chat is exported to, and as what: the path is completed, nothing is overwritten unasked.

Not for: writing the file (``chat.export``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgemind.tui.screens.dialog import Dialog

Format = Literal["markdown", "json", "html"]


@dataclass(frozen=True)
class ExportTo:
    """What the dialog hands back."""

    path: Path
    format: Format
    overwrite: bool
    """The file exists, and the user said that it may go."""


class ExportScreen(Dialog[ExportTo]):
    """Dismissed with where to, or ``None``. ``title`` gives the suggested file name."""

    def __init__(self, title: str, *, folder: Path | None = None) -> None:
        super().__init__()


class PathScreen(Dialog[Path]):
    """Asks for one existing file, with completion: what to import, what to attach."""

    def __init__(self, title: str, *, folder: Path | None = None) -> None:
        super().__init__()

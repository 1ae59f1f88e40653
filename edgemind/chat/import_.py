"""Chats out of files: our own JSON and Markdown, and ``conversations.json`` of ChatGPT's export.

A file is read whole and checked before the first chat of it is written, all in one transaction.
Not for: writing them (``export``).
"""

from __future__ import annotations

from pathlib import Path

from edgemind.chat.history import History
from edgemind.chat.types import Chat


def import_file(history: History, path: Path) -> list[Chat]:
    """The chats that were made; what is already there under the same id is kept beside them.

    Raises:
        BadInput: it cannot be read, is too large, or is none of the forms; nothing was imported.
    """
    raise NotImplementedError


def import_text(history: History, text: str, name: str = "") -> list[Chat]:
    """As ``import_file``, from text; ``name`` is for the messages."""
    raise NotImplementedError

"""A chat as a file for other programs and for people: Markdown, JSON, or HTML that opens offline in one file.

Not for: reading them back (``import_``), asking where to put them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from edgemind.chat.history import History

Format = Literal["markdown", "json", "html"]
SUFFIXES: dict[str, Format] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".json": "json",
    ".html": "html",
    ".htm": "html",
}


def export(history: History, chat_id: str, form: Format, leaf: str | None = None) -> str:
    """The text of the file. Markdown and HTML hold the branch that ends in ``leaf`` (``None``: the shown one); JSON
    holds all of them."""
    raise NotImplementedError


def export_all(history: History) -> str:
    """Every chat and persona in one JSON text."""
    raise NotImplementedError


def save(text: str, path: Path) -> None:
    """Write it so that only this user can read it, whole or not at all.

    Raises:
        HistoryProblem: the file cannot be written; the message says why.
    """
    raise NotImplementedError


def file_name(title: str, form: Format) -> str:
    """A name for the file, made of letters, digits and dashes of the title."""
    raise NotImplementedError

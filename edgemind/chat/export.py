"""A chat as a file for other programs and for people: Markdown, JSON, or HTML that opens offline in one file.

Not for: what each form looks like (``markdown_file``, ``json_file``, ``html_file``), reading them back (``import_``).
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Literal

from edgemind.chat import private_files
from edgemind.chat.history import History
from edgemind.errors import HistoryProblem, NoRoom

Format = Literal["markdown", "json", "html"]
SUFFIXES: dict[str, Format] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".json": "json",
    ".html": "html",
    ".htm": "html",
}
LONGEST_NAME = 60
"""Characters of a file's name that come from the title."""


def export(history: History, chat_id: str, form: Format, leaf: str | None = None) -> str:
    """The text of the file. Markdown and HTML hold the branch that ends in ``leaf`` (``None``: the shown one); JSON
    holds all of them."""
    if form == "json":
        from edgemind.chat import json_file

        return json_file.write([history.whole(chat_id)])
    chat, turns = history.chat(chat_id), history.path(chat_id, leaf)
    if form == "markdown":
        from edgemind.chat import markdown_file

        return markdown_file.write(chat, turns)
    from edgemind.chat import html_file

    return html_file.write(chat, turns, history.siblings_of([turn.id for turn in turns]))


def export_all(history: History) -> str:
    """Every chat and persona in one JSON text."""
    from edgemind.chat import json_file

    return json_file.write(map(history.whole, history.ids()), history.personas())


def save(text: str, path: Path, overwrite: bool = False) -> None:
    """Write it so that only this user can read it, whole or not at all.

    Raises:
        HistoryProblem: the file cannot be written, or is there already; the message says so.
        NoRoom: the disk is full.
    """
    if path.exists() and not overwrite:
        raise HistoryProblem(f"{path} is there already.", "Give another name, or let it be overwritten.")
    try:
        private_files.write_whole(path, text.encode("utf-8", "replace"))
    except OSError as problem:
        if problem.errno in private_files.NO_ROOM:
            raise NoRoom(
                f"The disk of {path} is full: nothing was exported.", "Make room, or give another folder."
            ) from None
        why = (problem.strerror or type(problem).__name__).lower()
        raise HistoryProblem(f"{path} cannot be written: {why}.", "Give another folder.") from None


def form_of(path: Path) -> Format | None:
    """The form that the end of a file's name stands for."""
    return SUFFIXES.get(path.suffix.lower())


def file_name(title: str, form: Format) -> str:
    """A name for the file, made of letters, digits and dashes of the title."""
    stem = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", title).lower())[:LONGEST_NAME].strip("-")
    return f"{stem or 'chat'}{next(suffix for suffix, known in SUFFIXES.items() if known == form)}"

"""Chats out of files: our own JSON and Markdown, and ``conversations.json`` of ChatGPT's export.

A file is read whole and checked before the first chat of it is written, and all are written in one transaction.
Not for: the forms themselves (``json_file``, ``markdown_file``, ``chatgpt_file``), writing them (``export``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgemind.chat import private_files
from edgemind.chat.chats import storable
from edgemind.chat.copying import Whole
from edgemind.chat.history import History
from edgemind.chat.types import Chat, Persona
from edgemind.errors import BadInput
from edgemind.terminal import clean_line

MOST_BYTES = 256 << 20
MOST_VALUES = 8_000_000
"""Of a JSON file, counted by its commas and brackets: each takes about a hundred bytes of memory when it is read."""
FORMS = "Chats come from edgemind history export (JSON or Markdown) or ChatGPT's conversations.json."


def import_file(history: History, path: Path) -> list[Chat]:
    """The chats that were made; what is already there under the same id is kept beside them.

    Raises:
        BadInput: it cannot be read, is too large, or is none of the forms; nothing was imported.
    """
    name = clean_line(path.name)
    try:
        data = private_files.read_small(path, MOST_BYTES)
    except ValueError:
        raise BadInput(f"{name} is larger than {MOST_BYTES >> 20} MB, or no plain file.", FORMS) from None
    except OSError as problem:
        why = (problem.strerror or type(problem).__name__).lower()
        raise BadInput(f"{name} cannot be read: {why}.", FORMS) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{name} is not text in UTF-8; nothing was imported.", FORMS) from None
    return import_text(history, text, name)


def import_text(history: History, text: str, name: str = "The text") -> list[Chat]:
    """As ``import_file``, from text; ``name`` is for the messages."""
    wholes, personas = _read(storable(text), name)
    if not wholes and not personas:
        raise BadInput(f"{name} holds no chat.", FORMS)
    with history.transaction():
        known = {persona.name for persona in history.personas()}
        for persona in personas:
            if persona.name not in known:
                history.save_persona(persona)
        return [history.add_whole(whole) for whole in wholes]


def _read(text: str, name: str) -> tuple[Sequence[Whole], Sequence[Persona]]:
    from pydantic_core import from_json

    from edgemind.chat import chatgpt_file, json_file, markdown_file

    if markdown_file.is_ours(text):
        return [markdown_file.read(text, name)], ()
    if sum(map(text.count, ",[{")) > MOST_VALUES:
        raise BadInput(f"{name} holds too much to be read at once; nothing was imported.", "Import its parts.")
    try:
        value = from_json(text)
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is neither an exported chat nor whole JSON; nothing was imported.", FORMS) from None
    if json_file.is_ours(value):
        return json_file.read(value, name)
    if chatgpt_file.is_one(value):
        return chatgpt_file.read(value), ()
    raise BadInput(f"{name} is JSON, but no chat; nothing was imported.", FORMS)

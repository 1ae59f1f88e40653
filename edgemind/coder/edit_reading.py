"""What an edit that was written under its grammar says.

Not for: text from elsewhere (``patches``), which is read with more patience.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgemind.coder.edit_grammar import DONE
from edgemind.coder.types import Create, Delete, Edit, EditState, Insert, Replace

_HEAD = re.compile(
    r"(?:create (?P<new>[^\n]+)|edit (?P<path>[^\n]+)\n"
    r"(?:(?P<how>replace|delete) (?P<first>\d+)(?:-(?P<last>\d+))?|insert after (?P<after>\d+)))"
    r"(?:\n(?P<fence>`{3,})[^`\n]*\n(?P<lines>(?:[^\n]*\n)*)(?P=fence))?"
)


@dataclass(frozen=True)
class NoMoreEdits:
    """The model says that it is done."""


def read_edit(text: str, state: EditState) -> Edit | NoMoreEdits:
    """The edit that ``text`` is, in the state that its grammar was made of.

    Raises:
        ValueError: the text is no whole sentence of that grammar.
    """
    if text == DONE:
        return NoMoreEdits()
    found = _HEAD.fullmatch(text)
    if not found:
        raise ValueError("the edit was cut short")
    lines = tuple(found["lines"].split("\n")[:-1]) if found["fence"] else ()
    if found["new"]:
        return Create(found["new"], lines)
    path = found["path"]
    if path not in {file.path for file in state.files}:
        raise ValueError(f"no file {path} was shown")
    if found["after"]:
        return Insert(path, int(found["after"]), lines)
    first = int(found["first"])
    last = int(found["last"] or first)
    if found["how"] == "delete":
        return Delete(path, first, last)
    return Replace(path, first, last, lines)

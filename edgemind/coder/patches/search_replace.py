"""SEARCH/REPLACE blocks: quoted lines, and what takes their place.

    src/app.py
    <<<<<<< SEARCH
    old lines
    =======
    new lines
    >>>>>>> REPLACE

Not for: finding the quoted lines (``locating``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemind.coder.file_text import FileText
from edgemind.coder.patches.fences import names_in
from edgemind.coder.patches.locating import Place, Quote, find, locate
from edgemind.coder.patches.naming import resolve
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.types import Create, Delete, Edit, Insert, Replace

_OPENS = re.compile(r"\s{0,3}<{5,9} ?(?:SEARCH|ORIGINAL|HEAD)\b.*$")
_DIVIDES = re.compile(r"\s{0,3}={5,9}\s*$")
_CLOSES = re.compile(r"\s{0,3}>{5,9} ?(?:REPLACE|UPDATED)\b.*$")
_FENCE = re.compile(r"\s{0,3}(?:`{3,}|~{3,})(.*)")
LINES_ABOVE = 3
"""Above a block, in which the name of its file may stand."""


@dataclass(frozen=True)
class _Block:
    number: int
    named: tuple[str, ...]
    """Lines above it, the nearest first."""
    lines: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"Block {self.number}"


def is_search_replace(lines: Sequence[str]) -> bool:
    return any(map(_OPENS.match, lines))


def names(lines: Sequence[str]) -> list[str]:
    """The files that the blocks name."""
    found = [next(filter(None, map(names_in, block.named)), []) for block in _blocks(lines)]
    return list(dict.fromkeys(name for named in found for name in named))


def read(lines: Sequence[str], texts: Mapping[str, FileText]) -> list[Edit]:
    """The edits of all blocks.

    Raises:
        BadPatch: a block has no end, no file, or no one place.
    """
    edits: list[Edit] = []
    path: str | None = None
    for block in _blocks(lines):
        path = _path(block, texts) or path or _where(block, texts)
        edits += _edits(block, path, texts)
    return edits


def _blocks(lines: Sequence[str]) -> list[_Block]:
    found: list[_Block] = []
    above: list[str] = []
    at = 0
    while at < len(lines):
        if not _OPENS.match(lines[at]):
            fence = _FENCE.match(lines[at])
            said = fence[1] if fence else lines[at]
            if names_in(said) if fence else said.strip():
                above.insert(0, said)
            at += 1
            continue
        number = len(found) + 1
        end = next((line for line in range(at + 1, len(lines)) if _CLOSES.match(lines[line])), None)
        opened = next((line for line in range(at + 1, len(lines)) if _OPENS.match(lines[line])), len(lines))
        if end is None or opened < end:
            raise BadPatch(f"Block {number} has no end (>>>>>>> REPLACE).", "Copy the whole block.")
        found.append(_Block(number, tuple(above[:LINES_ABOVE]), tuple(lines[at + 1 : end])))
        above, at = [], end + 1
    return found


def _path(block: _Block, texts: Mapping[str, FileText]) -> str | None:
    for line in block.named:
        plain = line.strip().strip("*#`:\"' ")
        if plain in texts:
            return plain
        for name in names_in(line):
            return resolve(name, texts)
    return None


def _where(block: _Block, texts: Mapping[str, FileText]) -> str:
    """The one file that has the quoted lines."""
    having = [
        path for path, text in texts.items() if any(find(Quote("", path, old), text) for old, _ in _halves(block))
    ]
    if len(having) != 1:
        said = "is in more than one file" if having else "names no file"
        raise BadPatch(f"{block.name} {said}.", "Write the file's name on the line above it.")
    return having[0]


def _halves(block: _Block) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What may be old and new: more than once when the text itself has lines like the divider."""
    dividers = [at for at, line in enumerate(block.lines) if _DIVIDES.match(line)]
    if not dividers:
        raise BadPatch(f"{block.name} has no line =======.", "Copy the whole block.")
    return [(block.lines[:at], block.lines[at + 1 :]) for at in dividers]


def _edits(block: _Block, path: str, texts: Mapping[str, FileText]) -> list[Edit]:
    halves = _halves(block)
    text = texts.get(path)
    if text is None:
        old, new = halves[0]
        if any(line.strip() for line in old):
            raise BadPatch(f"{block.name} changes {path}, which does not exist.", "Name the right file.")
        return [Create(path, new)]
    if not any(line.strip() for line in halves[0][0]):
        if any(line.strip() for line in text.lines):
            raise BadPatch(f"{block.name} quotes no line of {path}, which exists.", "Quote the lines to be replaced.")
        return [Replace(path, 1, len(text.lines), halves[0][1]) if text.lines else Insert(path, 0, halves[0][1])]
    if len(halves) > 1:
        halves = [half for half in halves if len(find(Quote(block.name, path, half[0]), text)) == 1] or halves[:1]
        if len(halves) > 1:
            raise BadPatch(f"{block.name} has more than one line =======.", "Make the block smaller.")
    old, new = halves[0]
    return between(path, text, locate(Quote(block.name, path, old), text), old, new)


def between(path: str, text: FileText, place: Place, old: Sequence[str], new: Sequence[str]) -> list[Edit]:
    """The edits that make ``old`` at its place into ``new``; lines that are in both stay as the file has them."""
    edits: list[Edit] = []
    before, after = [line.rstrip() for line in old], [line.rstrip() for line in new]
    for kind, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        first, last = place.start + a + 1, place.start + b
        if kind == "insert":
            edits.append(Insert(path, first - 1, place.indented(new[c:d])))
        elif kind == "delete":
            edits.append(Delete(path, first, last))
        elif kind == "replace":
            edits.append(Replace(path, first, last, place.indented(new[c:d])))
    return edits

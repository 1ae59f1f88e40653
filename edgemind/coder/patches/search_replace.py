"""SEARCH/REPLACE blocks: quoted lines, and what takes their place.

    src/app.py
    <<<<<<< SEARCH
    old lines
    =======
    new lines
    >>>>>>> REPLACE

Also as ``ORIGINAL`` and ``UPDATED``, with ``-------`` and ``+++++++`` for the brackets, and with lines that say a line
number first. A block sees what the blocks before it have changed. Not for: finding the quoted lines (``locating``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from edgemind.coder.file_text import FileText, new_text
from edgemind.coder.patches.fences import name_alone, names_in
from edgemind.coder.patches.locating import Lines, Place, Quote, locate
from edgemind.coder.patches.naming import existing, home, may_be_new, plainly, resolve
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.splicing import Splice, spliced
from edgemind.coder.patches.tree import File, Tree
from edgemind.terminal import clean_line

_OPENS = re.compile(r"\s{0,3}[<-]{5,9} ?(?:SEARCH|ORIGINAL|HEAD)\b>?(.*)$")
_DIVIDES = re.compile(r"\s{0,3}={5,9}\s*$")
_CLOSES = re.compile(r"\s{0,3}[>+]{5,9} ?(?:REPLACE|UPDATED)\b.*$")
_FENCE = re.compile(r"\s{0,3}(?:`{3,}|~{3,})(.*)")
_NUMBER = re.compile(r":(?:start_line|end_line):\s*\d+\s*$")
_UNDER_NUMBERS = re.compile(r"-{5,9}\s*$")
LINES_ABOVE = 3
"""Above a block, in which the name of its file may stand."""
MOST_COMPARED = 1 << 20
"""Pairs of lines of a block; in a larger one all its lines are replaced."""


@dataclass(frozen=True)
class _Block:
    number: int
    at: range
    """Its lines in the text."""
    named: tuple[str, ...]
    """Lines above it, the nearest first, and what stands behind its own first line."""
    lines: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"Block {self.number}"


def first_of_blocks(lines: Sequence[str]) -> int | None:
    """The line with which the first block begins."""
    return next((at for at, line in enumerate(lines) if _OPENS.match(line)), None)


def apply(lines: Sequence[str], tree: Tree) -> set[int]:
    """Change the files as all blocks say. Returns which lines the blocks are.

    Raises:
        BadPatch: a block has no end, no file, or no one place.
    """
    path: str | None = None
    found = _blocks(lines)
    for block in found:
        path = _path(block, tree) or path or home(block.name, partial(_fits, block), tree)
        _change(block, path, tree)
    return {at for block in found for at in block.at}


def _blocks(lines: Sequence[str]) -> list[_Block]:
    found: list[_Block] = []
    above: list[str] = []
    at = 0
    while at < len(lines):
        opening = _OPENS.match(lines[at])
        if not opening:
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
        named = (*((opening[1],) if opening[1].strip() else ()), *above[:LINES_ABOVE])
        found.append(_Block(number, range(at, end + 1), named, _without_numbers(lines[at + 1 : end])))
        above, at = [], end + 1
    return found


def _without_numbers(lines: Sequence[str]) -> tuple[str, ...]:
    """Without the lines that say where a block is, which is not believed."""
    at = 0
    while at < len(lines) and _NUMBER.match(lines[at]):
        at += 1
    if at and at < len(lines) and _UNDER_NUMBERS.match(lines[at]):
        at += 1
    return tuple(lines[at:])


def _path(block: _Block, tree: Tree) -> str | None:
    quotes = any(line.strip() for line in _halves(block)[0][0])
    for line in block.named:
        whole = existing([plainly(name_alone(line)), line.strip()], tree)
        if whole:
            return whole
        for name in names_in(line):
            return resolve(name, tree) if quotes else may_be_new(plainly(name))
    return None


def _fits(block: _Block, text: FileText) -> bool:
    lines = Lines(text)
    return any(lines.places(old) for old, _ in _halves(block))


def _halves(block: _Block) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What may be old and new: more than once when the text itself has lines like the divider."""
    dividers = [at for at, line in enumerate(block.lines) if _DIVIDES.match(line)]
    if not dividers:
        raise BadPatch(f"{block.name} has no line =======.", "Copy the whole block.")
    return [(block.lines[:at], block.lines[at + 1 :]) for at in dividers]


def _change(block: _Block, path: str, tree: Tree) -> None:
    halves, shown = _halves(block), clean_line(path)
    file = tree.get(path)
    old, new = halves[0]
    quotes = any(line.strip() for line in old)
    if file is None:
        if quotes:
            raise BadPatch(f"{block.name} changes {shown}, which does not exist.", "Name the right file.")
        tree.create(path, File(FileText.read(new_text(new))))
        return
    text = file.text
    if not quotes:
        if any(line.strip() for line in text.lines):
            raise BadPatch(f"{block.name} quotes no line of {shown}, which exists.", "Quote the lines to be replaced.")
        splices = [Splice.of(0, len(text.lines), new)]
    else:
        lines = Lines(text)
        if len(halves) > 1:
            halves = [half for half in halves if len(lines.places(half[0])) == 1] or halves[:1]
            if len(halves) > 1:
                raise BadPatch(f"{block.name} has more than one line =======.", "Make the block smaller.")
        old, new = halves[0]
        place = locate(Quote(block.name, path, old), lines)
        splices = _between(place, old, new, exact=text.lines[place.start : place.start + len(old)] == old)
    tree.put(path, File(spliced(text, splices), file.mode))


def _between(place: Place, old: Sequence[str], new: Sequence[str], *, exact: bool) -> list[Splice]:
    """What makes ``old`` at its place into ``new``; lines that are in both stay as the file has them."""
    before, after = (list(side) if exact else [line.rstrip() for line in side] for side in (old, new))
    changed = [(0, len(old), 0, len(new))]
    if len(old) * len(new) <= MOST_COMPARED:
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        changed = [(a, b, c, d) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"]
    return [Splice.of(place.start + a, place.start + b, place.indented(new[c:d])) for a, b, c, d in changed]

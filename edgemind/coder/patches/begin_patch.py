"""Patches between ``*** Begin Patch`` and ``*** End Patch``, as OpenAI's models are taught to write them.

    *** Begin Patch
    *** Update File: src/app.py
    @@ class App
     stays
    -old
    +new
    *** End Patch

Hunks have no numbers: lines behind ``@@`` say after which line of the file a hunk comes, and hunks come in order.
Not for: finding lines (``locating``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgemind.coder.file_text import FileText, new_text
from edgemind.coder.patches.locating import MOST_PLACES, Lines, Place, Quote, doubt, missing
from edgemind.coder.patches.naming import may_be_new, plainly, resolve
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.splicing import Splice, runs, spliced
from edgemind.coder.patches.tree import File, Tree
from edgemind.terminal import clean_line

_FILE = re.compile(r"\*\*\* (?P<what>Add|Update|Delete) File: (?P<path>.+)$")
_MOVE = re.compile(r"\*\*\* Move to: (?P<path>.+)$")
_END_OF_FILE = "*** End of File"
_END = "*** End Patch"
_MARKS = ("*** Begin Patch", _END, "*** Environment ID")


@dataclass
class _Hunk:
    number: int
    after: list[str] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    at_end: bool = False

    def side(self, mark: str) -> tuple[str, ...]:
        return tuple(text for kind, text in self.lines if kind in (" ", mark))


@dataclass
class _Part:
    what: str
    path: str
    to: str | None = None
    hunks: list[_Hunk] = field(default_factory=list)


def first_of_begin_patch(lines: Sequence[str]) -> int | None:
    """The line with which such a patch begins."""
    return next((at for at, line in enumerate(lines) if line.startswith(_MARKS[0]) or _FILE.match(line)), None)


def apply(lines: Sequence[str], tree: Tree) -> set[int]:
    """Change the files as the patch says. Returns which lines the patch is.

    Raises:
        BadPatch: a part has no one place.
    """
    parts, taken = _parts(lines)
    if not all(part.hunks or part.to or part.what != "Update" for part in parts) or not parts:
        raise BadPatch("The patch says nothing about the lines of a file.", "Copy the whole patch.")
    for part in parts:
        if part.what == "Add":
            path = may_be_new(plainly(part.path))
            if any(mark != "+" and text.strip() for hunk in part.hunks for mark, text in hunk.lines):
                raise BadPatch(f"The patch adds {clean_line(path)} with lines without +.", "Write + before each.")
            new = [text for hunk in part.hunks for text in hunk.side("+")]
            tree.create(path, File(FileText.read(new_text(new))))
            continue
        path = resolve(part.path, tree)
        file = tree.get(path)
        if file is None:
            raise BadPatch(f"The patch changes {clean_line(path)}, which does not exist.", "Name the right file.")
        if part.what == "Delete":
            tree.put(path, None)
        else:
            changed = File(_edited(part, path, file.text), file.mode)
            if part.to and plainly(part.to) != path:
                tree.put(path, None)
                tree.create(may_be_new(plainly(part.to)), changed)
            else:
                tree.put(path, changed)
    return taken


def _parts(lines: Sequence[str]) -> tuple[list[_Part], set[int]]:
    """What is said of each file, in one patch or several, and the lines that say it."""
    parts: list[_Part] = []
    taken: set[int] = set()
    part: _Part | None = None
    number = blanks = 0
    for at, line in enumerate([*lines, _END]):
        begun = _FILE.match(line)
        marked = line.startswith(_MARKS)
        if part and part.hunks and (begun or marked):
            last = part.hunks[-1].lines
            del last[max(0, len(last) - blanks) :]
        blanks = 0 if line else blanks + 1
        if begun or marked or part:
            taken.add(at)
        if begun:
            part = _Part(begun["what"], begun["path"].strip())
            parts.append(part)
        elif marked:
            part = None
        elif part is None:
            continue
        elif moved := _MOVE.match(line):
            part.to = moved["path"].strip()
        elif line.startswith(_END_OF_FILE):
            if part.hunks:
                part.hunks[-1].at_end = True
        elif part.what != "Delete":
            heads = part.what == "Update" and line.startswith("@@")
            if not part.hunks or (heads and part.hunks[-1].lines):
                number += 1
                part.hunks.append(_Hunk(number))
            if not heads:
                mark, text = (line[0], line[1:]) if line[:1] in ("+", "-", " ") else (" ", line)
                part.hunks[-1].lines.append((mark, text))
            elif line[2:].strip():
                part.hunks[-1].after.append(line[2:].strip())
    return parts, taken


def _edited(part: _Part, path: str, text: FileText) -> FileText:
    lines = Lines(text)
    splices: list[Splice] = []
    least = 0
    for hunk in part.hunks:
        old = hunk.side("-")
        place = _place(hunk, path, lines, least)
        splices += [Splice.of(a, b, place.indented(new)) for a, b, new in runs(place.start, hunk.lines)]
        least = place.start + len(old)
    return spliced(text, splices)


def _place(hunk: _Hunk, path: str, lines: Lines, least: int) -> Place:
    """Where a hunk goes: after the hunk before it, and first after the lines that it names."""
    old = hunk.side("-")
    quote = Quote(f"Hunk {hunk.number}", path, old or tuple(hunk.after))
    begins = _after(hunk, lines, least, quote)
    if not old:
        if hunk.after and len(begins) != 1:
            raise doubt(quote, [Place(start) for start in begins])
        return Place(begins[0] if hunk.after else len(lines.exact))
    places = lines.places(old, least=max(begins[0], len(lines.exact) - len(old))) if hunk.at_end else []
    places = places or lines.places(old, least=begins[0])
    if not places:
        raise missing(quote, lines)
    if hunk.after and len(places) > 1:
        beyond = next((begin for begin in begins if begin > places[-1].start), None)
        if len(places) >= MOST_PLACES and beyond is not None:
            places += lines.places(old, least=beyond)[:1]
        first = [next((place for place in places if place.start >= begin), None) for begin in begins]
        places = [place for place in dict.fromkeys(first) if place is not None]
    if len(places) > 1:
        raise doubt(quote, places)
    return places[0]


def _after(hunk: _Hunk, lines: Lines, least: int, quote: Quote) -> list[int]:
    """Where a hunk may begin by the lines that it names."""
    begins = [least]
    for number, said in enumerate(hunk.after):
        found = [at + 1 for at, line in enumerate(lines.stripped) if line == said and at >= begins[0]]
        if not found:
            raise missing(Quote(f"{quote.name}'s line after @@", quote.path, (said,)), lines)
        begins = found if number == len(hunk.after) - 1 else found[:1]
    return begins

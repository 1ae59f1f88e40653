"""Reads edits in whichever of the usual forms they were pasted: SEARCH/REPLACE blocks, a unified diff, whole files.

Tolerant of blanks, wrong line numbers, fences and missing names; never of a doubt about the place.
Not for: edits under a grammar (``edit_reading``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgemind.coder.applying import changes
from edgemind.coder.file_text import FileText
from edgemind.coder.patches import search_replace, unified
from edgemind.coder.patches.fences import blocks, line_above, names_in
from edgemind.coder.patches.naming import resolve
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.types import Create, Edit, Whole
from edgemind.terminal import clean_line


def read_patch(text: str, texts: Mapping[str, FileText]) -> list[Edit]:
    """The edits that a text says.

    Args:
        texts: the files that exist among those that it names (``paths_in``), or may mean.

    Raises:
        BadPatch: it says none, or one of them has no place or several; nothing of it is to be applied then.
    """
    lines = _lines(text)
    if search_replace.is_search_replace(lines):
        edits = search_replace.read(lines, texts)
    elif diff := _diff(lines):
        edits = unified.read(diff, texts)
    else:
        edits = _whole(lines, texts)
    if not edits:
        raise BadPatch("The patch changes nothing.", "edgemind code apply PATCH reads diffs and SEARCH/REPLACE blocks")
    try:
        changes(texts, edits)
    except ValueError as problem:
        raise BadPatch(f"The patch contradicts itself: {problem}.", "Apply its parts one after the other.") from None
    return edits


def paths_in(text: str) -> list[str]:
    """The files that a text names as those to be changed, whether they exist or not."""
    lines = _lines(text)
    if search_replace.is_search_replace(lines):
        return search_replace.names(lines)
    if diff := _diff(lines):
        return unified.names(diff)
    return [name for names in _named(lines) for name in names[:1]]


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _diff(lines: Sequence[str]) -> list[str]:
    """The lines of a diff: those in fences when there are any."""
    fenced = [line for block in blocks(lines) if unified.is_unified(block.lines) for line in block.lines]
    if fenced and not unified.is_unified(_outside(lines)):
        return fenced
    return list(lines) if unified.is_unified(lines) else []


def _outside(lines: Sequence[str]) -> list[str]:
    inside = {at for block in blocks(lines) for at in range(block.opened, block.opened + len(block.lines) + 1)}
    return [line for at, line in enumerate(lines) if at not in inside]


def _named(lines: Sequence[str]) -> list[list[str]]:
    """For each code block the names that may be its file's: in the fence, on the line above, in its first comment."""
    found: list[list[str]] = []
    for block in blocks(lines):
        first = block.lines[0] if block.lines and block.lines[0].lstrip()[:1] in ("#", "/", "-", ";", "<") else ""
        found.append([*names_in(block.info), *names_in(line_above(lines, block)), *names_in(first)])
    return found


def _whole(lines: Sequence[str], texts: Mapping[str, FileText]) -> list[Edit]:
    edits: list[Edit] = []
    found = blocks(lines)
    for number, (block, names) in enumerate(zip(found, _named(lines), strict=True), 1):
        if not block.closed:
            raise BadPatch(f"Code block {number} has no end.", "Copy the whole block.")
        if names:
            path = resolve(names[0], texts)
        elif len(found) == 1 and len(texts) == 1:
            path = next(iter(texts))
        else:
            raise BadPatch(f"Code block {number} names no file.", "Write the file's name on the line above it.")
        edits.append(Whole(path, block.lines) if path in texts else Create(path, block.lines))
    if not found:
        start = clean_line(lines[0])[:60] if lines else ""
        raise BadPatch(
            f"There is no edit in this text{f' (it begins: {start})' if start else ''}.",
            "Paste a unified diff, SEARCH/REPLACE blocks, or a file in a code block.",
        )
    return edits

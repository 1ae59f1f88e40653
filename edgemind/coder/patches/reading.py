"""Reads edits in whichever of the usual forms they were pasted: a diff, SEARCH/REPLACE blocks, whole files.

Tolerant of blanks, wrong line numbers, fences and missing names; never of a doubt about the place.
Not for: edits under a grammar (``edit_reading``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgemind.coder.patches import begin_patch, search_replace, unified, whole_files
from edgemind.coder.patches.diff_reading import dedented, first_of_diff
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.tree import Tree
from edgemind.coder.types import FileChange
from edgemind.terminal import clean_line

_COLOURED = re.compile(r"^\x1b\[[\d;]*m(?:diff --git|--- )", re.M)
_COLOUR = re.compile(r"\x1b\[[\d;]*[mK]")
_OLD_DIFFS = re.compile(r"(?:\d+(?:,\d+)?[acd](?:\d+(?:,\d+)?)?|\*{15}.*)$")
"""Of ``diff`` and ``diff -c``."""


def read_patch(text: str, tree: Tree) -> list[FileChange]:
    """What a text makes of the files; nothing when they are that way already.

    Raises:
        BadPatch: it says no edit, or one that has no place or several; nothing of it is to be applied then.
    """
    lines = dedented((_COLOUR.sub("", text) if _COLOURED.search(text) else text).removesuffix("\n").split("\n"))
    plain = [line.removesuffix("\r") for line in lines]
    forms = {
        "diff": first_of_diff(plain),
        "blocks": search_replace.first_of_blocks(plain),
        "begin": begin_patch.first_of_begin_patch(plain),
    }
    begun = {name: at for name, at in forms.items() if at is not None}
    form = min(begun, key=lambda name: begun[name]) if begun else ""
    try:
        if form == "diff":
            unified.apply(lines, tree)
        elif form == "blocks":
            search_replace.apply(plain, tree)
        elif form == "begin":
            begin_patch.apply(plain, tree)
        else:
            _refuse_old_diffs(plain)
            whole_files.apply(plain, tree)
    except ValueError as problem:
        raise BadPatch(f"The patch contradicts itself: {problem}.", "Apply its parts one after the other.") from None
    return tree.changes()


def _refuse_old_diffs(lines: Sequence[str]) -> None:
    if any(_OLD_DIFFS.match(line) for line in lines[:3]) and not any("```" in line for line in lines):
        raise BadPatch(f"This is a diff without -u (it begins: {clean_line(lines[0])[:60]}).", "diff -u OLD NEW")

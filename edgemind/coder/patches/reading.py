"""Reads edits in whichever of the usual forms they were pasted: a diff, SEARCH/REPLACE blocks, whole files.

Tolerant of blanks, wrong line numbers, fences and missing names; never of a doubt about the place.
Not for: edits under a grammar (``edit_reading``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from edgemind.coder.patches import begin_patch, search_replace, unified, whole_files
from edgemind.coder.patches.diff_reading import dedented, first_of_diff
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.tree import Tree
from edgemind.coder.types import FileChange
from edgemind.terminal import clean_line

_COLOURED = re.compile(r"^\x1b\[[\d;]*m(?:diff --git|--- )", re.M)
_COLOUR = re.compile(r"\x1b\[[\d;]*[mK]")
DIFF, BLOCKS, BEGIN, WHOLE = "a unified diff", "SEARCH/REPLACE blocks", "a *** Begin Patch", "a whole file"
_APPLY: dict[str, Callable[[Sequence[str], Tree], set[int]]] = {
    DIFF: unified.apply,
    BLOCKS: search_replace.apply,
    BEGIN: begin_patch.apply,
}
_OLD_DIFFS = re.compile(r"(?:\d+(?:,\d+)?[acd](?:\d+(?:,\d+)?)?|\*{15}.*)$")
"""Of ``diff`` and ``diff -c``."""


def read_patch(text: str, tree: Tree) -> list[FileChange]:
    """What a text makes of the files; nothing when they are that way already.

    Raises:
        BadPatch: it says no edit, or one that has no place or several; nothing of it is to be applied then.
    """
    lines = dedented((_COLOUR.sub("", text) if _COLOURED.search(text) else text).removesuffix("\n").split("\n"))
    plain = [line.removesuffix("\r") for line in lines]
    form = _earliest(_begun(plain))
    try:
        if form:
            taken = _APPLY[form](lines if form == DIFF else plain, tree)
            _refuse_another(form, plain, taken, tree)
        else:
            _refuse_old_diffs(plain)
            whole_files.apply(plain, tree)
    except ValueError as problem:
        raise BadPatch(f"The patch contradicts itself: {problem}.", "Apply its parts one after the other.") from None
    return tree.changes()


def _begun(lines: Sequence[str]) -> dict[str, int]:
    """Where each form begins that is among the lines."""
    firsts = {
        DIFF: first_of_diff(lines),
        BLOCKS: search_replace.first_of_blocks(lines),
        BEGIN: begin_patch.first_of_begin_patch(lines),
    }
    return {form: at for form, at in firsts.items() if at is not None}


def _earliest(begun: dict[str, int]) -> str | None:
    return min(begun, key=lambda form: begun[form], default=None)


def _refuse_another(form: str, lines: Sequence[str], taken: set[int], tree: Tree) -> None:
    """Raise when a second form begins outside the lines of the first one: nothing of a text is dropped in silence."""
    left = ["" if at in taken else line for at, line in enumerate(lines)]
    begun = {other: at for other, at in _begun(left).items() if other != form}
    whole = whole_files.first_of_files(left, taken, tree)
    if whole is not None:
        begun[WHOLE] = whole
    other = _earliest(begun)
    if other:
        raise BadPatch(
            f"The text has {form} and, at line {begun[other] + 1}, {other}.",
            "Save each in a file of its own, then for each: edgemind code apply FILE",
        )


def _refuse_old_diffs(lines: Sequence[str]) -> None:
    if any(_OLD_DIFFS.match(line) for line in lines[:3]) and not any("```" in line for line in lines):
        raise BadPatch(f"This is a diff without -u (it begins: {clean_line(lines[0])[:60]}).", "diff -u OLD NEW")

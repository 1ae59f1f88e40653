"""Names of files that do not exist yet, as a grammar: plain ASCII, not hidden, and not taken in any spelling.

Everything that is in a folder makes a tree of letters; a free name is one that leaves the tree somewhere. Below a new
folder every name is free.
Not for: names that the user gave (those are alternatives in ``edit_grammar``), questions about a name (``protection``).
"""

from __future__ import annotations

import os
import string
from collections.abc import Iterable
from typing import TypeAlias

from edgemind.coder.protection import forbidden, same_name
from edgemind.coder.types import Folder
from edgemind.coder.workspace import Workspace
from edgemind.engine.gbnf import EMPTY, NEVER, Node, Ref, Repeat, chars, choice, seq

MOST_LETTERS = 1_500
"""Of the trees of all folders; a folder that is too full for what is left is not offered."""
DEEPEST = 60
"""Letters of a taken name that a free one may begin with."""
LONGEST_TAIL = 40
LONGEST_FOLDER = 200
MOST_NEW_FOLDERS = 4

NEVER_NAMED = ("cvs", "_darcs")
"""Plain names that ``protection.forbidden`` refuses, in one spelling or in all."""

_FIRST = frozenset(string.ascii_letters + string.digits + "_")
_WORD = _FIRST | {"-"}

_CLOSED = "/"
"""In a tree: too many letters for a name that is not taken to be told apart from here on."""

Tree: TypeAlias = "dict[str, Tree]"
"""Letters in lower case; the key ``""`` says that a name ends here."""


def folders_for(workspace: Workspace, paths: Iterable[str]) -> tuple[Folder, ...]:
    """The root and the folders of these files, with what is in each of them."""
    found: list[Folder] = []
    for path in dict.fromkeys(("", *(path.rpartition("/")[0] for path in paths))):
        try:
            with workspace.beneath.folder(path) as fd:
                found.append(Folder(path, tuple(sorted(os.listdir(fd)))))
        except OSError:
            continue
    return tuple(found)


def free_paths(folders: Iterable[Folder]) -> tuple[Node, dict[str, Node]]:
    """Paths in these folders that nothing has, and the rules that they refer to; ``NEVER`` when there are none."""
    left, options = MOST_LETTERS, []
    for folder in folders:
        prefix = f"{folder.path}/" if folder.path else ""
        if len(prefix) > LONGEST_FOLDER or forbidden(f"{prefix}name"):
            continue
        tree, size = _tree(folder.names)
        if size <= left:
            left -= size
            options.append(seq(*([prefix] if prefix else []), _free(tree, "")))
    if not options:
        return NEVER, {}
    below = Repeat(seq("/", Ref("new-name")), 0, MOST_NEW_FOLDERS)
    rules: dict[str, Node] = {
        "name-tail": Repeat(choice(chars(*_WORD), seq(".", chars(*_WORD))), 0, LONGEST_TAIL),
        "new-name": _free(_tree(())[0], ""),
    }
    return seq(choice(*options), below), rules


def _tree(names: Iterable[str]) -> tuple[Tree, int]:
    root: Tree = {}
    size = 0
    for key in dict.fromkeys((*NEVER_NAMED, *map(same_name, names))):
        if not set(key) <= _WORD | {"."}:
            continue  # none of the names that can be written here is the same as it
        tree = root
        for letter in key[:DEEPEST]:
            size += letter not in tree
            tree = tree.setdefault(letter, {})
        tree["" if len(key) <= DEEPEST else _CLOSED] = {}
    return root, size


def _free(tree: Tree, before: str) -> Node:
    """What may follow the letters so far, of which ``before`` is the last."""
    allowed = _FIRST if not before else _WORD if before == "." else _WORD | {"."}
    options: list[Node] = []
    if before not in ("", ".") and "" not in tree:
        options.append(EMPTY)
    for letter, below in tree.items():
        if letter in allowed and _CLOSED not in below:
            options.append(seq(chars(*{letter, letter.upper()}), _free(below, letter)))
    others = {letter for letter in allowed if letter.lower() not in tree}
    if "." in others:
        options.append(seq(".", chars(*_WORD), Ref("name-tail")))
    options.append(seq(chars(*(others - {"."})), Ref("name-tail")))
    return choice(*options)

"""Which file a name in a patch means, and which file lines without a name are of.

Not for: finding names in text (``fences``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from edgemind.coder.file_text import FileText
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.tree import Tree
from edgemind.coder.problems import NoSuchFile, UnreadableText
from edgemind.coder.protection import forbidden
from edgemind.terminal import clean_line

NOWHERE = "/dev/null"
LEFTOVERS = (".orig", ".old", ".bak", "~")
"""Ends of names of what a file was before."""
MOST_SEARCHED = 3_000
"""Files in which lines without a name are looked for."""


def resolve(name: str, tree: Tree) -> str:
    """The path of a name: of the file that is there, by its end if need be, else of a new one.

    Raises:
        BadPatch: it fits several files, or is no path that may be written.
    """
    plain = plainly(name)
    return existing([plain], tree) or by_its_end(plain, tree) or may_be_new(plain)


def plainly(name: str) -> str:
    """Without ``./`` and with ``/`` between names."""
    return name.strip().replace("\\", "/").removeprefix("./")


def existing(names: Iterable[str], tree: Tree) -> str | None:
    """The first of these names that a file has."""
    return next((name for name in names if not forbidden(name) and name in tree), None)


def by_its_end(name: str, tree: Tree) -> str | None:
    """The one file whose path ends in a name. Raises ``BadPatch`` when there are several."""
    ending = [path for path in tree.paths() if path.endswith(f"/{name}")] if name else []
    if len(ending) > 1:
        shown = " and ".join(map(clean_line, ending[:3]))
        raise BadPatch(f"The patch names {clean_line(name)}, which fits {shown}.", "Write the whole path.")
    return ending[0] if ending else None


def may_be_new(path: str) -> str:
    """The path itself. Raises ``BadPatch`` when no file of it may be written."""
    if not path:
        raise BadPatch("The patch names no file.", "Write the lines `--- a/FILE` and `+++ b/FILE` above it.")
    reason = forbidden(path)
    if reason:
        raise BadPatch(f"The patch names {clean_line(path)}, which {reason}.", "Name a file of this folder.")
    return path


def home(what: str, fits: Callable[[FileText], bool], tree: Tree) -> str:
    """The one file into which something without a name fits.

    Raises:
        BadPatch: there is none, or more than one, or there are too many to look.
    """
    paths = list(tree.paths())
    having: list[str] = []
    for path in paths if len(paths) <= MOST_SEARCHED else ():
        try:
            file = tree.get(path)
        except (NoSuchFile, UnreadableText):
            continue
        if len(paths) == 1 or (file and fits(file.text)):
            having.append(path)
    if len(having) != 1:
        said = f"is in more than one file ({', '.join(map(clean_line, having[:3]))})" if having else "names no file"
        raise BadPatch(f"{what} {said}.", "Write the file's name on the line above it.")
    return having[0]


def of_sides(old: str, new: str) -> list[str]:
    """What two names of a diff may mean, the likeliest first: without what differs before them (``a/`` and ``b/``, two
    folders), as they are, then without folder after folder of their beginning, as ``patch -p`` has it."""
    there = [plainly(name) for name in (old, new) if name and name != NOWHERE]
    if len(there) < 2:
        short = [name[2:] for name in there if name.startswith(("a/", "b/"))]
    elif there[0].startswith("a/") and there[1].startswith("b/"):
        short = [there[1][2:], there[0][2:]]
    else:
        short = [_shared_end(*there)] if there[0] != there[1] else []
    whole = sorted(there, key=lambda name: (name.endswith(LEFTOVERS), len(name.rpartition("/")[2])))
    shorter = [rest for name in whole for rest in _without_folders(name)]
    return [name for name in dict.fromkeys((*short, *whole, *shorter)) if name]


def _shared_end(one: str, other: str) -> str:
    """The folders and the name in which two paths end alike; ``""`` when they share none."""
    left, right = one.split("/"), other.split("/")
    size = 0
    while size < min(len(left), len(right)) and left[-1 - size] == right[-1 - size]:
        size += 1
    return "/".join(left[len(left) - size :])


def _without_folders(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.partition("/")[2]
        yield name

"""Whole files in code blocks with names, as assistants answer.

A block that is plainly a part of a file, or something to be typed, is not taken for the file.
Not for: the one file that a small model writes (``whole``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgemind.coder.file_text import FileText, new_text, with_edits
from edgemind.coder.languages import language_of
from edgemind.coder.patches.fences import Block, blocks, line_above, name_alone, names_in
from edgemind.coder.patches.naming import existing, may_be_new, plainly, resolve
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.tree import File, Tree
from edgemind.coder.types import Whole
from edgemind.models.opening import typed
from edgemind.terminal import clean_line

_TYPED = ("bash", "sh", "shell", "zsh", "fish", "console", "terminal", "shell-session", "powershell", "cmd", "bat")
_SHOWN = ("", "text", "txt", "plaintext", "output", "log", "json")
"""Languages of fences without a name that are no files, as those are."""
_MARK = re.compile(r"#|//|--|;|%|/\*|<!--|\{/\*|\.\.\.|…")
"""Begins a comment, or says without one that something is left out."""
_AROUND = " \t.…*()[]/}>-"
_LEFT_OUT = re.compile(
    r"(?:the )?(?:existing|rest|remaining|other|previous|unchanged|omitted|same|as before|keep)\b"
    r"|.*\b(?:unchanged|omitted|existing code|as before|remains? the same)\b",
    re.I,
)
_DOTS = re.compile(r"\.\.\.|…|unchanged|omitted", re.I)
_COMMENTS = ("#", "/", "-", ";", "<", "%")


def apply(lines: Sequence[str], tree: Tree) -> None:
    """Write the files that a text holds.

    Raises:
        BadPatch: there is none, or it is not clear which file one is, or that it is whole.
    """
    found = [(number, block, _named(block, lines, tree)) for number, block in enumerate(blocks(lines), 1)]
    named = [one for one in found if one[2]]
    for number, block, name in found:
        if not block.closed:
            raise BadPatch(f"Code block {number} has no end.", "Copy the whole block.")
        if name:
            path = _path(name, tree)
            _write(number, block, path, tree, whole=path == plainly(name))
        elif not named and len(found) == 1 and len(known := list(tree.paths())) == 1:
            _write(number, block, known[0], tree, whole=True)
        elif not named or _language(block) not in (*_TYPED, *_SHOWN):
            raise BadPatch(f"Code block {number} names no file.", "Write the file's name on the line above it.")
    if not found:
        start = clean_line(lines[0])[:60] if lines else ""
        raise BadPatch(
            f"There is no edit in this text{f' (it begins: {start})' if start else ''}.",
            "Paste a unified diff, SEARCH/REPLACE blocks, or a file in a code block.",
        )


def first_of_files(lines: Sequence[str], taken: set[int], tree: Tree) -> int | None:
    """The line of the first block that is a file beside another form of edit, whose lines are ``taken``. One that only
    quotes what the file has, or had, is none."""
    for block in blocks(lines):
        said = {line.strip() for line in block.lines} - {""}
        if not said or not taken.isdisjoint(range(block.opened, block.opened + len(block.lines) + 1)):
            continue
        name = _named(block, lines, tree)
        path = _path(name, tree) if name else None
        files = (tree.before(path), tree.get(path)) if path else ()
        there = {line.strip() for file in files if file for line in file.text.lines}
        if path and not said <= there:
            return block.opened
    return None


def _named(block: Block, lines: Sequence[str], tree: Tree) -> str | None:
    """What names the file of a block: in the fence, in its first comment, on the line above."""
    info, above = block.info, line_above(lines, block)
    first = block.lines[0] if block.lines and block.lines[0].lstrip()[:1] in _COMMENTS else ""
    whole = existing([plainly(name_alone(above))], tree)
    for name in [*names_in(info), *([whole] if whole else []), *names_in(above)[:1], *names_in(first)[:1]]:
        if _language(block) not in _TYPED or language_of(name) in ("bash", "fish", "powershell", "batch"):
            return name
    return None


def _path(name: str, tree: Tree) -> str:
    """The file of a name; behind ``./`` it is a whole path."""
    return may_be_new(plainly(name)) if name.startswith("./") else resolve(name, tree)


def _language(block: Block) -> str:
    return block.info.lower().split(" ")[0].strip("{}.")


def _write(number: int, block: Block, path: str, tree: Tree, *, whole: bool) -> None:
    """Write a file. ``whole``: its name is all of its path."""
    file = tree.get(path)
    if file is None:
        tree.create(path, File(FileText.read(new_text(block.lines))))
        return
    _check_whole(number, block, path, file.text, whole=whole)
    text = with_edits(file.text, [Whole(path, block.lines)])
    tree.put(path, File(FileText.read(text), file.mode))


def _check_whole(number: int, block: Block, path: str, text: FileText, *, whole: bool) -> None:
    """Raise for a part of a file that exists: one that says it leaves something out, or lacks most of its lines; and
    for what has little of a file that only ends in its name, and may be of another."""
    there, shown = {line.strip() for line in text.lines} - {""}, clean_line(path)
    for line in block.lines:
        if _leaves_out(line) and line.strip() not in there:
            said = clean_line(line.strip())[:60]
            raise BadPatch(
                f"Code block {number} leaves out lines of {shown} ({said}).", "Ask for a unified diff, or all lines."
            )
    kept = len(there & {line.strip() for line in block.lines})
    if not whole and (kept < len(there) / 4 or not there):
        name = path.rpartition("/")[2]
        raise BadPatch(
            f"Code block {number} has little in common with {shown}, the only file of its name.",
            f"Write {path} on the line above it, or ./{name} for a new file.",
        )
    if len(block.lines) < len(text.lines) / 2 and kept < len(there) / 2:
        raise BadPatch(
            f"Code block {number} has {len(block.lines)} lines and lacks most of the {len(text.lines)} of {shown}.",
            f"If it is all of the new file, take the old one away first: rm {typed(path)}",
        )


def _leaves_out(line: str) -> bool:
    """Whether a line stands for others, as ``# ... existing code ...`` does."""
    line = line.strip()
    mark = _MARK.match(line)
    if not mark or not _DOTS.search(line):
        return False
    said = line[mark.end() :].strip(_AROUND)
    return not said or bool(_LEFT_OUT.match(said))

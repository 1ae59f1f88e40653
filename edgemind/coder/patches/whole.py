"""A whole file in the first code block of an answer, and which file that is.

A small model writes ``Save it as sort.py`` behind the block, a larger one writes the name above it or into the fence.
Not for: parts of a file (``search_replace``, ``unified``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgemind.coder.edit_grammar import NEVER_WRITTEN
from edgemind.coder.languages import language_of
from edgemind.coder.openings import deepest, open_folders
from edgemind.coder.patches.fences import Block, blocks, line_above, names_in
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.protection import forbidden, same_name
from edgemind.coder.types import Create, EditState, Whole
from edgemind.models.opening import typed
from edgemind.terminal import clean_line

_COMMENT = re.compile(r"\s*(?:#|//|--|;+|%|/\*|<!--)\s*(?P<said>\S+)\s*(?:\*/|-->)?\s*$")
_SAVED = re.compile(
    r"(?:sav\w*|writ\w*|put|stor\w*|nam\w*|call\w*|file)\b[^.\n]{0,40}?(?:\b(?:as|in|into|to)\b|:)\s*`?", re.I
)
_DEFINES = re.compile(
    r"(?:export |pub |public |static |async |default )*(?:def|class|function|func|fn|fun|interface|struct) +(\w+)"
)
_ENDINGS = {
    "python": "py", "py": "py", "javascript": "js", "js": "js", "typescript": "ts", "ts": "ts", "go": "go",
    "rust": "rs", "ruby": "rb", "bash": "sh", "sh": "sh", "php": "php", "lua": "lua", "kotlin": "kt", "swift": "swift",
}  # fmt: skip
"""Of files, by what fences say."""
_TEXTS = ("txt", "csv", "tsv", "cfg", "conf")
_CONTROLS = re.compile(f"[{''.join(f'{chr(low)}-{chr(high)}' for low, high in NEVER_WRITTEN)}]")


@dataclass(frozen=True)
class WholeFile:
    """A file that an answer holds."""

    edit: Create | Whole
    closed: bool
    """Whether its block has an end."""


def read_answer(answer: str, state: EditState, *, task: str = "", thought: str = "") -> WholeFile | None:
    """The file that an answer holds; ``None`` when it has no code block.

    Args:
        task: the words of the user, who may have named the file.

    Raises:
        BadPatch: it is not clear which file it is, or it is one that may not be written like this.
    """
    lines = answer.replace("\r\n", "\n").split("\n")
    found = blocks(lines)
    if not found:
        return None
    block = found[0]
    content = [_CONTROLS.sub("", line) for line in block.lines]
    path = _named(block, lines, state, task, thought)
    comment = _COMMENT.match(content[0]) if content else None
    if comment and comment["said"].strip("`*") in (path, path.rpartition("/")[2]):
        content = content[1:]
    edit = Whole if path in {file.path for file in state.files} else Create
    return WholeFile(edit(path, tuple(content)), block.closed)


def _named(block: Block, lines: list[str], state: EditState, task: str, thought: str) -> str:
    """The path of the file: of the user's if there is one, else as the answer names it."""
    known = [*state.new, *(file.path for file in state.files)]
    if len(known) == 1:
        return known[0]
    said = list(_candidates(block, lines, task, thought))
    for name in said:
        matching = [path for path in known if path == name or path.endswith(f"/{name}")]
        if len(matching) == 1:
            return matching[0]
    if known:
        names = ", ".join(map(clean_line, known[:3]))
        raise BadPatch(f"The model wrote a file but did not say which one; it may be {names}.", "Name one file.")
    for name in [*filter(_is_file, said), *_of_definition(block)]:
        path = name.removeprefix("./")
        if forbidden(path):
            continue
        _check_free(path, state)
        return path
    raise BadPatch("The model wrote a file without a name.", "Name the file: edgemind code TASK sort.py")


def _candidates(block: Block, lines: list[str], task: str, thought: str) -> Iterable[str]:
    """Names in order of how surely they are that of the block."""
    yield from names_in(block.info)
    comment = _COMMENT.match(block.lines[0]) if block.lines else None
    if comment:
        yield from names_in(comment["said"])
    yield from names_in(line_above(lines, block))
    yield from names_in(task)
    behind = "\n".join(lines[block.opened + len(block.lines) + 2 :])
    for text in (behind, thought):
        for saved in _SAVED.finditer(text):
            yield from names_in(text[saved.end() :])[:1]


def _is_file(name: str) -> bool:
    """Whether a name with a dot is one of a file, unlike ``os.path``."""
    return language_of(name) is not None or name.rpartition(".")[2].lower() in _TEXTS


def _of_definition(block: Block) -> list[str]:
    """The name of what the block defines first, as a file of the fence's language."""
    ending = _ENDINGS.get(block.info.lower().split(" ")[0])
    defined = next((found[1] for line in block.lines if (found := _DEFINES.match(line))), None)
    return [f"{defined.lower()}.{ending}"] if ending and defined else []


def _check_free(path: str, state: EditState) -> None:
    """Raise when there may be such a file: what the model was not shown is not written over."""
    folders = {folder.path: folder.names for folder in open_folders(state)}
    parts = path.split("/")
    known = deepest(parts, folders)
    if known is None:
        raise BadPatch(
            f"The model wrote {clean_line(path)} although no new file was asked for.",
            f"edgemind code TASK {typed(path)}",
        )
    if same_name(parts[known]) in folders["/".join(parts[:known])]:
        raise BadPatch(
            f"The model wrote {path}, but there is {'/'.join(parts[: known + 1])} and it was not shown to the model.",
            f"edgemind code TASK {typed(path)}",
        )

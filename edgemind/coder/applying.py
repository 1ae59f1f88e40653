"""What edits make of the files: the bytes before and after, for showing and for the journal.

Pure: nothing is read or written here.
Not for: line ends and encodings (``file_text``), writing (``journal``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgemind.coder.file_text import FileText, new_text, with_edits
from edgemind.coder.types import Create, Edit, FileChange


def changes(texts: Mapping[str, FileText], edits: Iterable[Edit]) -> list[FileChange]:
    """One change for every file that edits alter, in the order in which they first name it.

    Args:
        texts: the files that exist among those that the edits name.

    Raises:
        ValueError: edits contradict each other or do not fit the files, as edits written under a grammar never do.
    """
    by_path: dict[str, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(edit.path, []).append(edit)
    found = (_change(path, texts.get(path), its) for path, its in by_path.items())
    return [change for change in found if change.before != change.after]


def _change(path: str, text: FileText | None, edits: list[Edit]) -> FileChange:
    if text is not None:
        return FileChange(path, text.encode(), with_edits(text, edits), None)
    if len(edits) == 1 and isinstance(edits[0], Create):
        return FileChange(path, None, new_text(edits[0].lines), None)
    raise ValueError(f"{path} does not exist, so it can only be created, once")

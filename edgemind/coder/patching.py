"""A patch from elsewhere, read against the files that it names.

Not for: the formats (``patches``), writing (``writing``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgemind.coder.applying import changes
from edgemind.coder.file_text import FileText
from edgemind.coder.patches.reading import paths_in, read_patch
from edgemind.coder.problems import NoSuchFile
from edgemind.coder.types import FileChange

if TYPE_CHECKING:
    from edgemind.coder.workspace import Workspace


def changes_of_patch(workspace: Workspace, text: str) -> list[FileChange]:
    """What a patch makes of the files.

    Raises:
        BadPatch: it cannot be understood, contradicts itself, or fits no place or several.
        UnreadableText: it names a file that is no text.
        WorkspaceProblem: it names a file that is never touched.
    """
    texts: dict[str, FileText] = {}
    for path in paths_in(text):
        refused = workspace.refusal(path)
        if refused:
            raise refused
        try:
            texts[path] = FileText.read(workspace.read(path)[0])
        except NoSuchFile:
            continue
    return changes(texts, read_patch(text, texts))

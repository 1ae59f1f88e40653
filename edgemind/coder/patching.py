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
from edgemind.errors import BadInput

if TYPE_CHECKING:
    from edgemind.coder.workspace import Workspace


def changes_of_patch(workspace: Workspace, text: str) -> list[FileChange]:
    """What a patch makes of the files.

    Raises:
        BadInput: it cannot be understood, or fits no place or several.
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
    try:
        return changes(texts, read_patch(text, texts))
    except ValueError as problem:
        raise BadInput(f"The patch contradicts itself: {problem}.", "Apply its parts one by one.") from problem

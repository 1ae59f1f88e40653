"""A patch from elsewhere, read against the files that it names.

Not for: the formats (``patches``), writing (``writing``).
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from edgemind.coder.file_text import FileText
from edgemind.coder.listing import Listing
from edgemind.coder.patches.reading import read_patch
from edgemind.coder.patches.tree import File, Tree
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

    def read(path: str) -> File | None:
        try:
            data, status = workspace.read(path)
        except NoSuchFile:
            return None
        refused = workspace.refusal(path)
        if refused:
            raise refused
        return File(FileText.read(data), stat.S_IMODE(status.st_mode))

    return read_patch(text, Tree(read, lambda: [file.path for file in Listing.of(workspace).files]))

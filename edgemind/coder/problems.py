"""What can stop the assistant at the user's files, as sentences.

Not for: what the engine can meet (``edgemind.errors`` has those).
"""

from __future__ import annotations

from edgemind.errors import BadInput, WorkspaceProblem


class OutsideWorkspace(WorkspaceProblem):
    """A path that leads, or may lead, out of the workspace."""


class Forbidden(WorkspaceProblem):
    """A place inside the workspace that is never written: a repository's own files, another repository, a device."""


class NotWritable(WorkspaceProblem):
    """A file that cannot be replaced as it is: read-only, another user's, with a second name."""


class FileChanged(WorkspaceProblem):
    """A file that is no longer what was read; nothing has been written."""


class NothingToUndo(WorkspaceProblem):
    """The journal of this workspace has no step."""


class JournalProblem(WorkspaceProblem):
    """The journal cannot be read or written, so nothing is applied."""


class NoSuchFile(BadInput):
    """A name that no file of the workspace has."""


class UnreadableText(BadInput):
    """A file that is no text: binary, a pipe, a folder, too large."""

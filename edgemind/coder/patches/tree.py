"""The files of a folder as a patch finds them and leaves them: what one part changed, the next part sees.

Nothing is written. Not for: which file a name means (``naming``), where lines stand (``locating``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edgemind.coder.file_text import FileText
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.types import FileChange
from edgemind.models.opening import typed
from edgemind.terminal import clean_line

_EXECUTABLE = 0o755
_X = 0o111


@dataclass(frozen=True)
class File:
    """A text file. ``mode``: its permission bits; ``None`` when they are not known, or the usual ones of a new file."""

    text: FileText
    mode: int | None = None

    def executable(self, wanted: bool) -> File:
        """The same with or without the right to be run; whoever may read it may then run it."""
        if self.mode is None:
            return File(self.text, _EXECUTABLE if wanted else None)
        return File(self.text, self.mode | (self.mode & 0o444) >> 2 if wanted else self.mode & ~_X)


class Tree:
    """Files by path.

    Args:
        read: what is there at a path; ``None`` for nothing. What it raises goes through.
        paths: all files that may be meant by a name that is not a whole path; asked only when there is such a name.
    """

    def __init__(self, read: Callable[[str], File | None], paths: Callable[[], Iterable[str]]) -> None:
        self._read = read
        self.paths = paths
        self._found: dict[str, File | None] = {}
        self._now: dict[str, File | None] = {}

    @classmethod
    def of(cls, texts: Mapping[str, FileText]) -> Tree:
        """These files and no others."""
        return cls(lambda path: File(texts[path]) if path in texts else None, lambda: texts)

    def get(self, path: str) -> File | None:
        """The file as the parts of the patch so far leave it."""
        if path in self._now:
            return self._now[path]
        if path not in self._found:
            self._found[path] = self._read(path)
        return self._found[path]

    def before(self, path: str) -> File | None:
        """The file as it was before the patch."""
        self.get(path)
        return self._found.get(path)

    def __contains__(self, path: str) -> bool:
        return self.get(path) is not None

    def put(self, path: str, file: File | None) -> None:
        """From here on it is this; ``None`` takes it away."""
        self.get(path)
        self._now[path] = file

    def create(self, path: str, file: File) -> None:
        """A new file.

        Raises:
            BadPatch: there is another of that name.
        """
        there = self.get(path)
        if there is not None and there.text.encode() not in (b"", file.text.encode()):
            shown = clean_line(path)
            raise BadPatch(f"The patch creates {shown}, which exists.", f"mv {typed(path)} {typed(path + '.old')}")
        self.put(path, file)

    def changes(self) -> list[FileChange]:
        """What became of the files, in the order in which they were first changed."""
        made: list[FileChange] = []
        for path, file in self._now.items():
            there = self._found.get(path)
            before = there.text.encode() if there else None
            after = file.text.encode() if file else None
            mode = file.mode if file and file.mode != (there.mode if there else None) else None
            if before != after or mode is not None:
                made.append(FileChange(path, before, after, mode))
        return made

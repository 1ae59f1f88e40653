"""The text files of a workspace, and what was left out and why.

In a repository git says which files are its own: what it tracks, and what it does not ignore. Elsewhere, and where git
cannot say, ``.gitignore`` files are read here (``ignoring``). Left out as well: binary and huge files, secrets, links
and devices, other repositories and mounts, names that no prompt could hold. The walk is bounded in files, folders and
time; ``truncated`` says which bound it met.
Not for: a file that the user names (``Workspace.read`` reads any), what is in the files (``symbols``, ``searching``).
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from edgemind.coder import git_status
from edgemind.coder.beneath import FILE
from edgemind.coder.ignoring import MOST_BYTES as MOST_PATTERN_BYTES
from edgemind.coder.ignoring import Patterns, ignored
from edgemind.coder.private_names import secret_beginning, secret_name
from edgemind.coder.protection import forbidden, is_repository
from edgemind.coder.watching import Watch, unwatched
from edgemind.coder.workspace import Workspace
from edgemind.errors import WorkspaceProblem
from edgemind.terminal import clean_line

MOST_FILES = 100_000
MOST_FOLDERS = 50_000
MOST_ENTRIES = 20_000
"""Names that are looked at in one folder."""
MOST_SKIPPED = 5_000
MOST_DEPTH = 64
LONGEST_S = 30.0
LARGEST_FILE = 1 << 20

_IGNORED = "ignored (.gitignore)"
_SNIFFED = 8192
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TOOL_NAMES = (
    "node_modules bower_components __pycache__ .venv .tox .nox .mypy_cache .pytest_cache .ruff_cache .hypothesis"
    " .gradle .terraform .next .nuxt .svelte-kit .parcel-cache .turbo .cache .eggs .ipynb_checkpoints .dart_tool"
)
_BINARY_NAMES = (
    "png jpg jpeg gif bmp webp avif heic ico icns tif tiff psd pdf zip gz tgz bz2 xz zst 7z rar tar jar war whl egg"
    " so dylib dll exe o a lib obj pyc pyo class wasm bin dat gguf ggml safetensors pt pth onnx npy npz pkl parquet"
    " sqlite sqlite3 db mp3 mp4 mkv webm mov avi wav flac ogg ttf otf woff woff2 eot iso img deb rpm dmg msi"
)
_TOOL_FOLDERS, _BINARY_ENDINGS = frozenset(_TOOL_NAMES.split()), frozenset(_BINARY_NAMES.split())


@dataclass(frozen=True)
class Listed:
    """A text file that can be read."""

    path: str
    size: int
    """Bytes."""
    mtime_ns: int


@dataclass(frozen=True)
class Skipped:
    """A file or folder that is left out; a folder's path ends in ``/``. The path is clean for a terminal."""

    path: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """What a walk found, sorted by path."""

    files: tuple[Listed, ...]
    skipped: tuple[Skipped, ...]
    """Not more than ``MOST_SKIPPED`` of them."""
    reasons: tuple[tuple[str, int], ...]
    """How many were skipped for each reason, the most frequent first."""
    truncated: str | None = None
    """Why the walk ended early, as a sentence."""

    @classmethod
    def of(
        cls, workspace: Workspace, most_files: int = MOST_FILES, longest_s: float = LONGEST_S, watch: Watch = unwatched
    ) -> Listing:
        """Walk a workspace. Raises nothing: a folder that cannot be read is skipped."""
        return _Walk(workspace, most_files, time.monotonic() + longest_s, watch).run()

    def paths(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files)


class _Enough(Exception):
    """A bound is met."""


class _Walk:
    def __init__(self, workspace: Workspace, most_files: int, deadline: float, watch: Watch) -> None:
        self._watch = watch
        self._workspace = workspace
        self._most_files = most_files
        self._deadline = deadline
        self._files: list[Listed] = []
        self._skipped: list[Skipped] = []
        self._reasons: Counter[str] = Counter()
        self._folders = 0
        self._known = _known(workspace)
        """Files of the repository, and folders that hold any; ``None``: patterns say."""

    def run(self) -> Listing:
        truncated = None
        pending: list[tuple[str, tuple[Patterns, ...]]] = [("", self._outer_patterns())]
        try:
            while pending:
                folder, layers = pending.pop()
                pending += reversed(list(self._folder(folder, layers)))
        except _Enough as bound:
            truncated = str(bound)
        return Listing(
            tuple(sorted(self._files, key=lambda file: file.path)),
            tuple(sorted(self._skipped, key=lambda one: one.path)),
            tuple(self._reasons.most_common()),
            truncated,
        )

    def _folder(self, folder: str, layers: tuple[Patterns, ...]) -> Iterator[tuple[str, tuple[Patterns, ...]]]:
        """Look at what is in one folder; yields the folders to go into."""
        self._folders += 1
        if self._folders > MOST_FOLDERS:
            raise _Enough(f"The folder has more than {MOST_FOLDERS} folders; the others are not looked at.")
        try:
            with self._workspace.beneath.folder(folder) as fd:
                names = self._names(fd, folder)
                if folder and is_repository(names):
                    self._skip(f"{folder}/", "another repository")
                    return
                if folder and "pyvenv.cfg" in names:
                    self._skip(f"{folder}/", "made by a tool")
                    return
                if ".gitignore" in names and self._known is None:
                    layers = (*layers, *self._patterns(f"{folder}/.gitignore" if folder else ".gitignore", folder))
                self._watch("looking through the folder", len(self._files), 0)
                for name in names:
                    self._in_time()
                    path = f"{folder}/{name}" if folder else name
                    if self._entry(fd, name, path, layers):
                        yield path, layers
        except OSError as problem:
            other_mount = problem.errno == errno.EXDEV
            self._skip(f"{folder}/", "another disk, mounted here" if other_mount else "may not be read")

    def _names(self, fd: int, folder: str) -> list[str]:
        names: list[str] = []
        with os.scandir(fd) as entries:
            for entry in entries:
                if len(names) >= MOST_ENTRIES:
                    self._skip(f"{folder}/", f"more than {MOST_ENTRIES} names; the others are not looked at")
                    break
                names.append(entry.name)
                if not len(names) % 1000:
                    self._in_time()
        return sorted(names)

    def _entry(self, fd: int, name: str, path: str, layers: tuple[Patterns, ...]) -> bool:
        """Take a file in, or skip it; whether it is a folder to go into."""
        if name == ".git":
            return False
        if forbidden(path):
            self._skip(path, "a name that is not handled")
            return False
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except OSError:
            self._skip(path, "may not be read")
            return False
        if stat.S_ISDIR(status.st_mode):
            return self._enters(name, path, layers)
        reason = self._why_not(fd, name, path, status, layers)
        if reason:
            self._skip(path, reason)
            return False
        if len(self._files) >= self._most_files:
            raise _Enough(f"The folder has more than {self._most_files} text files; the others are not looked at.")
        self._files.append(Listed(path, status.st_size, status.st_mtime_ns))
        return False

    def _enters(self, name: str, path: str, layers: tuple[Patterns, ...]) -> bool:
        reason = None
        if name in _TOOL_FOLDERS:
            reason = "made by a tool"
        elif self._ignored(path, layers, "/"):
            reason = _IGNORED
        elif path.count("/") >= MOST_DEPTH:
            reason = "too deep"
        if reason:
            self._skip(f"{path}/", reason)
        return reason is None

    def _why_not(
        self, fd: int, name: str, path: str, status: os.stat_result, layers: tuple[Patterns, ...]
    ) -> str | None:
        if stat.S_ISLNK(status.st_mode):
            return "a symbolic link"
        if not stat.S_ISREG(status.st_mode):
            return "a pipe, socket or device"
        if self._ignored(path, layers):
            return _IGNORED
        if secret_name(path):
            return "may hold a secret"
        if status.st_size > LARGEST_FILE:
            return f"larger than {LARGEST_FILE >> 20} MiB"
        if name.rpartition(".")[2].lower() in _BINARY_ENDINGS and "." in name:
            return "binary"
        return _why_not_content(fd, name)

    def _ignored(self, path: str, layers: tuple[Patterns, ...], end: str = "") -> bool:
        """``end`` is ``/`` for a folder. One that git lists as such is another repository."""
        if self._known is None:
            return ignored(path + end, layers)
        for same in (path, path if path.isascii() else unicodedata.normalize("NFC", path)):  # as git names it on macOS
            if same in self._known or same + end in self._known:
                return False
        return True

    def _outer_patterns(self) -> tuple[Patterns, ...]:
        if not self._workspace.repository or self._known is not None:
            return ()
        return self._patterns(".git/info/exclude", "")

    def _patterns(self, path: str, base: str) -> tuple[Patterns, ...]:
        try:
            with self._workspace.beneath.file(path) as (fd, _):
                patterns = Patterns(base, os.read(fd, MOST_PATTERN_BYTES))
        except OSError:
            return ()
        for line in patterns.left_out:
            self._skip(path, f"the pattern {clean_line(line[:60])} is too costly or no pattern")
        return (patterns,)

    def _skip(self, path: str, reason: str) -> None:
        self._reasons[reason] += 1
        if len(self._skipped) < MOST_SKIPPED:
            self._skipped.append(Skipped(clean_line(path), reason))

    def _in_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise _Enough("Looking through the folder took too long; the rest is not looked at.")


def _known(workspace: Workspace) -> set[str] | None:
    """What git lists, and the folders on the way there with a ``/`` at the end."""
    if not workspace.repository:
        return None
    try:
        found = git_status.files(workspace.root)
    except WorkspaceProblem:
        return None
    for path in tuple(found):
        parent = path.rpartition("/")[0]
        while parent and f"{parent}/" not in found:
            found.add(f"{parent}/")
            parent = parent.rpartition("/")[0]
    return found


def _why_not_content(fd: int, name: str) -> str | None:
    try:
        file = os.open(name, FILE, dir_fd=fd)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return "a pipe, socket or device"
            beginning = os.read(file, _SNIFFED)
        finally:
            os.close(file)
    except OSError:
        return "may not be read"
    if secret_beginning(beginning):
        return "may hold a secret"
    if b"\0" in beginning and not beginning.startswith(_UTF16):
        return "binary"
    return None

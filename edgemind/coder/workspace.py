"""The folder that the assistant works in: which files it has, reading them, and which of them may be written.

Nothing outside is ever opened (``beneath``). A file is refused for writing when replacing it would change more than its
text, or when it is not the user's own: links of both kinds, devices, other owners, other repositories, git itself.
Not for: what needs a question (``protection``), writing (``journal``), walking (``listing``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgemind.coder import git_status
from edgemind.coder.beneath import FOLDER, SUPPORTED, Beneath, read_most, split
from edgemind.coder.problems import Forbidden, NoSuchFile, NotWritable, OutsideWorkspace, UnreadableText
from edgemind.coder.protection import forbidden, is_gits_own, is_repository, plain_name, same_name
from edgemind.errors import EdgemindError, WorkspaceProblem
from edgemind.models.opening import typed
from edgemind.settings import paths
from edgemind.terminal import clean_line

MOST_BYTES = 16 << 20
"""Of a file that is read."""

_MOST_SUBMODULES = 1 << 20
_SPECIAL_MODES = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


class Workspace:
    """Paths are relative to ``root``, with ``/`` between names."""

    def __init__(self, root: Path, start: Path, repository: bool) -> None:
        self.root = root
        self.start = start
        """Where the user is: names that the user gives are relative to it."""
        self.repository = repository
        self.beneath = Beneath(root)
        self._own = [_real(own) for own in _own_folders()]
        self._submodules: frozenset[str] | None = None

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """The repository that ``start`` lies in, else the folder itself.

        A repository of another user counts as none: its settings could run commands (as git itself holds it).

        Raises:
            NoSuchFile: there is no such folder.
            WorkspaceProblem: it lies inside a repository's own files, or this system cannot open files safely.
        """
        if not SUPPORTED:
            raise WorkspaceProblem(
                "This system has no way to open files below one folder only.", "Use Linux, macOS or WSL."
            )
        try:
            start = _as_listed(start.resolve(strict=True))
            start = start if start.is_dir() else start.parent
            root = _repository_of(start)
            return cls(root or start, start, root is not None)
        except (OSError, RuntimeError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else str(problem)
            told = f"The folder {_shown(start)} cannot be opened: {reason}."
            raise NoSuchFile(told, f"ls -ld {typed(start)}") from problem

    def close(self) -> None:
        self.beneath.close()

    def dirty(self) -> list[str]:
        """Paths that differ from the last commit, files that git does not know included; ``[]`` without a repository.

        Raises:
            WorkspaceProblem: git is missing or fails.
        """
        return git_status.dirty(self.root) if self.repository else []

    def hooks(self) -> str | None:
        """The folder of the workspace that the repository's settings name for hooks."""
        return git_status.hooks_folder(self.root) if self.repository else None

    def relative(self, user_path: str | Path) -> str:
        """The path of a name that the user gave, whether or not there is such a file, spelled as the disk has it.

        Raises:
            OutsideWorkspace: it is not below the root.
            Forbidden: no file of that name is ever touched.
        """
        text = os.fspath(user_path)
        if not text or "\0" in text:
            raise OutsideWorkspace(f"{clean_line(text) or 'An empty name'} names no file.", "Name a file.")
        whole = Path(os.path.normpath(self.start / text))
        if not whole.is_relative_to(self.root):  # the root may have been reached through links
            whole = _as_listed(_real(whole.parent)) / whole.name
        if not whole.is_relative_to(self.root) or whole == self.root:
            raise OutsideWorkspace(
                f"{clean_line(text)} is not a file inside {_shown(self.root)}.", "Name files of this folder."
            )
        path = self._spelled(whole.relative_to(self.root).as_posix())
        reason = forbidden(path)
        if reason:
            raise Forbidden(f"{clean_line(text)} {reason}.", "Name another file.")
        return path

    def exists(self, path: str) -> bool:
        """Whether there is anything of that name, a link or folder included."""
        try:
            self.beneath.status(path)
        except FileNotFoundError:
            return False
        except OSError as problem:
            return problem.errno != errno.ENOTDIR
        return True

    def read(self, path: str, most: int = MOST_BYTES) -> tuple[bytes, os.stat_result]:
        """The bytes of a regular file, and what it was when it was opened.

        Raises:
            NoSuchFile: there is none.
            UnreadableText: it is something else, larger than ``most`` bytes, or cannot be read.
        """
        try:
            return self.read_raw(path, most)
        except ValueError as problem:
            raise UnreadableText(f"{clean_line(path)} {problem}.", "Name a smaller file.") from None
        except (FileNotFoundError, NotADirectoryError):
            raise NoSuchFile(f"There is no file {clean_line(path)}.", "edgemind code map") from None
        except OSError as problem:
            raise UnreadableText(f"{clean_line(path)} {_why(problem)}.", "Name another file.") from problem

    def read_raw(self, path: str, most: int = MOST_BYTES) -> tuple[bytes, os.stat_result]:
        """As ``read``; raises ``OSError``, and ``ValueError`` for a file that is too large."""
        with self.beneath.file(path) as (fd, status):
            data = read_most(fd, most + 1)
            if len(data) > most:
                raise ValueError(
                    f"is larger than {most >> 20} MiB" if most >= 1 << 20 else f"is larger than {most} bytes"
                )
            return data, status

    def refusal(self, path: str) -> EdgemindError | None:
        """Why nothing may be written at this path, whether or not there is a file; ``None`` when it may be."""
        reason = forbidden(path)
        if reason:
            return Forbidden(f"{clean_line(path)} is not written: it {reason}.", "Name another file.")
        where = self.root / path
        if any(where.is_relative_to(own) for own in self._own):
            return Forbidden(f"{path} is not written: it belongs to EdgeMind itself.", "Name another file.")
        if any(f"{path}/".startswith(f"{module}/") for module in self._all_submodules()):
            return self._said(_OTHER_REPOSITORY, path)
        try:
            refused = self._refused_on_disk(path)
        except OSError as problem:
            refused = _Refused(f"it {_why(problem)}", "ls -ld {}")
        return self._said(refused, path) if refused else None

    def _refused_on_disk(self, path: str) -> _Refused | None:
        names = path.split("/")
        for depth, name in enumerate(names):
            folder = "/".join(names[:depth])
            with self.beneath.folder(folder) as fd:
                inside = os.listdir(fd)
                if depth and is_repository(inside):
                    return _OTHER_REPOSITORY
                if name not in inside:
                    return _refused_new(fd, name, inside) or _refused_folder(fd, folder)
                if depth == len(names) - 1:
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    return _refused_folder(fd, folder) or _refused_file(status)
        return None

    def _said(self, refused: _Refused, path: str) -> EdgemindError:
        """``refused`` as an error, its command as the user may type it where they are."""
        place = os.path.relpath(self.root / (path if refused.place is None else refused.place), self.start)
        command = typed(f"./{place}" if place.startswith("-") else place)
        return refused.kind(f"{path} is not written: {refused.reason}.", refused.hint.format(command))

    def _spelled(self, path: str) -> str:
        """The names that the folders themselves list: a disk may find a file by other ones too."""
        names = path.split("/")
        with contextlib.suppress(OSError):
            for depth, name in enumerate(names):
                with self.beneath.folder("/".join(names[:depth])) as fd:
                    names[depth] = _listed(fd, name) or name
        return "/".join(names)

    def _all_submodules(self) -> frozenset[str]:
        if self._submodules is None:
            found = set()
            try:
                data, _ = self.read_raw(".gitmodules", _MOST_SUBMODULES)
                for line in data.decode("utf-8", "surrogateescape").splitlines():
                    key, equals, value = line.partition("=")
                    if equals and key.strip().lower() == "path" and value.strip().strip('"'):
                        found.add(os.path.normpath(value.strip().strip('"')))
            except (OSError, ValueError):
                pass
            self._submodules = frozenset(found)
        return self._submodules

    @contextmanager
    def folder_of(self, path: str) -> Iterator[tuple[int, str]]:
        """The open folder that holds a path, and the path's last name. Raises ``OSError``."""
        parent, name = split(path)
        with self.beneath.folder(parent) as fd:
            yield fd, name


@dataclass(frozen=True)
class _Refused:
    """Why something is not written, as the end of a sentence."""

    reason: str
    hint: str
    """``{}`` stands for ``place``, or else for the file."""
    kind: type[WorkspaceProblem] = NotWritable
    place: str | None = None


_OTHER_REPOSITORY = _Refused("it is in another repository", "Run edgemind code in that one.", Forbidden)


def _refused_new(fd: int, name: str, inside: list[str]) -> _Refused | None:
    """For a name that the folder does not list."""
    key = same_name(name)
    twin = next((other for other in inside if same_name(other) == key), None) or _listed(fd, name)
    if twin is None:
        return None
    reason = f"there is {clean_line(twin)}, which many systems take for the same name"
    return _Refused(reason, "Name that one.", Forbidden)


def _refused_folder(fd: int, folder: str) -> _Refused | None:
    writable = os.fstat(fd).st_mode & 0o222
    return None if writable else _Refused("its folder is read-only", "chmod u+w {}", place=folder)


def _listed(fd: int, name: str) -> str | None:
    """The name under which a folder lists what it finds under this one; ``None`` when there is nothing."""
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    with os.scandir(fd) as entries:
        inside = {entry.name: entry.inode() for entry in entries}
    if name in inside:
        return name
    return next((other for other, number in inside.items() if number == found.st_ino), None)


def _as_listed(path: Path) -> Path:
    """A whole path as each folder on the way lists it; steps and locks belong to it whatever it is called by."""
    place = Path(path.anchor)
    for name in path.parts[1:]:
        listed = None
        with contextlib.suppress(OSError):
            fd = os.open(place, FOLDER)
            try:
                listed = _listed(fd, name)
            finally:
                os.close(fd)
        place /= listed or name
    return place


def _refused_file(status: os.stat_result) -> _Refused | None:
    kind = status.st_mode
    if stat.S_ISLNK(kind):
        return _Refused("it is a symbolic link", "Name the file that it leads to.")
    if stat.S_ISDIR(kind):
        return _Refused("it is a folder", "Name a file inside it.")
    if not stat.S_ISREG(kind):
        return _Refused("it is a pipe, socket or device", "Name another file.")
    if status.st_nlink > 1:
        reason = "it has a second name (a hard link), which would change too or be cut off"
        return _Refused(reason, "cp -p {0} {0}.new && mv {0}.new {0}")
    if os.geteuid() not in (0, status.st_uid):
        return _Refused("it belongs to another user", "ls -l {}")
    if not kind & stat.S_IWUSR:
        return _Refused("it is read-only", "chmod u+w {}")
    if kind & _SPECIAL_MODES:
        return _Refused("it runs with its owner's rights (setuid)", "ls -l {}")
    return None


def _why(problem: OSError) -> str:
    """What is wrong with a file, as the end of a sentence."""
    return {
        errno.ELOOP: "is a symbolic link, or lies behind one",
        errno.EXDEV: "lies on another disk that is mounted here",
        errno.ENOTDIR: "lies in something that is no folder",
        errno.EISDIR: "is a folder",
        errno.EINVAL: "is a pipe, socket or device",
        errno.ENAMETOOLONG: "has too long a name",
        errno.EACCES: "may not be opened by you",
        errno.EPERM: "may not be opened by you",
    }.get(problem.errno or 0, f"cannot be opened: {problem.strerror or problem}")


def _repository_of(start: Path) -> Path | None:
    """The nearest folder upwards with a ``.git`` of this user, on the same device.

    Raises:
        WorkspaceProblem: git's own files come first.
    """
    device = start.stat().st_dev
    for folder in (start, *start.parents):
        if folder.stat().st_dev != device:
            return None
        git = folder / ".git"
        if os.path.isfile(git) or os.path.isfile(git / "HEAD"):
            mine = os.geteuid()
            return folder if git.lstat().st_uid == mine == folder.stat().st_uid else None
        if plain_name(folder.name) == ".git" or _is_bare(folder):
            raise WorkspaceProblem(
                f"{_shown(start)} holds git's own files, which are never edited.", "Go to the repository's folder."
            )
    return None


def _is_bare(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return is_gits_own(os.listdir(folder))
    return False


def _own_folders() -> tuple[Path, ...]:
    own = paths()
    return own.data, own.config, own.cache


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _shown(path: Path) -> str:
    return clean_line(str(path))

"""What every store can answer, the user's own and shared ones: which models, whether sound, and where their files lie.

Each file is looked at whenever its path is handed out: plain, of the right size, unchanged since it was last hashed.
Reading needs no lock. Not for: changing anything (``store``).
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgemind.errors import Damaged, EdgemindError, StoreProblem
from edgemind.models.opening import shown
from edgemind.models.store import reading
from edgemind.models.store.files import Folder, explained, flaw
from edgemind.models.store.manifest import Manifest, StoredFile, is_model_name
from edgemind.models.store.reading import MANIFESTS, Unreadable
from edgemind.models.store.stamps import Stamps

REPAIR = "edgemind store repair"
UPDATE = "Update EdgeMind: pip install -U edgemind"


class View(ABC):
    """The reading half of a store."""

    label: str
    stamps: Stamps
    owners: frozenset[int] | None = None
    """User ids that files may belong to; ``None`` for anyone."""
    trusts_unknown = False
    """Whether a file without a stamp is taken as it is (its size must be right), and stamped."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Every name that has a manifest, sound or damaged."""
        with explained("read the model store", self.root):
            return self._names()

    def manifests(self) -> list[Manifest]:
        """The sound ones, by name."""
        return [found for _, found in self.entries() if isinstance(found, Manifest)]

    def damaged(self) -> list[tuple[str, str]]:
        """Names whose manifest cannot be used, with the reason."""
        return [(name, str(found)) for name, found in self.entries() if not isinstance(found, Manifest)]

    def get(self, name: str) -> Manifest | None:
        """The model of exactly this name.

        Raises:
            StoreProblem: its manifest is damaged.
        """
        if not is_model_name(name):
            return None
        with explained("read the model store", self.root):
            try:
                return self._read(name)
            except FileNotFoundError:
                return None
            except Unreadable as problem:
                raise unusable(name, problem) from problem

    def entries(self) -> list[tuple[str, Manifest | Unreadable]]:
        """Every name with its manifest, or with what is wrong with it."""
        with explained("read the model store", self.root):
            return list(self._read_all())

    def files(self, manifest: Manifest) -> list[Path]:
        """The paths of a model's files, in order, each looked at.

        Raises:
            Damaged: one is missing, has another size, was changed or is known to be damaged.
            StoreProblem: one is a link, has a second name, or is not the user's.
        """
        return [self._checked(manifest, file) for file in manifest.files]

    def _checked(self, manifest: Manifest, file: StoredFile) -> Path:
        what = f"{shown(file.path)} of {manifest.name}"
        with explained(f"read {what}", self.root):
            try:
                with self.folder_of(manifest, file) as (folder, name):
                    status = folder.status(name)
                    path = folder.path / name
            except FileNotFoundError:
                raise Damaged(f"{what} is missing from the store.", self.again(manifest)) from None
            trouble = flaw(status, self.owners)
            if trouble:
                raise StoreProblem(f"{what} {trouble}, and is not used.", f"edgemind verify {manifest.name}")
            if status.st_size != file.size:
                message = f"{what} has {status.st_size:,} bytes and should have {file.size:,}."
                raise Damaged(message, self.again(manifest))
            key = self.stamp_key(manifest, file)
            state = self.stamps.state(key, status)
            if state == "unknown" and self.trusts_unknown:
                with contextlib.suppress(OSError, EdgemindError):
                    self.stamps.note(key, status, hashed=False)
                state = "sound"
        if state == "damaged":
            raise Damaged(f"{what} is damaged: its hash is not the one it should have.", self.again(manifest))
        if state != "sound" and (self.stamps.can_be_kept() or not self._hash_is_right(manifest, file)):
            raise Damaged(f"{what} was changed since it was last checked.", f"edgemind verify {manifest.name}")
        return path

    def _hash_is_right(self, manifest: Manifest, file: StoredFile) -> bool:
        """For where no stamp can be kept, so that ``verify`` would not help the next load."""
        from edgemind.models.store.verifying import hashed

        doing = f"read {shown(file.path)} of {manifest.name}"
        with explained(doing, self.root), self.folder_of(manifest, file) as (folder, name):
            return hashed(folder, name, lambda count: None)[1] == file.sha256

    @contextlib.contextmanager
    def folder_of(self, manifest: Manifest, file: StoredFile) -> Iterator[tuple[Folder, str]]:
        """The open folder that holds one file of a model, and the file's name in it. Raises ``OSError``."""
        *above, name = self.parts(manifest, file)
        with inside(self.root, above) as folder:
            yield folder, name

    @abstractmethod
    def parts(self, manifest: Manifest, file: StoredFile) -> tuple[str, ...]:
        """Where a file of a model lies below the root, component by component."""

    @abstractmethod
    def stamp_key(self, manifest: Manifest, file: StoredFile) -> str:
        """Of the stamp that belongs to a file."""

    @abstractmethod
    def again(self, manifest: Manifest) -> str:
        """How to get a model's files again."""

    def _names(self) -> list[str]:
        try:
            with inside(self.root, [MANIFESTS]) as folder:
                return reading.manifest_names(folder)
        except FileNotFoundError:
            return []

    def _read(self, name: str) -> Manifest:
        with inside(self.root, [MANIFESTS]) as folder:
            return reading.read_manifest(folder, name, self.owners)

    def _read_all(self) -> Iterator[tuple[str, Manifest | Unreadable]]:
        """One pass with the folder held open: a list of 200 models is a matter of milliseconds."""
        with contextlib.suppress(FileNotFoundError), inside(self.root, [MANIFESTS]) as folder:
            owners = self.owners
            for name in reading.manifest_names(folder):
                found: Manifest | Unreadable
                try:
                    found = reading.read_manifest(folder, name, owners)
                except Unreadable as problem:
                    found = problem
                except FileNotFoundError:
                    continue
                yield name, found


@contextlib.contextmanager
def inside(root: Path, above: Sequence[str]) -> Iterator[Folder]:
    """A folder below a root, reached step by step without following a link. Raises ``OSError``, ``StoreProblem``."""
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(Folder.at(root))
        for name in above:
            folder = opened.enter_context(folder.child(name))
        yield folder


def unusable(name: str, problem: Unreadable) -> StoreProblem:
    """What to say of a manifest that cannot be used."""
    return StoreProblem(f"The manifest of {name} cannot be used: {problem}.", UPDATE if problem.newer else REPAIR)

"""Shared folders of models that are only read: a clinic's network drive, a stick.

Three shapes are known: a store (``blobs`` and ``manifests``), a folder of exported models (one folder each), and one
exported model by itself. Nothing is ever written there; stamps of its files are kept in the user's own store.
A file seen for the first time is taken when its size is right, and any later change is noticed; ``edgemind verify``
hashes it. The hashes lie beside the files, so hashing tells of damage, not of someone who may write to that folder.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from edgemind.errors import EdgemindError
from edgemind.models.opening import shown
from edgemind.models.store import reading
from edgemind.models.store.files import Folder, explained
from edgemind.models.store.manifest import FORMAT, Manifest, StoredFile, is_model_name
from edgemind.models.store.reading import MANIFESTS, Unreadable
from edgemind.models.store.stamps import path_key
from edgemind.models.store.store import BLOBS, Store
from edgemind.models.store.view import View, inside

MANIFEST = "edgemind-model.json"
"""The manifest in the folder of an exported model."""


class Shared(View):
    """The models of one shared folder. ``problem`` says why they cannot be read now; then it looks empty."""

    writable = False
    trusts_unknown = True

    def __init__(self, root: Path, own: Store) -> None:
        super().__init__(root)
        self.label = shown(root)
        self.stamps = own.stamps
        self.problem = _problem(root)
        self.is_store = os.path.isdir(root / MANIFESTS)
        self.is_one_model = not self.is_store and os.path.lexists(root / MANIFEST)

    def parts(self, manifest: Manifest, file: StoredFile) -> tuple[str, ...]:
        if self.is_store:
            return BLOBS, f"sha256-{file.sha256}"
        above = () if self.is_one_model else (manifest.name,)
        return *above, *file.path.split("/")

    def stamp_key(self, manifest: Manifest, file: StoredFile) -> str:
        return path_key(self.root.joinpath(*self.parts(manifest, file)))

    def again(self, manifest: Manifest) -> str:
        ask = f"Ask whoever keeps {self.label}"
        repository = manifest.source.repository
        if manifest.source.kind != "hub" or not repository:
            return f"{ask}."
        file = f":{manifest.files[0].path}" if len(manifest.files) == 1 else ""
        return f"{ask}, or get it yourself: edgemind pull {repository}{file} --name {manifest.name}"

    def _names(self) -> list[str]:
        if self.problem:
            return []
        if self.is_store:
            return super()._names()
        return [name for name, _ in self._read_all()]

    def _read(self, name: str) -> Manifest:
        if self.problem:
            raise FileNotFoundError(name)
        if self.is_store:
            return super()._read(name)
        if self.is_one_model:
            found = self._one()
            if found.name != name:
                raise FileNotFoundError(name)
            return found
        with inside(self.root, [name]) as folder:
            found = reading.parse(reading.read_bounded(folder, MANIFEST))
        if found.name != name:
            raise Unreadable(f"the folder {name} holds the model {found.name}")
        return found

    def _one(self) -> Manifest:
        with Folder.at(self.root) as folder:
            return reading.parse(reading.read_bounded(folder, MANIFEST))

    def _read_all(self) -> Iterator[tuple[str, Manifest | Unreadable]]:
        if self.problem:
            return
        if self.is_store:
            yield from super()._read_all()
        elif self.is_one_model:
            with contextlib.suppress(Unreadable, FileNotFoundError):
                found = self._one()
                yield found.name, found
        else:
            for name in self._folders():
                try:
                    yield name, self._read(name)
                except Unreadable as problem:
                    yield name, problem
                except (FileNotFoundError, NotADirectoryError):
                    continue

    def _folders(self) -> list[str]:
        """Names of real folders inside that a model can have."""
        with Folder.at(self.root) as folder:
            names = [name for name in folder.names(reading.MOST_MODELS) if is_model_name(name)]
            return [name for name in names if stat.S_ISDIR(folder.status(name).st_mode)]


def open_shared(root: Path, own: Store) -> Shared:
    """A shared folder, there or not: look at ``problem``."""
    return Shared(root, own)


def unavailable() -> list[tuple[str, str]]:
    """Shared folders of the settings that cannot be read now, with the reason as a sentence.

    Raises:
        BadConfig: the settings file is not valid.
    """
    from edgemind.settings import load_settings

    roots = (Path(os.path.expanduser(folder)) for folder in load_settings().stores)
    return [(str(root), problem) for root in roots if (problem := _problem(root))]


def _problem(root: Path) -> str | None:
    """Why a shared folder cannot be read, in one sentence."""
    try:
        with explained("read the shared store", root):
            if not root.exists():
                return f"{shown(root)} is not there; it may be unplugged or not mounted."
            if not root.is_dir():
                return f"{shown(root)} is not a folder."
            with Folder.at(root) as folder:
                folder.names(1)
            found = reading.format_of_store(root)
    except EdgemindError as problem:
        return problem.message
    if found is not None and found > FORMAT:
        return f"{shown(root)} was written by a newer EdgeMind; update EdgeMind."
    return None

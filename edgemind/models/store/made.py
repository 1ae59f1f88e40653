"""A model that this machine made becomes one of the store: written under ``partial``, hashed, made visible at once.

Not for: models that come from elsewhere (``importing``, ``pull``), or how it is made (``engine``).
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from edgemind.errors import StoreProblem, UsageError
from edgemind.models import builtin, gguf
from edgemind.models.opening import shown
from edgemind.models.store.files import explained
from edgemind.models.store.hashing import hash_file
from edgemind.models.store.importing import facts_of, now
from edgemind.models.store.manifest import Manifest, Source, StoredFile, is_model_name
from edgemind.models.store.store import Progress, Store
from edgemind.models.unfinished import split_names

MADE = "made-"
"""Begins the keys of files that are being made, which cannot be taken up again."""


class MadeModel:
    """One model to be; a context manager that leaves nothing behind when it fails.

    Args:
        name: what it will be called; nothing in the store may have the name.
        count: files that it will have.

    Raises:
        UsageError: the name cannot be one, or means something else already.
        StoreProblem: the name is taken, or the store cannot be written.
    """

    def __init__(self, store: Store, name: str, count: int = 1) -> None:
        check_name(store, name)
        self.store = store
        self.name = name
        self._key = f"{MADE}{uuid.uuid4().hex}"
        self._open = contextlib.ExitStack()
        stem = store.partial(self._key)
        self.target = stem
        """The file to be, or what stands before ``-00001-of-00003.gguf`` when there are several."""
        self.files = [stem] if count == 1 else [stem.with_name(part) for part in split_names(stem.name, count)]

    def __enter__(self) -> MadeModel:
        self.store.prepare()
        self._open.enter_context(self.store.partial_lock(self._key))
        self._open.callback(self.store.forget_lock, self._key)
        self._open.callback(self._clear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def finish(
        self, notes: Mapping[str, str], licence: str | None = None, progress: Progress = lambda done, total: None
    ) -> Manifest:
        """Hash the files, which must be complete and synced, and make the model visible.

        Args:
            notes: what it was made of, and how.

        Raises:
            StoreProblem, NoRoom: the name was taken meanwhile; the disk.
        """
        header = gguf.read_headers(self.files)
        total = sum(file.stat().st_size for file in self.files)
        names = [f"{self.name}.gguf"] if len(self.files) == 1 else split_names(self.name, len(self.files))
        stored, done = [], 0

        def step(count: int) -> None:
            nonlocal done
            done += count
            progress(done, total)

        for file, inner in zip(self.files, names, strict=True):
            with explained(f"read {shown(file.name)}", file.parent):
                fd = os.open(file, os.O_RDONLY)
            try:
                digest, size = hash_file(fd, file, step)
            finally:
                os.close(fd)
            stored.append(StoredFile(path=inner, sha256=digest, size=size))
        manifest = Manifest(
            name=self.name,
            kind="gguf",
            files=tuple(stored),
            source=Source(kind="made", notes=dict(notes)),
            created=now(),
            licence=licence or header.text("general.license"),
            facts=facts_of(header),
        )
        with self.store.locked():
            self.store.check_name(manifest)
            for file, one in zip(self.files, stored, strict=True):
                self.store.adopt(file, one.sha256, one.size)
            self.store.add(manifest)
        return self.store.get(self.name) or manifest

    def _clear(self) -> None:
        for file in self.files:
            with contextlib.suppress(OSError):
                file.unlink()


def check_name(store: Store, name: str) -> None:
    """Refuse a name that a new model cannot have.

    Raises:
        UsageError: it is none, the built-in model's, or an alias.
        StoreProblem: a model in the store has it.
    """
    from edgemind.settings import load_settings

    if not is_model_name(name):
        raise UsageError(
            f"{shown(name)[:140]!r} cannot be the name of a model.",
            "Use lower-case letters, digits, and . _ - inside: --name NAME",
        )
    if name == builtin.NAME:
        raise UsageError(f"{name} is the model that comes with EdgeMind.", "Give another name: --name NAME")
    target = load_settings().aliases.get(name)
    if target:
        raise UsageError(f"{name} is an alias of {target}.", f"Give another --name, or: edgemind alias {name} --remove")
    if store.get(name) is not None:
        raise StoreProblem(
            f"There is a model named {name} already.", f"Give another --name, or first: edgemind rm {name}"
        )


def digest_of(files: list[Path], progress: Progress = lambda done, total: None) -> list[str]:
    """SHA-256 of each file.

    Raises:
        StoreProblem: one cannot be read.
    """
    total = sum(file.stat().st_size for file in files)
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    found = []
    for file in files:
        with explained(f"read {shown(file.name)}", file.parent):
            fd = os.open(file, os.O_RDONLY)
        try:
            found.append(hash_file(fd, file, step)[0])
        finally:
            os.close(fd)
    return found

"""Models for the store's tests: their bytes do not matter to it, so they are small and quick to make."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from edgemind.models.store.manifest import Manifest, Source, StoredFile
from edgemind.models.store.store import Store


def stored(path: str, data: bytes) -> StoredFile:
    return StoredFile(path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def manifest(name: str, *files: StoredFile, kind: str = "hub") -> Manifest:
    source = Source(kind="hub", repository="maker/model", revision="a" * 40) if kind == "hub" else Source(kind="file")
    return Manifest(name=name, kind="gguf", files=files, source=source, created="2025-01-01T00:00:00Z")


def put(store: Store, data: bytes) -> StoredFile:
    """Bytes into the store as a blob, the way a download does."""
    store.prepare()
    file = stored("model.gguf", data)
    part = store.partial(f"test-{uuid.uuid4().hex}")
    part.write_bytes(data)
    store.adopt(part, file.sha256, file.size)
    return file


def add(store: Store, name: str, *datas: bytes, kind: str = "hub") -> Manifest:
    """A model of these files into the store."""
    files = [put(store, data) for data in datas]
    renamed = [file.model_copy(update={"path": f"part-{index}.gguf"}) for index, file in enumerate(files)]
    made = manifest(name, *renamed, kind=kind)
    store.add(made)
    return made


def blobs(store: Store) -> set[str]:
    folder = store.root / "blobs"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

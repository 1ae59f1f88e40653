"""Models in a store, for tests that use one: real files, put there the way an import puts them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgemind.models.store.manifest import Facts, Manifest, Source, StoredFile
from edgemind.models.store.store import Store


def store_at(home: Path) -> Store:
    """The store of an ``EDGEMIND_HOME``."""
    return Store(home / "data" / "models")


def install(store: Store, name: str, files: Sequence[Path | bytes], **more: Any) -> Manifest:
    """A model of these files; ``more`` are fields of its manifest."""
    store.prepare()
    stored = []
    for number, given in enumerate(files):
        data = given if isinstance(given, bytes) else given.read_bytes()
        path = given.name if isinstance(given, Path) else f"part-{number}.gguf"
        digest = hashlib.sha256(data).hexdigest()
        part = store.partial(f"test-{uuid.uuid4().hex}")
        part.write_bytes(data)
        store.adopt(part, digest, len(data))
        stored.append(StoredFile(path=path, sha256=digest, size=len(data)))
    fields: dict[str, Any] = {
        "kind": "gguf",
        "source": Source(kind="file", file=stored[0].path),
        "created": "2025-01-01T00:00:00Z",
        "facts": Facts(architecture="qwen3", parameters=596_049_920, quantization="Q8_0", context=32768),
    }
    manifest = Manifest(name=name, files=tuple(stored), **(fields | more))
    store.add(manifest)
    return manifest

"""Repositories of the local hub: commits, files, and what the API says of them. Not for: HTTP."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

MISSING = object()
"""As a lie: the field is not there at all."""

_LFS_ENDINGS = (".gguf", ".safetensors", ".bin", ".pt", ".onnx", ".msgpack", ".h5")
_LFS_FROM = 10 * 1024 * 1024
_PIECE = 1 << 20


class Content:
    """The bytes of one file, in memory or on disk."""

    def __init__(self, source: bytes | Path) -> None:
        self.path = source if isinstance(source, Path) else None
        self._bytes = b"" if isinstance(source, Path) else bytes(source)
        self.size = source.stat().st_size if isinstance(source, Path) else len(self._bytes)
        sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % self.size)
        for offset in range(0, self.size, _PIECE):
            piece = self.read(offset, _PIECE)
            sha256.update(piece)
            if self.size < _LFS_FROM:
                git.update(piece)
        self.sha256 = sha256.hexdigest()
        self.git_sha1 = git.hexdigest()

    def read(self, offset: int, length: int) -> bytes:
        if self.path is None:
            return self._bytes[offset : offset + length]
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)


@dataclass(frozen=True)
class Entry:
    """A file of a commit, and what is said of it where that is not the truth."""

    path: str
    content: Content
    lfs: bool
    lies: dict[str, Any] = field(default_factory=dict)
    """``sha256``, ``size``, ``blob_id``, ``pointer_size`` in the listing, ``etag``, ``linked_size`` in headers."""

    @property
    def etag(self) -> str:
        """Of the linked file for LFS, of the git blob otherwise; without quotes."""
        return str(self.lies.get("etag", self.content.sha256 if self.lfs else self.content.git_sha1))

    def sibling(self, blobs: bool) -> dict[str, Any]:
        """As ``GET /api/models/ID?blobs=true`` lists it."""
        if not blobs:
            return {"rfilename": self.path}
        said = {"rfilename": self.path, "blobId": self._said("blob_id", self._pointer_sha1()), "size": self._size()}
        if self.lfs:
            said["lfs"] = _without_missing(
                {
                    "sha256": self._said("sha256", self.content.sha256),
                    "size": self._size(),
                    "pointerSize": self._said("pointer_size", len(self._pointer())),
                }
            )
        return _without_missing(said)

    def tree_entry(self) -> dict[str, Any]:
        """As ``/tree`` and ``/paths-info`` list it."""
        oid = self._said("blob_id", self._pointer_sha1())
        said: dict[str, Any] = {"type": "file", "oid": oid, "size": self._size(), "path": self.path}
        if self.lfs:
            said["lfs"] = _without_missing(
                {
                    "oid": self._said("sha256", self.content.sha256),
                    "size": self._size(),
                    "pointerSize": self._said("pointer_size", len(self._pointer())),
                }
            )
        return _without_missing(said)

    def _size(self) -> Any:
        return self._said("size", self.content.size)

    def _said(self, what: str, truth: Any) -> Any:
        return self.lies.get(what, truth)

    def _pointer(self) -> bytes:
        text = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.content.sha256}\nsize {self.content.size}\n"
        )
        return text.encode()

    def _pointer_sha1(self) -> str:
        if not self.lfs:
            return self.content.git_sha1
        pointer = self._pointer()
        return hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()


def _without_missing(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value is not MISSING}


class Repo:
    """A model repository: commits that stay, branches and tags that point at them."""

    def __init__(
        self,
        name: str,
        files: Mapping[str, bytes | Path],
        *,
        licence: str | None = "apache-2.0",
        gated: bool | str = False,
        private: bool = False,
        gguf: dict[str, Any] | None = None,
        token: str | None = None,
        tags: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.licence = licence
        self.gated = gated
        self.private = private
        self.gguf = gguf
        self.token = token
        """The only token with access when it is gated or private; the hub's own ones when None."""
        self.tags = tags
        self.disabled = False
        self._lock = threading.RLock()
        self._commits: dict[str, dict[str, Entry]] = {}
        self._refs: dict[str, str] = {}
        self.commit(files)

    @property
    def sha(self) -> str:
        """The commit that ``main`` points at."""
        return self._refs["main"]

    def commit(self, files: Mapping[str, bytes | Path | None], branch: str = "main") -> str:
        """Add, change or (None) delete files; the branch moves, older commits stay readable."""
        with self._lock:
            parent = self._refs.get(branch) or self._refs.get("main") or ""
            entries = dict(self._commits.get(parent, {}))
            for path, source in files.items():
                entries.pop(path, None)
                if source is not None:
                    content = Content(source)
                    entries[path] = Entry(path, content, _is_lfs(path, content.size))
            return self._point(branch, entries, parent)

    def lie(self, path: str, **lies: Any) -> None:
        """Say something else of a file than is true (see ``Entry.lies``); the commit keeps its name."""
        with self._lock:
            entries = self._commits[self.sha]
            entries[path] = replace(entries[path], lies={**entries[path].lies, **lies})

    def tag(self, name: str, sha: str | None = None) -> str:
        """A tag or branch at that commit (the newest when None)."""
        self._refs[name] = sha or self.sha
        return self._refs[name]

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch, tag or full hash."""
        return self._refs.get(revision) or (revision if revision in self._commits else None)

    def entries(self, sha: str) -> dict[str, Entry]:
        with self._lock:
            return dict(self._commits[sha])

    def info(self, sha: str, blobs: bool) -> dict[str, Any]:
        """What ``GET /api/models/ID/revision/SHA`` answers."""
        licence = [f"license:{self.licence}"] if self.licence else []
        said: dict[str, Any] = {
            "_id": "64" + sha[:22],
            "id": self.name,
            "modelId": self.name,
            "author": self.name.split("/")[0],
            "sha": sha,
            "lastModified": "2025-05-01T10:00:00.000Z",
            "createdAt": "2025-04-01T10:00:00.000Z",
            "private": self.private,
            "gated": self.gated,
            "disabled": self.disabled,
            "downloads": 1234,
            "likes": 5,
            "library_name": "gguf",
            "pipeline_tag": "text-generation",
            "tags": ["gguf", "text-generation", *licence, *self.tags],
            "cardData": {"license": self.licence} if self.licence else {},
            "siblings": [entry.sibling(blobs) for entry in self.entries(sha).values()],
            "spaces": [],
        }
        if self.gguf is not None:
            said["gguf"] = self.gguf
        return said

    def refs(self) -> dict[str, Any]:
        branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": s} for n, s in self._refs.items()]
        return {"branches": branches, "tags": [], "converts": []}

    def _point(self, branch: str, entries: dict[str, Entry], parent: str) -> str:
        digest = hashlib.sha1(f"{self.name}\0{parent}\0{len(self._commits)}".encode())
        for path, entry in entries.items():
            digest.update(path.encode("utf-8", "surrogatepass") + entry.content.sha256.encode())
        sha = digest.hexdigest()
        self._commits[sha] = entries
        self._refs[branch] = sha
        return sha


def _is_lfs(path: str, size: int) -> bool:
    return path.lower().endswith(_LFS_ENDINGS) or size >= _LFS_FROM

"""What a hub says about a repository, checked; and how its bytes arrive. No network here: ``download`` has that.

Nothing a hub says is believed: a name, a digest, a size that is not plain never gets into these values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,256}"')


@dataclass(frozen=True)
class RemoteFile:
    """One file at one commit. ``path`` is a plain relative path (``store.manifest.is_file_path``)."""

    path: str
    size: int
    """Bytes."""
    sha256: str | None
    """Of the content; large files have it (git-lfs)."""
    git_oid: str | None
    """SHA-1 of git's blob object, for the others."""

    @property
    def key(self) -> str:
        """A name for its unfinished download."""
        return f"sha256-{self.sha256}" if self.sha256 else f"git-{self.git_oid}"


@dataclass(frozen=True)
class RemoteRepository:
    """A repository at one commit."""

    id: str
    commit: str
    files: tuple[RemoteFile, ...]
    endpoint: str
    licence: str | None = None
    gated: bool = False
    context: int | None = None
    """Tokens of context, where the hub has read a GGUF header."""
    architecture: str | None = None
    left_out: int = 0
    """Files whose name, size or hash is not plain; they are never offered."""

    @property
    def page(self) -> str:
        """Where a person reads about it."""
        return f"{self.endpoint}/{self.id}"


class Body(Protocol):
    """The bytes of one answer."""

    offset: int
    """Where in the file they begin."""
    total: int | None
    """Size of the whole file, as this answer says."""
    validator: str | None
    """A strong ETag, good for ``If-Range``."""

    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class Transient(Exception):
    """The connection broke or the hub is busy: worth another try.

    Args:
        message: one sentence.
        wait: seconds that the hub asked to wait, if it did.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.wait = wait


class RangeRefused(Exception):
    """There are no bytes from that offset on (HTTP 416)."""

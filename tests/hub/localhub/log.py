"""What a hub was asked and what it sent. Not for: deciding anything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass
class Request:
    """One request; ``status`` and ``sent_bytes`` grow while it is answered."""

    origin: str
    """``hub``, ``cdn`` or ``proxy``."""
    method: str
    path: str
    """As it stood in the request line."""
    headers: dict[str, str]
    """Names in lower case."""
    range: str | None = None
    kind: str = ""
    """``info``, ``tree``, ``paths``, ``resolve``, ``file`` or ``other``."""
    file: str = ""
    """Path of the file inside its repository."""
    status: int = 0
    start: int = 0
    """Offset in the file of the first byte that was sent."""
    sent_bytes: int = 0
    """Bytes of the body."""
    body: bytes = field(default=b"", repr=False)


class Log:
    """A list of requests that may be read while it grows."""

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._lock = threading.Lock()

    def add(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def of(self, kind: str = "*", file: str = "*", method: str = "*", origin: str = "*") -> list[Request]:
        """Those that match, in order; glob patterns."""
        return [
            r
            for r in self
            if fnmatchcase(r.kind, kind)
            and fnmatchcase(r.file, file)
            and fnmatchcase(r.method, method)
            and fnmatchcase(r.origin, origin)
        ]

    def served(self, file: str = "*") -> int:
        """Bytes of files that were put on the wire."""
        return sum(r.sent_bytes for r in self.of("file", file, "GET"))

    def leaks(self) -> list[Request]:
        """Requests that carried a token to another origin than the hub."""
        return [r for r in self if r.origin != "hub" and "authorization" in r.headers]

    def __iter__(self) -> Iterator[Request]:
        with self._lock:
            return iter(list(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, index: int) -> Request:
        with self._lock:
            return self._requests[index]

    def __repr__(self) -> str:
        return "\n".join(f"{r.origin} {r.method} {r.path} {r.range or ''} -> {r.status} {r.sent_bytes}" for r in self)

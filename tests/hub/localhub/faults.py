"""What can go wrong between a hub and its client, on demand. Not for: sending (``sending``), routes (``server``)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass
class Fault:
    """One fault: where it happens, how often, and what.

    Offsets of ``cut`` and ``stall`` count the bytes of one response, so that a client that resumes gets further;
    ``flip`` counts from the start of the file.
    """

    at: str = "file"
    """Kind of request: ``info``, ``tree``, ``paths``, ``resolve``, ``file`` (what carries a file's bytes), ``*``."""
    path: str = "*"
    """Glob pattern for the file's path in its repository (the repository's name for ``info`` and ``tree``)."""
    method: str = "*"
    after: int = 0
    """So many matching requests are answered well before it begins."""
    times: int | None = None
    """How many requests it spoils; all when None."""

    cut: int | None = None
    """End the connection after so many bytes of the body."""
    reset: bool = False
    """End it by a reset and not by a clean close."""
    flip: int | None = None
    """Flip a bit of the byte at this offset of the file."""
    rate: float | None = None
    """Bytes per second."""
    stall: int | None = None
    """After so many bytes of the body send nothing more and keep the connection open."""
    length: int = 0
    """Added to the Content-Length that is said; the body stays what it is."""
    extra: int = 0
    """So many bytes more than the file has, truthfully announced in the length."""
    endless: bool = False
    """A body without length that never ends."""
    changing_etag: bool = False
    """Another ETag with every answer."""
    no_ranges: bool = False
    """Ignore ``Range``: 200 and everything."""
    content_range: str | None = None
    """Say this in a 206."""
    shift: int = 0
    """Answer a range with the right header and the bytes from so much further on."""
    gzip: bool = False
    """Compress although nobody asked."""
    status: int | None = None
    """Answer with this status and no file."""
    headers: dict[str, str] | None = None
    """Set or replace these headers."""
    body: bytes | None = None
    """Answer with this body (status 200 unless ``status`` is given)."""
    redirect: str | None = None
    """Answer 302 to this place; ``loop`` leads back to the same address."""
    url_seconds: float | None = None
    """The signed address is good for so long."""
    url_uses: int | None = None
    """The signed address is good for so many requests."""
    tamper: Callable[[dict[str, Any]], Any] | None = None
    """Gets the JSON that would be answered and returns what to say in its place."""
    then: Callable[[], object] | None = None
    """Called after the answer has been made and before it is sent: a commit that comes in between."""

    def matches(self, kind: str, path: str, method: str) -> bool:
        if kind == "file" and method == "HEAD" and self.method != "HEAD":
            return False
        return fnmatchcase(kind, self.at) and fnmatchcase(path, self.path) and fnmatchcase(method, self.method)


class Faults:
    """The faults of a hub; the first that matches a request spoils it.

    ``Faults(cut=10, times=1)`` is one of a single fault, ``Faults(Fault(...), Fault(...))`` of several.
    """

    def __init__(self, *faults: Fault, **only: Any) -> None:
        self._faults = [*faults, *([Fault(**only)] if only else [])]
        self._seen = [0] * len(self._faults)
        self._lock = threading.Lock()

    def pick(self, kind: str, path: str, method: str) -> Fault | None:
        """The fault for this request; counting it."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fault.matches(kind, path, method):
                    continue
                self._seen[index] += 1
                spoiled = self._seen[index] - fault.after
                if spoiled > 0 and (fault.times is None or spoiled <= fault.times):
                    return fault
        return None

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)


NONE = Faults()

HOSTILE_NAMES = (
    "../../escape.gguf",
    "../escape.gguf",
    "/etc/escape.gguf",
    "/tmp/escape.gguf",
    "a/../../../escape.gguf",
    "a\\..\\..\\escape.gguf",
    "a\\b.gguf",
    "C:\\escape.gguf",
    "C:escape.gguf",
    "\\\\server\\share\\escape.gguf",
    "con.gguf",
    "NUL.gguf",
    "a/aux/x.gguf",
    "nul\0byte.gguf",
    ".gguf",
    "..gguf/../x.gguf",
    ".hidden.gguf",
    "./x.gguf",
    "a//b.gguf",
    "a/./b.gguf",
    "a/",
    "",
    ".",
    "..",
    "~/escape.gguf",
    "-rf.gguf",
    "$(touch escape).gguf",
    "`touch escape`.gguf",
    "x.gguf;touch escape",
    "new\nline.gguf",
    "esc\x1b]52;c;ZXNj\x07.gguf",
    "c1\x9b31m.gguf",
    "bidi\u202efugg.gguf",
    "zero\u200bwidth.gguf",
    "ünïcödé.gguf",
    "模型.gguf",
    "surrogate\ud800.gguf",
    "trailing.gguf ",
    "trailing.gguf.",
    "stream.gguf:evil",
    "%2e%2e%2fescape.gguf",
    "x" * 10_000 + ".gguf",
    "/".join(["d"] * 500) + "/x.gguf",
    "file:///etc/passwd.gguf",
    "http://127.0.0.1:9/x.gguf",
)

HOSTILE_DIGESTS: tuple[object, ...] = (
    "../..",
    "../../escape",
    "/etc/passwd",
    "A" * 64,
    "ABCDEF" * 10 + "0123",
    "0" * 63,
    "0" * 65,
    "0" * 64 + "\n",
    "g" * 64,
    "",
    None,
    7,
    ["0" * 64],
    {"sha256": "0" * 64},
    "\0" * 64,
    "０" * 64,
    "0" * 32,
    "x" * 1_000_000,
)

HOSTILE_SIZES: tuple[object, ...] = (-1, 2**70, 2**63, 1.5, 1e30, "1000", "", None, True, [], {}, 0)


def many(count: int) -> Callable[[dict[str, Any]], Any]:
    """A listing with so many more files."""

    def tamper(info: dict[str, Any]) -> Any:
        more = [
            {
                "rfilename": f"shard/{n:07}.gguf",
                "blobId": f"{n:040x}",
                "size": 1000,
                "lfs": {"sha256": f"{n:064x}", "size": 1000, "pointerSize": 130},
            }
            for n in range(count)
        ]
        return {**info, "siblings": [*info["siblings"], *more]}

    return tamper


def replaced(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    """The same JSON with these fields set."""
    return lambda info: {**info, **fields}


def captive_portal(at: str = "*") -> Fault:
    """A login page, with 200, in place of every answer."""
    page = b"<!doctype html><html><title>Hotel Wi-Fi</title><form>Room <input name=room></form></html>"
    return Fault(at=at, body=page, headers={"Content-Type": "text/html; charset=utf-8"})


def not_json(at: str = "info") -> Fault:
    return Fault(at=at, body=b'{"id": "owner/name", "siblings": [', headers={"Content-Type": "application/json"})


def huge_json(size: int, at: str = "info") -> Fault:
    body = b'{"id": "' + b"x" * size + b'"}'
    return Fault(at=at, body=body, headers={"Content-Type": "application/json"})


def deep_json(depth: int, at: str = "info") -> Fault:
    body = b'{"id": "owner/name", "siblings": ' + b"[" * depth + b"]" * depth + b"}"
    return Fault(at=at, body=body, headers={"Content-Type": "application/json"})


def too_many_requests(retry_after: int, at: str = "*", times: int | None = 1) -> Fault:
    """429 as the real hub says it."""
    headers = {
        "Retry-After": str(retry_after),
        "RateLimit": f'"api";r=0;t={retry_after}',
        "RateLimit-Policy": '"fixed window";"api";q=500;w=300',
    }
    body = json.dumps({"error": "We had to rate limit your IP."}).encode()
    return Fault(at=at, times=times, status=429, headers=headers, body=body)

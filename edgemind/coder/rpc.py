"""JSON-RPC 2.0 over two byte streams, framed as the Language Server Protocol does: headers, an empty line, the body.

https://www.jsonrpc.org/specification. Batches are not served.
Not for: what the methods do (``completion_server``).
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
CANCELLED = -32800
"""As in the Language Server Protocol: the client gave it up, or a newer request took its place."""
ENGINE_ERROR = -32001
"""An error of EdgeMind's own; ``data`` has its kind and the next thing to do."""

MOST_BYTES = 16 << 20
"""Of one body: more than any file that is completed."""
MOST_HEADER = 4096
MOST_HEADERS = 16

Id: TypeAlias = "int | str | None"


class RpcError(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, message: str, data: Any = None, request_id: Id = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.request_id = request_id


class BrokenFrame(RpcError):
    """Headers that do not say where the next message begins: nothing after them can be understood."""

    def __init__(self, message: str) -> None:
        super().__init__(PARSE_ERROR, message)


@dataclass(frozen=True)
class Request:
    """One call. Without an id it is a notification, which is never answered."""

    id: Id
    method: str
    params: dict[str, Any]
    notification: bool


class Connection:
    """Requests in, answers out. ``read`` belongs to one thread; answers may come from any."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._lock = threading.Lock()
        self.closed = False
        """The other side reads no more."""

    def read(self) -> Request | None:
        """The next call; ``None`` at the end of the input.

        Raises:
            RpcError: it is not one; the next may be.
            BrokenFrame: it is not one, and there is no telling where the next begins.
        """
        length = self._length()
        if length is None:
            return None
        body = self._source.read(min(length, MOST_BYTES))
        if len(body) < min(length, MOST_BYTES):
            return None
        if length > MOST_BYTES:
            self._skip(length - MOST_BYTES)
            raise RpcError(INVALID_REQUEST, f"The message is longer than {MOST_BYTES >> 20} MiB.")
        return understood(body)

    def result(self, request_id: Id, value: Any) -> None:
        self._write({"jsonrpc": "2.0", "id": request_id, "result": value})

    def error(self, problem: RpcError, request_id: Id = None) -> None:
        said: dict[str, Any] = {"code": problem.code, "message": problem.message}
        if problem.data is not None:
            said["data"] = problem.data
        known = problem.request_id if request_id is None else request_id
        self._write({"jsonrpc": "2.0", "id": known, "error": said})

    def _length(self) -> int | None:
        length = None
        for number in range(MOST_HEADERS + 1):
            line = self._source.readline(MOST_HEADER)
            if not line:
                return None
            if not line.endswith(b"\n") or number == MOST_HEADERS:
                raise BrokenFrame("A message begins with headers: Content-Length: BYTES, then an empty line.")
            if not line.strip():
                break
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon:
                raise BrokenFrame("A header is NAME: VALUE.")
            if name.strip().lower() == "content-length":
                digits = value.strip()
                if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
                    raise BrokenFrame("Content-Length is a number of bytes.")
                length = int(digits)
        if length is None:
            raise BrokenFrame("There is no Content-Length header.")
        return length

    def _skip(self, count: int) -> None:
        while count and (part := self._source.read(min(count, 1 << 20))):
            count -= len(part)

    def _write(self, message: dict[str, Any]) -> None:
        body = json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode("ascii")
        with self._lock:
            if self.closed:
                return
            try:
                self._sink.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                self._sink.flush()
            except (OSError, ValueError):
                self.closed = True


def understood(body: bytes) -> Request:
    """The call that a body holds.

    Raises:
        RpcError: it is no JSON, or JSON that is no call.
    """
    try:
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise RpcError(PARSE_ERROR, "The body is not JSON in UTF-8.") from problem
    if not isinstance(value, dict):
        what = (
            "Batches are not served; send one request a message."
            if isinstance(value, list)
            else "A request is an object."
        )
        raise RpcError(INVALID_REQUEST, what)
    request_id = value.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, int | str | None):
        raise RpcError(INVALID_REQUEST, "An id is a whole number or a string.")
    if value.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'A request says "jsonrpc": "2.0".', request_id=request_id)
    method, params = value.get("method"), value.get("params", {})
    if not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, "A request names its method.", request_id=request_id)
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "Parameters are given by name, as an object.", request_id=request_id)
    return Request(request_id, method, params, "id" not in value)

"""Putting a file on the wire: ranges, and everything that a fault may do to a body. Not for: routes."""

from __future__ import annotations

import gzip
import re
import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate

from localhub.faults import Fault
from localhub.log import Request
from localhub.repos import Content

_SENDFILE_PIECE = 8 << 20
_PIECE = 64 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_UNSATISFIABLE = (-1, -1)


class Hangup(Exception):
    """The connection is to be ended here and now."""


@dataclass
class Answer:
    """Status, headers and the part of a file that follows them."""

    status: int
    headers: dict[str, str]
    start: int = 0
    stop: int = 0


def answer_for(content: Content, etag: str, asked: dict[str, str], fault: Fault) -> Answer:
    """What a good server (or, with a fault, a bad one) answers to a request for a file.

    Args:
        etag: without quotes.
        asked: headers of the request, names in lower case.
    """
    if fault.changing_etag:
        etag = secrets.token_hex(16)
    headers = {"ETag": f'"{etag}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    headers["Last-Modified"] = formatdate(1_746_000_000, usegmt=True)
    part = None if fault.no_ranges or fault.gzip else _asked_range(asked, f'"{etag}"', content.size)
    if part == _UNSATISFIABLE:
        headers["Content-Range"] = f"bytes */{content.size}"
        return Answer(416, {**headers, "Content-Length": "0"})
    start, stop = part or (0, content.size)
    answer = Answer(206 if part else 200, headers, start, stop)
    if part:
        headers["Content-Range"] = fault.content_range or f"bytes {start}-{stop - 1}/{content.size}"
    if fault.no_ranges:
        del headers["Accept-Ranges"]
    if fault.endless:
        headers["Connection"] = "close"
    else:
        headers["Content-Length"] = str(max(0, stop - start + fault.length + fault.extra))
    headers.update(fault.headers or {})
    return answer


def _asked_range(asked: dict[str, str], etag: str, size: int) -> tuple[int, int] | None:
    match = _RANGE.fullmatch(asked.get("range", "").strip())
    if not match or match.groups() == ("", ""):
        return None
    condition = asked.get("if-range")
    if condition is not None and condition.strip() != etag:
        return None
    first, last = match.groups()
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    return (start, stop) if start < stop else _UNSATISFIABLE


def send_body(
    connection: socket.socket, content: Content, answer: Answer, fault: Fault, log: Request, closing: threading.Event
) -> None:
    """Send the bytes, with ``sendfile`` where nothing is to be spoiled.

    Raises:
        Hangup: the connection is to be closed without another answer.
        OSError: the client went away.
    """
    log.start = answer.start
    plain = (fault.cut, fault.flip, fault.rate, fault.stall) == (None,) * 4
    if content.path is not None and plain and not (fault.extra or fault.endless or fault.shift):
        _send_file(connection, content, answer, log)
    else:
        _send_pieces(connection, _pieces(content, answer, fault), fault, log, closing)
    if fault.length or fault.endless:
        raise Hangup


def compressed(content: Content) -> bytes:
    """The whole file, as a proxy that meddles would send it."""
    return gzip.compress(content.read(0, content.size))


def _send_file(connection: socket.socket, content: Content, answer: Answer, log: Request) -> None:
    assert content.path is not None
    with content.path.open("rb") as file:
        for offset in range(answer.start, answer.stop, _SENDFILE_PIECE):
            count = min(_SENDFILE_PIECE, answer.stop - offset)
            try:
                sent = connection.sendfile(file, offset, count)
            except OSError:
                log.sent_bytes += max(0, file.tell() - offset)
                raise
            log.sent_bytes += sent


def _pieces(content: Content, answer: Answer, fault: Fault) -> Iterator[bytes]:
    step = max(1, min(_PIECE, int(fault.rate / 1000))) if fault.rate else _PIECE
    for offset in range(answer.start, answer.stop, step):
        piece = content.read(offset + fault.shift, min(step, answer.stop - offset))
        piece = piece.ljust(min(step, answer.stop - offset), b"\0")
        if fault.flip is not None and offset <= fault.flip < offset + len(piece):
            spoiled = bytearray(piece)
            spoiled[fault.flip - offset] ^= 1 << (fault.flip % 8)
            piece = bytes(spoiled)
        yield piece
    yield from (b"\0" * min(step, fault.extra - sent) for sent in range(0, fault.extra, step))
    while fault.endless:
        yield b"\0" * step


def _send_pieces(
    connection: socket.socket, pieces: Iterator[bytes], fault: Fault, log: Request, closing: threading.Event
) -> None:
    began, sent = time.monotonic(), 0
    for piece in pieces:
        end = len(piece)
        for limit in (fault.cut, fault.stall):
            if limit is not None:
                end = min(end, limit - sent)
        if end > 0:
            connection.sendall(piece[:end])
            sent += end
            log.sent_bytes += end
        if fault.cut is not None and sent >= fault.cut:
            _hang_up(connection, fault.reset)
        if fault.stall is not None and sent >= fault.stall:
            _wait_until_gone(connection, closing)
        if fault.rate and closing.wait(max(0.0, began + sent / fault.rate - time.monotonic())):
            raise Hangup
        if closing.is_set():
            raise Hangup


def _hang_up(connection: socket.socket, reset: bool) -> None:
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Hangup


def _wait_until_gone(connection: socket.socket, closing: threading.Event) -> None:
    """Until the client hangs up or the hub closes."""
    connection.settimeout(0.1)
    while not closing.is_set():
        try:
            if connection.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    raise Hangup

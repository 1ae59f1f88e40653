"""A small HTTP/1.1 server on 127.0.0.1 with threads, bounded and quick to close. Not for: what is answered."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

from localhub.faults import Fault
from localhub.log import Log, Request
from localhub.repos import Content
from localhub.sending import Hangup, answer_for, compressed, send_body

_MOST_CONNECTIONS = 256
_MOST_BODY = 1 << 20
_IDLE_S = 60.0


class Handler(BaseHTTPRequestHandler):
    """One connection; subclasses say ``respond`` and ``origin``."""

    protocol_version = "HTTP/1.1"
    server_version = "localhub"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    origin = ""
    server: Origin

    def respond(self) -> None:
        raise NotImplementedError

    def handle(self) -> None:
        with contextlib.suppress(Hangup, OSError):
            super().handle()

    def answer(self) -> None:
        self.asked = {name.lower(): value for name, value in self.headers.items()}
        self.log = Request(self.origin, self.command, self.path, self.asked, self.asked.get("range"), kind="other")
        length = self.asked.get("content-length", "0")
        self.log.body = self.rfile.read(min(int(length), _MOST_BODY)) if length.isdigit() else b""
        self.server.log.add(self.log)
        try:
            self.respond()
        except Hangup:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_CONNECT = answer  # noqa: N815

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Status line and headers."""
        self.log.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """A whole answer from memory."""
        self.head(status, {"Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD" and body:
            self.wfile.write(body)
            self.log.sent_bytes += len(body)

    def reply_json(self, said: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(said).encode()
        self.reply(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})

    def spoiled(self, fault: Fault) -> bool:
        """Answer in place of the real thing where the fault says so."""
        if fault.redirect is not None:
            here = f"http://{self.asked.get('host', '')}{self.path}"
            place = here if fault.redirect == "loop" else fault.redirect
            self.reply(fault.status or 302, headers={"Location": place, **(fault.headers or {})})
        elif fault.body is not None or fault.status is not None:
            body = fault.body if fault.body is not None else json.dumps({"error": "as the test asked"}).encode()
            self.reply(fault.status or 200, body, {"Content-Type": "application/json", **(fault.headers or {})})
        else:
            return False
        return True

    def reply_file(self, content: Content, etag: str, headers: dict[str, str], fault: Fault) -> None:
        """A file or a part of it."""
        answer = answer_for(content, etag, self.asked, fault)
        if fault.gzip:
            packed = compressed(content)
            self.reply(200, packed, {**headers, "ETag": answer.headers["ETag"], "Content-Encoding": "gzip"})
            return
        self.head(answer.status, {**headers, **answer.headers})
        self.wfile.flush()
        if self.command == "HEAD":
            return
        if fault.endless:
            self.close_connection = True
        send_body(self.connection, content, answer, fault, self.log, self.server.closing)

    def log_message(self, *unused: Any) -> None:
        """Nothing on standard error; ``log`` has it all."""


class Origin(socketserver.ThreadingTCPServer):
    """A listening socket and its threads."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[Handler], log: Log, port: int = 0, owner: Any = None) -> None:
        self.log = log
        self.owner = owner
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._slots = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            request.close()
            return
        self._open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)
            self._slots.release()

    def shutdown_request(self, request: Any) -> None:
        """Without the half-close of the base class, which would turn a reset into a clean end."""
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error here; a bug in a handler is."""
        import sys
        import traceback

        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()

    def stop(self) -> None:
        """Stop listening and end every connection."""
        self.closing.set()
        self.shutdown()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._thread.join(5)

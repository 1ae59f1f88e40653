"""A tiny forward proxy on loopback, for absolute addresses over plain HTTP. Not for: CONNECT, keeping connections."""

from __future__ import annotations

import base64
import http.client
from urllib.parse import urlsplit

from localhub.log import Log
from localhub.origin import Handler, Origin

_HOP_BY_HOP = {"connection", "proxy-connection", "proxy-authorization", "keep-alive", "te", "upgrade", "trailer"}
_PIECE = 64 * 1024
_TIMEOUT_S = 30.0


class Proxy:
    """Forwards to 127.0.0.1 only; with ``user`` and ``password`` it asks for them (407)."""

    def __init__(self, user: str = "", password: str = "") -> None:
        self.log = Log()
        self.user, self.password = user, password
        self._origin = Origin(_ProxyHandler, self.log, owner=self)

    @property
    def address(self) -> str:
        """``http://[user:password@]127.0.0.1:PORT``, as ``HTTP_PROXY`` takes it."""
        login = f"{self.user}:{self.password}@" if self.user else ""
        return self._origin.address.replace("//", f"//{login}", 1)

    @property
    def expected(self) -> str | None:
        if not self.user:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def close(self) -> None:
        self._origin.stop()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


class _ProxyHandler(Handler):
    origin = "proxy"

    def respond(self) -> None:
        proxy: Proxy = self.server.owner
        if proxy.expected and self.asked.get("proxy-authorization") != proxy.expected:
            self.reply(407, headers={"Proxy-Authenticate": 'Basic realm="proxy"'})
            return
        url = urlsplit(self.path)
        if self.command == "CONNECT" or url.scheme != "http":
            self.reply(405)
        elif url.hostname != "127.0.0.1" or url.port is None:
            self.reply(403, b"loopback only")
        else:
            self._forward(url.hostname, url.port, url.path + (f"?{url.query}" if url.query else ""))

    def _forward(self, host: str, port: int, target: str) -> None:
        upstream = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        try:
            upstream.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    upstream.putheader(name, value)
            upstream.endheaders(self.log.body or None)
            answer = upstream.getresponse()
            headers = {n: v for n, v in answer.getheaders() if n.lower() not in {*_HOP_BY_HOP, "server", "date"}}
            self.head(answer.status, {**headers, "Via": "1.1 localproxy", "Connection": "close"})
            self.close_connection = True
            while self.command != "HEAD" and (piece := answer.read(_PIECE)):
                self.wfile.write(piece)
                self.log.sent_bytes += len(piece)
        except http.client.HTTPException:
            self.close_connection = True
        finally:
            upstream.close()

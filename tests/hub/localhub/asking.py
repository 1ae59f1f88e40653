"""A plain client for the tests of the hub itself. Not for: testing a downloader."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from localhub.server import Hub

_TIMEOUT_S = 10.0


@dataclass
class Reply:
    """What came; ``error`` is set when it ended too early."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    error: Exception | None = None


def ask(
    address: str, headers: dict[str, str] | None = None, method: str = "GET", most: int = -1, patience_s: float = 0
) -> Reply:
    """One request on a connection of its own; no redirect is followed.

    Args:
        most: read no more of the body than so many bytes; all when negative.
        patience_s: how long to wait for a byte; ten seconds when 0.
    """
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=patience_s or _TIMEOUT_S)
    try:
        target = url.path + (f"?{url.query}" if url.query else "")
        connection.request(method, target, headers={"Accept-Encoding": "identity", **(headers or {})})
        response = connection.getresponse()
        reply = Reply(response.status, {name.lower(): value for name, value in response.getheaders()})
        try:
            while (most < 0 or len(reply.body) < most) and (piece := response.read1(65536)):
                reply.body += piece
            missing = response.length
            if most < 0 and missing:
                raise http.client.IncompleteRead(b"", missing)
        except (OSError, http.client.HTTPException) as problem:
            reply.error = problem
        return reply
    finally:
        connection.close()


def resolve(hub: Hub, repo: str, path: str, headers: dict[str, str] | None = None, revision: str = "main") -> Reply:
    """The first answer for a file: a redirect, mostly."""
    return ask(f"{hub.endpoint}/{repo}/resolve/{quote(revision, safe='')}/{quote(path)}", headers)


def fetch(hub: Hub, repo: str, path: str, headers: dict[str, str] | None = None, **how: float) -> Reply:
    """A file, over one redirect."""
    first = resolve(hub, repo, path)
    if first.status not in (302, 307):
        return first
    place = first.headers["location"]
    return ask(place if "://" in place else hub.endpoint + place, headers, **how)  # type: ignore[arg-type]

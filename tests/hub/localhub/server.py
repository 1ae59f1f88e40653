"""The hub and its CDN: routes, access, signed addresses. Not for: spoiling bodies (``sending``)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from localhub.faults import NONE, Fault, Faults
from localhub.log import Log
from localhub.origin import Handler, Origin
from localhub.repos import Entry, Repo

_TREE_PAGE = 1000
_CLEAN = Fault()


class Hub:
    """Two origins on 127.0.0.1: the hub, which knows repositories, and the CDN, which has the large files.

    Usable as a context manager; ``close`` ends every connection.
    """

    def __init__(self, port: int = 0, cdn_port: int = 0) -> None:
        self.log = Log()
        self.tokens: set[str] = {"hf_good"}
        """Tokens that are accepted; any other is answered with 401."""
        self.moved: dict[str, str] = {}
        """Old names of repositories that were renamed."""
        self.resolve_cache = True
        """Like the real hub, send plain files through a redirect to a relative address."""
        self._faults = NONE
        self._repos: dict[str, Repo] = {}
        self._lock = threading.Lock()
        self._secret = secrets.token_bytes(16)
        self._uses: dict[str, int] = {}
        self._content: dict[str, Entry] = {}
        self._origin = Origin(_HubHandler, self.log, port, self)
        self._cdn = Origin(_CdnHandler, self.log, cdn_port, self)

    @property
    def endpoint(self) -> str:
        return self._origin.address

    @property
    def cdn(self) -> str:
        return self._cdn.address

    @property
    def token(self) -> str:
        return next(iter(self.tokens), "")

    @token.setter
    def token(self, token: str) -> None:
        self.tokens = {token}

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, faults: Faults | Fault | None) -> None:
        self._faults = Faults(faults) if isinstance(faults, Fault) else faults or NONE

    def add(self, name: str, files: Mapping[str, bytes | Path], **about: Any) -> Repo:
        """A repository with one commit; ``about`` as in ``Repo``."""
        self._repos[name] = Repo(name, files, **about)
        return self._repos[name]

    def remove(self, name: str) -> None:
        del self._repos[name]

    def repo(self, name: str) -> Repo | None:
        return self._repos.get(name)

    def close(self) -> None:
        self._origin.stop()
        self._cdn.stop()

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def signed(self, entry: Entry, fault: Fault) -> str:
        """An address of a file on the CDN, good for an hour unless the fault says less."""
        key = entry.content.sha256
        seconds = 3600.0 if fault.url_seconds is None else fault.url_seconds
        expires, nonce = f"{time.time() + seconds:.3f}", secrets.token_hex(4)
        with self._lock:
            self._content[key] = entry
            if fault.url_uses is not None:
                self._uses[nonce] = fault.url_uses
        query = urlencode({"name": _bytes_of(entry.path), "exp": expires, "n": nonce})
        return f"{self.cdn}/repos/{key[:2]}/{key}?{query}&sig={self._signature(key, expires, nonce)}"

    def unsigned(self, key: str, query: dict[str, list[str]]) -> Entry | None:
        """The file of a signed address; None when the signature is wrong or has expired."""
        expires, nonce, signature = (query.get(name, [""])[0] for name in ("exp", "n", "sig"))
        if not hmac.compare_digest(signature, self._signature(key, expires, nonce)) or float(expires) < time.time():
            return None
        with self._lock:
            if nonce in self._uses:
                self._uses[nonce] -= 1
                if self._uses[nonce] < 0:
                    return None
            return self._content.get(key)

    def _signature(self, key: str, expires: str, nonce: str) -> str:
        return hmac.new(self._secret, f"{key}|{expires}|{nonce}".encode(), hashlib.sha256).hexdigest()


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class _Refused(Exception):
    """An error answer of the hub."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


class _HubHandler(Handler):
    """``/api/...`` and ``/owner/name/resolve/...``."""

    origin = "hub"

    @property
    def hub(self) -> Hub:
        return self.server.owner  # type: ignore[no-any-return]

    def respond(self) -> None:
        try:
            self._route()
        except _Refused as refused:
            headers = {"X-Error-Message": refused.message, "X-Request-Id": "Root=1-local"}
            if refused.code:
                headers["X-Error-Code"] = refused.code
            self.reply_json({"error": refused.message}, refused.status, headers)

    def _route(self) -> None:
        url = urlsplit(self.path)
        parts = url.path.split("/")[1:]
        query = parse_qs(url.query)
        if parts[:2] == ["api", "whoami-v2"]:
            self._whoami()
        elif parts[:2] == ["api", "resolve-cache"] and len(parts) > 6:
            self._resolve("/".join(parts[3:5]), parts[5], "/".join(parts[6:]), cached=True)
        elif parts[:2] == ["api", "models"] and len(parts) >= 4:
            self._api("/".join(parts[2:4]), parts[4:], query)
        elif len(parts) > 4 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]), cached=False)
        else:
            fault = self.hub.faults.pick("other", url.path, self.command)
            if not (fault and self.spoiled(fault)):
                raise _Refused(404, "", "Sorry, we can't find the page you are looking for.")

    def _whoami(self) -> None:
        if self._token() is None:
            raise _Refused(401, "", "Invalid username or password.")
        fault = self._fault("other", "whoami-v2")
        if not self.spoiled(fault):
            token = {"displayName": "test", "role": "read"}
            auth = {"type": "access_token", "accessToken": token}
            self.reply_json({"type": "user", "id": "1", "name": "tester", "fullname": "Tester", "auth": auth})

    def _api(self, name: str, rest: list[str], query: dict[str, list[str]]) -> None:
        kind = {"tree": "tree", "paths-info": "paths", "refs": "refs"}.get(rest[0] if rest else "", "info")
        fault = self._fault(kind, name)
        if self.spoiled(fault):
            return
        if name in self.hub.moved:
            self.reply(307, headers={"Location": self.path.replace(name, self.hub.moved[name], 1)})
            return
        repo = self._readable(name)
        sha = repo.sha if kind == "refs" else self._commit(repo, rest[1] if len(rest) > 1 else "main")
        headers: dict[str, str] = {}
        if kind == "tree":
            said, headers = self._tree(repo, sha, "/".join(rest[2:]), query)
        elif kind == "paths":
            wanted = parse_qs(self.log.body.decode()).get("paths", [])
            said = [e.tree_entry() for path, e in repo.entries(sha).items() if path in wanted]
        elif kind == "refs":
            said = repo.refs()
        else:
            said = repo.info(sha, blobs=bool(query.get("blobs")))
        if fault.tamper:
            said = fault.tamper(said)
        if fault.then:
            fault.then()
        self.reply_json(said, headers={**headers, **(fault.headers or {})})

    def _tree(
        self, repo: Repo, sha: str, folder: str, query: dict[str, list[str]]
    ) -> tuple[list[dict[str, Any]], dict[str, str]]:
        start = int(query.get("cursor", ["0"])[0])
        inside = unquote(folder) + "/" if folder else ""
        entries = [e for path, e in sorted(repo.entries(sha).items()) if path.startswith(inside)]
        page = [e.tree_entry() for e in entries[start : start + _TREE_PAGE]]
        if start + _TREE_PAGE >= len(entries):
            return page, {}
        url = urlsplit(self.path)
        following = urlencode({**{k: v[0] for k, v in query.items()}, "cursor": start + _TREE_PAGE})
        return page, {"Link": f'<{self.hub.endpoint}{url.path}?{following}>; rel="next"'}

    def _resolve(self, name: str, revision: str, quoted: str, cached: bool) -> None:
        path = unquote(quoted, errors="surrogatepass")
        self.log.file = path
        if name in self.hub.moved:
            self.reply(307, headers={"Location": self.path.replace(name, self.hub.moved[name], 1)})
            return
        repo = self.hub.repo(name)
        entry = repo.entries(repo.sha).get(path) if repo else None
        plain_here = entry is not None and not entry.lfs and (cached or not self.hub.resolve_cache)
        fault = self._fault("file" if plain_here else "resolve", path)
        if self.spoiled(fault):
            return
        repo = self._readable(name, its_files=True)
        sha = self._commit(repo, revision)
        entry = repo.entries(sha).get(path)
        if entry is None:
            raise _Refused(404, "EntryNotFound", "Entry not found")
        if fault.then:
            fault.then()
        self._send_or_point(repo, sha, entry, fault, cached)

    def _send_or_point(self, repo: Repo, sha: str, entry: Entry, fault: Fault, cached: bool) -> None:
        size = str(entry.lies.get("linked_size", entry.content.size))
        headers = {"X-Repo-Commit": sha, "X-Linked-Size": size, "X-Linked-Etag": f'"{entry.etag}"'}
        if entry.lfs:
            place = self.hub.signed(entry, fault)
            self.reply(302, headers={**headers, "Location": place, "Accept-Ranges": "bytes", **(fault.headers or {})})
        elif self.hub.resolve_cache and not cached:
            place = f"/api/resolve-cache/models/{repo.name}/{sha}/{quote(_bytes_of(entry.path))}"
            self.reply(307, headers={**headers, "ETag": f'"{entry.etag}"', "Location": place, **(fault.headers or {})})
        else:
            self.log.kind = "file"
            self.reply_file(entry.content, entry.etag, {"X-Repo-Commit": sha}, fault)

    def _fault(self, kind: str, path: str) -> Fault:
        self.log.kind = kind
        self.log.file = self.log.file or path
        return self.hub.faults.pick(kind, path, self.command) or _CLEAN

    def _token(self) -> str | None:
        """The token of the request, when it is a good one; None without."""
        said = self.asked.get("authorization")
        if said is None:
            return None
        token = said.removeprefix("Bearer ")
        known = self.hub.tokens | {repo.token for repo in self.hub._repos.values() if repo.token}
        if token not in known:
            raise _Refused(401, "", "Invalid credentials in Authorization header")
        return token

    def _readable(self, name: str, its_files: bool = False) -> Repo:
        """The repository, when this request may see it (or its files).

        The listing of a gated repository is public, its files are not.
        """
        token, repo = self._token(), self.hub.repo(name)
        allowed = repo is not None and token is not None and (repo.token or token) == token
        if repo is None or (repo.private and not allowed):
            raise _Refused(404 if token else 401, "RepoNotFound", "Repository not found")
        if repo.disabled:
            raise _Refused(403, "", "Access to this resource is disabled.")
        if repo.gated and its_files and not allowed:
            raise self._gated(name, token)
        return repo

    def _gated(self, name: str, token: str | None) -> _Refused:
        if token is None:
            message = (
                f"Access to model {name} is restricted. You must have access to it and be authenticated to access it."
            )
            return _Refused(401, "GatedRepo", message + " Please log in.")
        message = f"Access to model {name} is restricted and you are not in the authorized list."
        return _Refused(403, "GatedRepo", message + f" Visit {self.hub.endpoint}/{name} to ask for access.")

    def _commit(self, repo: Repo, revision: str) -> str:
        sha = repo.resolve(unquote(revision))
        if sha is None:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {unquote(revision)}")
        return sha


class _CdnHandler(Handler):
    """``/repos/XX/DIGEST?...``: files by signed address; no token may come here."""

    origin = "cdn"

    def respond(self) -> None:
        hub: Hub = self.server.owner
        url = urlsplit(self.path)
        query = parse_qs(url.query, errors="surrogatepass")
        self.log.kind = "file"
        self.log.file = query.get("name", [""])[0]
        if "authorization" in self.asked:
            self._refuse(400, "InvalidArgument", "Only one auth mechanism allowed")
            return
        fault = hub.faults.pick("file", self.log.file, self.command) or _CLEAN
        if self.spoiled(fault):
            return
        entry = hub.unsigned(url.path.rsplit("/", 1)[-1], query)
        if entry is None:
            self._refuse(403, "AccessDenied", "Request has expired")
            return
        etag = hashlib.md5(entry.content.sha256.encode()).hexdigest()
        self.reply_file(entry.content, etag, {}, fault)

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        self.reply(status, body.encode(), {"Content-Type": "application/xml"})

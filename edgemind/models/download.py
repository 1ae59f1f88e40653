"""The one door to a network: asks a hub what a repository holds, and opens its files.

Only ``edgemind pull`` and ``edgemind catalog check --online`` import this. Lists, sizes and hashes come through
``huggingface_hub``; the transfer itself is ``transfer``'s, since that library's accepts a flipped byte and does not
resume (``docs/reliability.md``). A token goes to the hub and nowhere else; plain ``http`` is for loopback only.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from edgemind import __version__
from edgemind.errors import AccessDenied, EdgemindError, ModelNotFound, NetworkProblem, UsageError
from edgemind.models.hubs import is_loopback, origin
from edgemind.models.remote import STRONG_ETAG, Body, RangeRefused, RemoteFile, RemoteRepository, Transient
from edgemind.models.store.manifest import SHA256, is_file_path
from edgemind.terminal import clean_line

USER_AGENT = f"edgemind/{__version__}"
MAX_LISTING = 16 << 20
"""Bytes of an answer that is not a file: that of 40,000 files. JSON needs up to thirty times as much memory."""
LISTING_SECONDS = 120.0
"""An answer that is not a file has to be there after so long."""
MAX_SIZE = 1 << 43
CONNECT_SECONDS = 20.0
SILENCE_SECONDS = 30.0
"""A connection that says nothing for so long is given up and tried again."""
MAX_REDIRECTS = 5

STREAMED = "edgemind.streamed"
"""Marks requests whose answer is taken piece by piece; any other is read whole, so it has to be bounded."""
_LISTING_HEADERS = ("user-agent", "accept", "accept-encoding", "authorization", "host", "connection")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-[0-9]{1,19}/([0-9]{1,19}|\*)")
_GIT_OID = re.compile(r"[0-9a-f]{40}")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


class HubClient:
    """One hub, one token, one set of connections. A context manager.

    Args:
        endpoint: the hub's address, as ``hubs.endpoint()`` checked it.
        token: sent to that address only; ``None`` for none.
    """

    def __init__(self, endpoint: str, token: str | None = None) -> None:
        if os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in ("1", "true", "yes", "on"):
            raise UsageError("HF_HUB_OFFLINE is set, so nothing may be fetched.", "unset HF_HUB_OFFLINE")
        self.endpoint = endpoint
        self._token = token
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        import huggingface_hub

        huggingface_hub.set_client_factory(self._new_client)
        try:
            self._client: Any = huggingface_hub.get_session()
        except ImportError as problem:
            raise NetworkProblem(
                "The proxy of this environment is a SOCKS proxy, and the package for that is not installed.",
                "pip install socksio",
            ) from problem
        except Exception as problem:
            raise NetworkProblem(
                f"The network cannot be set up: {_said(problem)}.", "Look at HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE."
            ) from problem
        self._http = _http_library()

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_: object) -> None:
        import huggingface_hub

        huggingface_hub.close_session()

    def repository(self, repo: str, revision: str | None = None) -> RemoteRepository:
        """What a repository holds at a revision (a branch, a tag, a commit), pinned to its commit.

        Raises:
            ModelNotFound: the hub has no such repository or revision, or does not show it without a token.
            AccessDenied: it is gated, or the token is not taken.
            NetworkProblem: no network, or an answer that makes no sense.
            Transient: worth another try.
        """
        from huggingface_hub import HfApi

        headers = {"user-agent": USER_AGENT}
        api = HfApi(endpoint=self.endpoint, token=self._token or False, headers=headers)
        try:
            info = api.model_info(repo, revision=revision, files_metadata=True, timeout=SILENCE_SECONDS)
        except (EdgemindError, Transient):
            raise
        except Exception as problem:
            raise self._refused(problem, repo, revision) from problem
        return self._checked(info, repo)

    def open(self, repository: RemoteRepository, file: RemoteFile, start: int, validator: str | None) -> Body:
        """The bytes of a file from ``start`` on; from 0 when the server gives no ranges or the validator is stale.

        Raises:
            RangeRefused: the file has nothing from there on.
            Transient: worth another try.
            ModelNotFound, AccessDenied, NetworkProblem: as ``repository``.
        """
        path = "/".join(quote(part) for part in file.path.split("/"))
        url = f"{self.endpoint}/{repository.id}/resolve/{repository.commit}/{path}"
        headers = {"user-agent": USER_AGENT, "accept-encoding": "identity"}
        if start:
            headers["range"] = f"bytes={start}-"
            if validator:
                headers["if-range"] = validator
        response = self._get(url, headers)
        try:
            return self._body(response, repository, file, start)
        except BaseException:
            response.close()
            raise

    def _get(self, url: str, headers: dict[str, str]) -> Any:
        """Follow redirects by hand: the token is for the hub's own address only."""
        for _ in range(MAX_REDIRECTS):
            secret = {"authorization": f"Bearer {self._token}"} if self._token and self._is_hub(url) else {}
            try:
                request = self._client.build_request(
                    "GET", url, headers={**headers, **secret}, extensions={STREAMED: True}
                )
                response = self._client.send(request, stream=True, follow_redirects=False, auth=None)
            except EdgemindError:
                raise
            except self._http.InvalidURL as problem:
                raise NetworkProblem(f"The hub sends to an address that is none: {_said(problem)}.") from problem
            except Exception as problem:
                raise self._broken(problem) from problem
            if response.status_code not in (301, 302, 303, 307, 308):
                return response
            target = response.headers.get("location", "")
            response.close()
            try:
                url = urljoin(url, target)
            except ValueError as problem:
                raise NetworkProblem("The hub sends to an address that is none.", "Try again later.") from problem
        raise NetworkProblem("The hub sends from one address to the next without end.", "Try again later.")

    def _body(self, response: Any, repository: RemoteRepository, file: RemoteFile, start: int) -> Body:
        status = response.status_code
        if status == 416:
            raise RangeRefused
        expired = 400 <= status < 500 and status != 429
        if expired and not self._is_hub(str(response.request.url)):
            raise Transient("The address that the hub gave for the file is not good any more.")
        if status not in (200, 206):
            raise self._status(response, repository.id, file.path)
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise NetworkProblem(f"The hub sends {file.path} compressed, although it was asked not to.")
        offset, total = 0, _number(response.headers.get("content-length"))
        if status == 206:
            found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
            if not found or int(found[1]) != start:
                raise Transient("The hub sent another part of the file than was asked for.")
            offset, total = start, _number(found[2])
        etag = response.headers.get("etag", "")
        validator = etag if STRONG_ETAG.fullmatch(etag) else None
        return _Body(response, offset, total, validator, self._broken)

    def _checked(self, info: Any, repo: str) -> RemoteRepository:
        """Only what is plain."""
        commit = info.sha
        if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
            raise NetworkProblem(f"{self.endpoint} does not answer as a hub does: it names no commit of {repo}.")
        siblings = list(info.siblings or ())
        files = [file for file in map(_checked_file, siblings) if file]
        gguf: Mapping[str, Any] = info.gguf if isinstance(info.gguf, dict) else {}
        card: Any = info.card_data
        architecture = gguf.get("architecture")
        licence = getattr(card, "license", None)
        if licence in ("other", None):
            licence = getattr(card, "license_name", None) or licence
        return RemoteRepository(
            id=repo,
            commit=commit,
            files=tuple({file.path: file for file in files}.values()),
            endpoint=self.endpoint,
            licence=clean_line(licence)[:80] if isinstance(licence, str) and licence else None,
            gated=bool(info.gated),
            context=_number(gguf.get("context_length")),
            architecture=architecture if isinstance(architecture, str) and _WORD.fullmatch(architecture) else None,
            left_out=len(siblings) - len(files),
        )

    def _new_client(self) -> Any:
        """The client that the library and the transfer share; proxies and certificates come from the environment."""
        http = _http_library()
        timeout = http.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        hooks = {"request": [self._guard], "response": [_bounded(http)]}
        return http.Client(timeout=timeout, follow_redirects=True, max_redirects=MAX_REDIRECTS, event_hooks=hooks)

    def _guard(self, request: Any) -> None:
        """Every request passes here, those of a redirect too."""
        url = urlsplit(str(request.url))
        host = url.hostname or ""
        own_machine = url.scheme == "http" and is_loopback(host) and self.endpoint.startswith("http:")
        if url.scheme != "https" and not own_machine:
            raise NetworkProblem(
                f"The hub sends to {clean_line(url.scheme)}://{clean_line(host)}, which is not encrypted; not followed."
            )
        if STREAMED not in request.extensions:
            request.headers["accept-encoding"] = "identity"
        if not self._is_hub(str(request.url)):
            request.headers.pop("authorization", None)
        for name in list(request.headers):
            if name.lower() not in (*_LISTING_HEADERS, "range", "if-range", "proxy-authorization"):
                del request.headers[name]

    def _is_hub(self, url: str) -> bool:
        try:
            return origin(self.endpoint) == origin(url)
        except ValueError:
            return False

    def _refused(self, problem: Exception, repo: str, revision: str | None) -> Exception:
        """What ``huggingface_hub`` raised, as one of ours."""
        response = getattr(problem, "response", None)
        if response is not None:
            return self._status(response, repo, None, revision)
        if isinstance(problem, (self._http.RequestError, OSError)):
            return self._broken(problem)
        return NetworkProblem(
            f"{self.endpoint} does not answer as a hub does ({_said(problem)}).",
            "Is there a login page of this network in between? Open any page in a browser, then try again.",
        )

    def _status(self, response: Any, repo: str, path: str | None, revision: str | None = None) -> Exception:
        """An error status, as a sentence and the next command."""
        status, code = response.status_code, response.headers.get("x-error-code", "")
        page = f"{self.endpoint}/{repo}"
        what = f"{repo}/{path}" if path else repo
        if status == 429 or status >= 500:
            busy = "asks to wait" if status == 429 else f"has trouble of its own (HTTP {status})"
            return Transient(f"The hub {busy}.", _retry_after(response.headers))
        if code == "GatedRepo":
            if self._token:
                return AccessDenied(f"{repo} is gated and not yet open to your token.", f"Ask for access at {page}")
            return AccessDenied(
                f"{repo} is gated: its licence has to be accepted on the hub.",
                f"Accept it at {page}, then `edgemind login` (or set HF_TOKEN) and pull again.",
            )
        if code == "RevisionNotFound":
            return ModelNotFound(f"{repo} has no revision {revision!r}.", f"Leave it out: edgemind pull {repo}")
        if code == "EntryNotFound":
            return ModelNotFound(f"{what} is not there.", f"edgemind pull {repo} --dry-run")
        if status in (401, 403) and self._token and code != "RepoNotFound":
            return AccessDenied(
                f"The hub does not take your token for {repo}.",
                "Is it still valid? `edgemind login` stores another one.",
            )
        if status in (401, 403, 404):
            private = "" if self._token else " If it is private: `edgemind login`, then pull again."
            return ModelNotFound(f"The hub has no repository {repo}, or hides it.", f"Check the spelling.{private}")
        if status == 407:
            return NetworkProblem("The proxy wants a name and password.", "HTTP_PROXY=http://NAME:PASSWORD@HOST:PORT")
        return NetworkProblem(f"The hub answers HTTP {status} for {what}.", "Try again later.")

    def _broken(self, problem: Exception) -> Exception:
        """A transport that failed: some are worth another try, some are not."""
        if isinstance(problem, Transient | EdgemindError):
            return problem
        asked = getattr(problem, "_request", None)
        host = clean_line(urlsplit(str(asked.url) if asked else self.endpoint).netloc)
        said = _said(problem)
        if isinstance(problem, self._http.ProxyError):
            return NetworkProblem(f"The proxy does not let through: {said}.", "Look at HTTPS_PROXY and NO_PROXY.")
        if "CERTIFICATE" in said.upper():
            return NetworkProblem(
                f"The certificate of {host} cannot be trusted: {said}.",
                "Behind a company proxy, name its certificate: SSL_CERT_FILE=ca.pem",
            )
        if isinstance(problem, self._http.ConnectError | self._http.ConnectTimeout):
            through = " through the proxy of this environment" if _is_proxied(self.endpoint) else ""
            return Unreachable(f"{host} cannot be reached{through} ({said}).")
        if isinstance(problem, self._http.TimeoutException):
            return Transient(f"The hub said nothing for {SILENCE_SECONDS:.0f} s.")
        if isinstance(problem, self._http.UnsupportedProtocol | self._http.TooManyRedirects):
            return NetworkProblem(f"The hub sends to where it cannot be followed: {said}.", "Try again later.")
        return Transient(f"The connection broke ({said}).")


class Unreachable(Transient):
    """No connection came about at all."""


class _Body:
    """The bytes of a response, and its errors as ours."""

    def __init__(self, response: Any, offset: int, total: int | None, validator: str | None, broken: Any) -> None:
        self.offset = offset
        self.total = total
        self.validator = validator
        self._response = response
        self._broken = broken

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_raw()
        except Exception as problem:
            raise self._broken(problem) from problem

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._response.close()


def _http_library() -> Any:
    """The HTTP library that ``huggingface_hub`` stands on: its name changed between versions, its face did not."""
    import huggingface_hub.errors as module

    base = next(cls for cls in module.HfHubHTTPError.__mro__ if cls.__name__ == "HTTPError")
    return sys.modules[base.__module__.partition(".")[0]]


def _bounded(http: Any) -> Any:
    """A response hook: what is read whole is bounded in bytes and seconds, and not compressed: a bomb needs no more."""

    class Limited(http.SyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            read, ends = 0, time.monotonic() + LISTING_SECONDS
            for part in self._stream:
                read += len(part)
                if read > MAX_LISTING:
                    raise NetworkProblem("The hub's answer is too long to be a list of files.", "Is it a hub at all?")
                if time.monotonic() > ends:
                    raise Transient(f"The hub's answer was not complete after {LISTING_SECONDS:.0f} s.")
                yield part

        def close(self) -> None:
            self._stream.close()

    def hook(response: Any) -> None:
        if STREAMED in response.request.extensions:
            return
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise NetworkProblem("The hub sends its list compressed, although it was asked not to.", "Try another hub.")
        response.stream = Limited(response.stream)

    return hook


def _checked_file(sibling: Any) -> RemoteFile | None:
    path, size = sibling.rfilename, sibling.size
    if not isinstance(path, str) or not is_file_path(path):
        return None
    lfs = sibling.lfs
    digest = getattr(lfs, "sha256", None)
    if lfs is not None:
        size = getattr(lfs, "size", size)
        if not isinstance(digest, str) or not SHA256.fullmatch(digest):
            return None
    oid = sibling.blob_id if isinstance(sibling.blob_id, str) and _GIT_OID.fullmatch(sibling.blob_id) else None
    if not digest and not oid:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE:
        return None
    return RemoteFile(path, size, digest, oid)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from ``Retry-After`` or the ``t`` of ``RateLimit``."""
    given = headers.get("retry-after", "").strip()
    limit = re.search(r"\bt\s*=\s*([0-9]{1,6})\b", headers.get("ratelimit", ""))
    text = given if re.fullmatch("[0-9]{1,6}", given) else limit[1] if limit else ""
    return float(text) if text else None


def _number(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _said(problem: Exception) -> str:
    """What a library said, on one line and without the addresses that may hold a signature."""
    text = re.sub(r"\w+://\S+", "...", str(problem).strip() or type(problem).__name__)
    return clean_line(" ".join(text.split()))[:160].rstrip(".")


def _is_proxied(url: str) -> bool:
    """Whether the environment sends requests to this address through a proxy."""
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    scheme, host, _ = origin(url)
    return bool(proxies.get(scheme) or proxies.get("all")) and not proxy_bypass(host)

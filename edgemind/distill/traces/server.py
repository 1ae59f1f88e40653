"""A teacher behind an address that speaks OpenAI's chat completions, such as a cluster's vLLM.

The only part of distillation that sends anything anywhere. Nothing uses it unless a recipe names an address; one that
is not on this machine needs ``--allow-network`` as well, and ``ServerWriter.notice`` is to be shown before.
Redirects are refused, certificates are checked, no proxy is used, and every answer is bounded in bytes and time.
Not for: which texts are kept (``accept``).
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import email.utils
import http.client
import ipaddress
import json
import os
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ValidationError, field_validator

from edgemind.distill.problems.base import Problem
from edgemind.distill.traces.trace import PART, Written, samples_of, seed_of
from edgemind.engine.reasoning import FORMATS, ReasoningParser
from edgemind.errors import AccessDenied, NetworkProblem, UsageError
from edgemind.terminal import clean

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import TraceSampling

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 600.0
"""From the request to the last byte of its answer."""
MOST_BYTES = 16 << 20
TRIES = 6
UNREACHED = 2
"""Tries while the server has never answered yet: most likely it is not running."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the second try, doubled each time; and the most that a server's ``Retry-After`` is listened to."""
TRY_AGAIN = frozenset((408, 425, 429, *range(500, 600)))
TOO_LONG = frozenset((400, 413, 422))
"""With these a server says, among other things, that a problem does not fit the model's context."""
_PIECE = 1 << 16


class _Message(BaseModel):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    """How much was written; a server that does not say it well is no worse a teacher."""

    completion_tokens: int = 0

    @field_validator("completion_tokens", mode="before")
    @classmethod
    def _or_unknown(cls, value: object) -> int:
        return value if type(value) is int and 0 <= value < MOST_BYTES else 0


class _Reply(BaseModel):
    """What is read of an answer; whatever else a server says is left aside."""

    choices: list[_Choice]
    usage: _Usage | None = None

    @field_validator("usage", mode="before")
    @classmethod
    def _or_nothing(cls, value: object) -> object:
        return value if isinstance(value, dict) else None


@dataclass(frozen=True)
class _Answer:
    status: int
    wait: float | None
    """Seconds that the server asks to be left alone."""
    body: bytes


class _Busy(Exception):
    """A try that failed in a way that may pass. ``wait``: what the server asked for, in seconds."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.why, self.wait = why, wait


class _TooLong(Exception):
    """A problem that does not fit the model's context, in the server's words."""


class ServerWriter:
    """Writes through a server.

    Args:
        url: up to and with ``/v1``.
        model: what the server calls it.
        key_variable: name of the environment variable that holds the key. Its value is read for each request, sent to
            this address alone, and kept nowhere.
        allow_network: that problems may leave this machine.
        requests: at once.

    Raises:
        UsageError: the address cannot be used, or is not on this machine and that is not allowed; the key is missing,
            or would go over a public network unencrypted.
    """

    def __init__(
        self, url: str, model: str, key_variable: str | None = None, *, allow_network: bool = False, requests: int = 16
    ) -> None:
        self._at = _address(url)
        self._local = _is_loopback(self._at.hostname or "")
        self.model, self.name = model, model
        self.requests = max(1, requests)
        self.part = max(PART, 8 * self.requests)
        self._key_variable = key_variable
        if not self._local and not allow_network:
            raise UsageError(
                f"The teacher's server {clean(self.place)} is not on this machine; every problem would be sent there.",
                "If that is meant, run the same command with --allow-network.",
            )
        if key_variable:
            self._key()
            if self._at.scheme == "http" and not _is_private(self._at.hostname or ""):
                raise UsageError(
                    f"The key in {key_variable} would go to {clean(self.place)} so that anyone on the way can read it.",
                    "Use an https:// address.",
                )
        self._stop = threading.Event()
        self._reached = False
        self._open: set[http.client.HTTPConnection] = set()
        """Connections that somebody waits for; touched under the lock."""
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        """Host and port."""
        return self._at.netloc

    @property
    def notice(self) -> str:
        """What the user has to be told; empty when the server is on this machine."""
        if self._local:
            return ""
        how = "encrypted" if self._at.scheme == "https" else "NOT ENCRYPTED"
        return f"THE NETWORK IS USED: every problem is sent to {clean(self.place)}, {how}; the answers come from there."

    def write(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        """See ``Writer``. The same seed goes with the same text, which is as far as it repeats itself.

        A problem that does not fit the model's context counts as cut.

        Raises:
            NetworkProblem: the server cannot be reached, or refuses, or answers nonsense, after several tries; or
                nothing fits its context.
            AccessDenied: it does not take the key.
        """
        samples = samples_of(samples, sampling)
        wanted = ((index, sample) for index in range(len(problems)) for sample in range(samples))
        waiting: deque[tuple[int, concurrent.futures.Future[Written]]] = deque()
        texts: list[Written] = []
        long, fits = "", False
        self._stop.clear()
        with concurrent.futures.ThreadPoolExecutor(self.requests, "teacher") as pool:
            try:
                while True:
                    while len(waiting) < 2 * self.requests and (one := next(wanted, None)):
                        index, sample = one
                        body = self._body(problems[index], sampling, seed_of(seed, problems[index], sample))
                        waiting.append((index, pool.submit(self._ask, body)))
                    if not waiting:
                        if long and not fits:
                            raise NetworkProblem(
                                f"Nothing fits the context of the teacher's server {clean(self.place)}{long}.",
                                "Lower traces.max_tokens, or start the server with a longer context.",
                            )
                        return
                    index, future = waiting.popleft()
                    try:
                        texts.append(future.result())
                        fits = True
                    except _TooLong as problem:
                        long = str(problem)
                        texts.append(Written("", "", 0, False))
                    if len(texts) == samples:
                        yield index, texts
                        texts = []
            finally:
                for _, future in waiting:
                    future.cancel()
                self.close()

    def close(self) -> None:
        """Nothing is held between two calls; answers that are still waited for are waited for no longer."""
        with self._lock:
            self._stop.set()
            for connection in self._open:
                _shut(connection)

    def _body(self, problem: Problem, sampling: TraceSampling, seed: int) -> bytes:
        turns = [{"role": "system", "content": problem.system}] if problem.system is not None else []
        for user, assistant in problem.history:
            turns += [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [*turns, {"role": "user", "content": problem.prompt}],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": seed,
            "stream": False,
        }
        if not problem.thinking:
            body["chat_template_kwargs"] = {"enable_thinking": False}
        return json.dumps(body).encode()

    def _ask(self, body: bytes) -> Written:
        """One text, tried again while the server is busy."""
        chance = random.Random(body)
        for number in range(TRIES):
            last = TRIES - 1 if self._reached else UNREACHED - 1
            if self._stop.is_set():
                return Written("", "", 0, False)
            try:
                return self._read(self._post(body))
            except _Busy as busy:
                if number >= last:
                    raise NetworkProblem(
                        f"The teacher's server {clean(self.place)} did not answer in {number + 1} tries: {busy.why}.",
                        "Start it, or lower traces.sequences, and run the same command again; what is written is kept.",
                    ) from busy
                wait = FIRST_WAIT * 2**number * (0.5 + chance.random())
                self._stop.wait(min(LONGEST_WAIT, max(wait, busy.wait or 0.0)))
        raise AssertionError

    def _post(self, body: bytes) -> _Answer:
        """One try.

        Raises:
            _Busy: there was no connection, or no answer in time.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        if self._key_variable:
            headers["Authorization"] = f"Bearer {self._key()}"
        connection = self._connection()
        end = time.monotonic() + ANSWER_SECONDS
        watch = threading.Timer(ANSWER_SECONDS, _shut, (connection,))
        watch.daemon = True
        try:
            connection.connect()
            self._check_peer(connection)
            if connection.sock:
                connection.sock.settimeout(ANSWER_SECONDS)
            with self._lock:
                self._open.add(connection)
                if self._stop.is_set():
                    _shut(connection)
            watch.start()
            connection.request("POST", self._at.path.rstrip("/") + "/chat/completions", body, headers)
            response = connection.getresponse()
            self._reached = True
            data = bytearray()
            while piece := response.read1(_PIECE):
                data += piece
                if len(data) > MOST_BYTES:
                    raise NetworkProblem(
                        f"The teacher's server {clean(self.place)} sends over {MOST_BYTES >> 20} MB for one answer.",
                        "Lower traces.max_tokens.",
                    )
                if time.monotonic() > end:
                    raise _Busy("its answer took too long")
            if response.length:
                raise _Busy("its answer broke off")
            return _Answer(response.status, _seconds(response.getheader("Retry-After")), bytes(data))
        except ssl.SSLCertVerificationError as problem:
            raise NetworkProblem(
                f"The certificate of {clean(self.place)} cannot be trusted: {clean(problem.verify_message)}.",
                "Give the server a certificate that this machine trusts (SSL_CERT_FILE names one of your own).",
            ) from problem
        except (OSError, http.client.HTTPException) as problem:
            raise _Busy(clean(str(problem) or type(problem).__name__)[:200]) from problem
        finally:
            watch.cancel()
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._at.hostname or "", self._at.port
        if self._at.scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=CONNECT_SECONDS, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)

    def _check_peer(self, connection: http.client.HTTPConnection) -> None:
        """A name that is taken for this machine has to be this machine."""
        if self._local and connection.sock is not None:
            peer = str(connection.sock.getpeername()[0])
            if not _is_loopback(peer):
                raise NetworkProblem(
                    f"{clean(self.place)} leads to {clean(peer)}, which is not this machine; nothing was sent.",
                    "Write 127.0.0.1 in its place.",
                )

    def _read(self, answer: _Answer) -> Written:
        if answer.status in TRY_AGAIN:
            raise _Busy(f"it says {answer.status}{_said(answer.body)}", answer.wait)
        if answer.status in (401, 403):
            raise AccessDenied(
                f"The teacher's server {clean(self.place)} does not let us in ({answer.status}){_said(answer.body)}.",
                "Name the environment variable with its key: key_variable in [teacher].",
            )
        if 300 <= answer.status < 400:
            raise NetworkProblem(
                f"The teacher's server {clean(self.place)} sends us elsewhere ({answer.status}); that is not followed.",
                "Write the final address into [teacher].",
            )
        if answer.status in TOO_LONG and "context" in _said(answer.body).lower():
            raise _TooLong(_said(answer.body))
        if answer.status != 200:
            raise NetworkProblem(
                f"The teacher's server {clean(self.place)} refuses ({answer.status}){_said(answer.body)}.",
                f"Look at server and served_model in [teacher]: it was asked for {clean(self.model)!r}.",
            )
        try:
            reply = _Reply.model_validate_json(answer.body)
        except ValidationError as problem:
            raise self._nonsense() from problem
        if not reply.choices:
            raise self._nonsense()
        choice = reply.choices[0]
        thought, text = _parted(choice.message)
        tokens = reply.usage.completion_tokens if reply.usage else 0
        return Written(thought, text, tokens or 1 + (len(thought) + len(text)) // 4, choice.finish_reason == "stop")

    def _nonsense(self) -> NetworkProblem:
        return NetworkProblem(
            f"The teacher's server {clean(self.place)} answers, but not with a chat completion.",
            "It must speak OpenAI's API, and its address end in /v1.",
        )

    def _key(self) -> str:
        """The key. Nobody keeps it.

        Raises:
            UsageError: the variable is not set, or holds what no key is.
        """
        key = os.environ.get(self._key_variable or "", "").strip()
        if not key or not key.isprintable() or not key.isascii():
            raise UsageError(
                f"The environment variable {self._key_variable} holds no key for the teacher's server.",
                f"Set it: export {self._key_variable}=...",
            )
        return key


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    unfit = parts.username or parts.password or parts.query or parts.fragment or not url.isprintable() or " " in url
    if parts.scheme not in ("http", "https") or not parts.hostname or unfit:
        raise UsageError(
            f"The teacher's server is an address such as http://localhost:8000/v1, not {clean(url)[:200]!r}.",
            "A key never stands in it; name its environment variable with key_variable.",
        )
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _is_private(host: str) -> bool:
    """An address within one's own network, as far as the address itself tells."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_private
    return False


def _parted(message: _Message) -> tuple[str, str]:
    """Thought and answer, whether the server parts them or leaves the tags in the text."""
    text = message.content or ""
    apart = message.reasoning_content or message.reasoning
    if apart:
        return apart.strip(), text.strip()
    inside = "</think>" in text and "<think>" not in text.partition("</think>")[0]
    parser = ReasoningParser(FORMATS["think"], inside)
    pieces = [*parser.feed(text), *parser.finish()]
    thought, answer = ("".join(one.text for one in pieces if one.kind == kind) for kind in ("thinking", "answer"))
    return thought.strip(), answer.strip()


def _said(body: bytes) -> str:
    """The server's own words about what is wrong, short and clean; empty without any."""
    try:
        found = json.loads(body)
        error = found.get("error", found)
        words = error.get("message") if isinstance(error, dict) else error
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f": {clean(' '.join(words.split()))[:200]}" if isinstance(words, str) and words else ""


def _seconds(header: str | None) -> float | None:
    """``Retry-After``, as seconds or as a date."""
    if not header:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(header))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    return None


def _shut(connection: http.client.HTTPConnection) -> None:
    """End a connection that another thread waits for."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(2)

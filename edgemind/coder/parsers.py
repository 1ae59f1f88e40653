"""Syntax trees of files that may be hostile: the parent's side of jailed children that parse.

A child that takes too long, or that a grammar's own bug ends, costs one file its tree and nothing else.
Not for: what is found in a tree (``symbols``, ``syntax_errors``), the child itself (``parser_child``).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from edgemind.coder.symbols import Definition, Outline, outline_without_tree
from edgemind.coder.syntax_errors import SyntaxProblem
from edgemind.privacy import jail

START_SECONDS = 30.0
ANSWER_SECONDS = 5.0
"""Until a child is killed; it gives up by itself, with what it has, before that."""

MOST_ANSWER = 16 << 20
"""Bytes of one answer."""

MOST_CHILDREN = 4


class _Lost(Exception):
    """The child ended, or was ended, without an answer; the reason as the end of a sentence."""


class _Child:
    """One child and the pipe to it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            jail.sandbox_command([sys.executable, "-u", "-m", "edgemind.coder.parser_child"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=jail.scrubbed_environment(),
            cwd=sys.prefix,
            start_new_session=True,
        )
        self._buffer = b""
        self._ready = False

    def ask(self, what: str, language: str, data: bytes) -> dict[str, Any]:
        """Raises ``_Lost``."""
        assert self._process.stdin
        if not self._ready:
            self._answer(START_SECONDS)
            self._ready = True
        head = json.dumps({"what": what, "language": language, "size": len(data)}).encode("ascii")
        try:
            self._process.stdin.write(head + b"\n" + data)
            self._process.stdin.flush()
        except OSError:
            raise _Lost("its parser stopped") from None
        return self._answer(ANSWER_SECONDS)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    def _answer(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            pieces = [self._buffer]
            size = len(self._buffer)
            while b"\n" not in pieces[-1]:
                if not waiting.select(max(0.0, end - time.monotonic())):
                    raise _Lost("it takes too long to parse")
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                size += len(piece)
                if not piece:
                    raise _Lost("its parser stopped")
                if size > MOST_ANSWER:
                    raise _Lost("it defines too much")
                pieces.append(piece)
        line, _, self._buffer = b"".join(pieces).partition(b"\n")
        words = json.loads(line)
        assert isinstance(words, dict)
        return words


class Parsers:
    """Children that parse, started when they are needed. Methods may be called from any thread."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most or max(1, min(MOST_CHILDREN, os.cpu_count() or 1))
        self._idle: list[_Child] = []
        self._lock = threading.Lock()

    def problems(self, language: str, data: bytes) -> tuple[SyntaxProblem, ...]:
        """What is wrong with a text; nothing when it could not be parsed."""
        try:
            found = self._ask("problems", language, data)
        except _Lost:
            return ()
        return tuple(SyntaxProblem(line, column, message) for line, column, message in found["problems"])

    def outline(self, language: str | None, data: bytes) -> Outline:
        """What a file defines and refers to; by the look of its lines when it could not be parsed."""
        if language is None:
            return outline_without_tree(data)
        try:
            found = self._ask("outline", language, data)
        except _Lost as problem:
            return outline_without_tree(data, str(problem), language)
        definitions = tuple(Definition(sys.intern(name), *rest) for name, *rest in found["definitions"])
        references = {sys.intern(name): count for name, count in found["references"].items()}
        imports = frozenset(map(sys.intern, found["imports"]))
        return Outline(language, definitions, references, imports, found["problem"])

    def outlines(
        self, keys: Iterable[str], load: Callable[[str], tuple[str | None, bytes] | None]
    ) -> Iterator[tuple[str, Outline | None]]:
        """The outlines of many files, in the order of their keys.

        Args:
            load: the language and the bytes of one, called on several threads; ``None`` leaves it out.
        """

        def one(key: str) -> tuple[str, Outline | None]:
            loaded = load(key)
            return key, self.outline(*loaded) if loaded else None

        pool = ThreadPoolExecutor(self.most)
        try:
            yield from pool.map(one, keys)
        finally:
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        with self._lock:
            children, self._idle = self._idle, []
        for child in children:
            child.end()

    def _ask(self, what: str, language: str, data: bytes) -> dict[str, Any]:
        try:
            child = self._take()
        except OSError:
            raise _Lost("no parser could be started") from None
        try:
            found = child.ask(what, language, data)
        except BaseException:
            child.end()
            raise
        with self._lock:
            self._idle.append(child)
        return found

    def _take(self) -> _Child:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Child()


@functools.cache
def shared() -> Parsers:
    """The parsers of this process; they end with it."""
    parsers = Parsers()
    atexit.register(parsers.close)
    return parsers

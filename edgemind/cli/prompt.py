"""The text of a prompt, put together from arguments, attached files and standard input.

Order: the files, then the words of the command line, then what came through the pipe. Everything must be text; what is
not is refused with a sentence, never guessed at. Not for: tokens, templates (the worker's).
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemind.cli import console
from edgemind.errors import BadInput, UsageError
from edgemind.terminal import clean_line

MAX_BYTES = 8 * 1024 * 1024
"""Of one file or of standard input: more than the context of any model holds."""

PATIENCE = 3.0
"""Seconds of waiting for someone else to write, after which we say what we wait for."""

EXAMPLE = "edgemind run 'What is 48 + 37?'   or   echo 'What is 48 + 37?' | edgemind run"

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Attachment:
    """A file that goes with the prompt."""

    name: str
    text: str


def assemble(words: Sequence[str], attachments: Sequence[Attachment] = (), piped: str | None = None) -> str:
    """One message for the model.

    Raises:
        UsageError: there is nothing to say.
        BadInput: an argument is not text.
    """
    spoken = argument(" ".join(words), "The prompt")
    parts = [f"{file.name}:\n{_fenced(file.text)}" for file in attachments]
    parts += [part for part in (spoken, (piped or "").rstrip("\n")) if part.strip()]
    if not any(part.strip() for part in parts):
        raise UsageError("There is no prompt.", EXAMPLE)
    return "\n\n".join(parts)


def argument(text: str, what: str) -> str:
    """An argument that can be written as UTF-8, as it came.

    Raises:
        BadInput: it holds other bytes.
    """
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise BadInput(f"{what} holds bytes that are not UTF-8 text.", "Send it through a pipe as UTF-8.") from problem
    return text


def standard_input_has_text() -> bool:
    """Whether standard input is a pipe or a file rather than a keyboard or nothing."""
    return sys.stdin is not None and not console.is_terminal(sys.stdin)


def standard_input(errors: str = "strict") -> str | None:
    """All of standard input; ``None`` when it is a keyboard or closed.

    Raises:
        BadInput: it is binary, too long, or cannot be read.
    """
    if not standard_input_has_text():
        return None
    what = "Standard input"
    try:
        with _patience("standard input to end; add </dev/null if nothing is to come"):
            data = _read(0, what)
    except OSError as problem:
        raise BadInput(f"{what} cannot be read: {problem.strerror}.", EXAMPLE) from problem
    return decode(data, what, errors)


ATTACHED = "Name text files, each with an -f: -f a.txt -f b.txt"


def attachment(path: str, errors: str = "strict", hint: str = ATTACHED) -> Attachment:
    """A file, or what comes out of a named pipe (``-f <(command)``).

    Args:
        errors: as for ``bytes.decode``.
        hint: what to do about a path that is none.

    Raises:
        BadInput: it is missing, unreadable, a folder or device, too long, or not text.
    """
    shown = clean_line(path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise BadInput(f"{shown} is a folder.", hint)
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise BadInput(f"{shown} is a device or socket, not a file.", hint)
        with _patience(f"someone to write to {shown}") if stat.S_ISFIFO(mode) else contextlib.nullcontext():
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            try:
                data = _read(descriptor, shown)
            finally:
                os.close(descriptor)
    except FileNotFoundError as problem:
        look = f"Look for it: ls {clean_line(os.path.dirname(path) or '.')}"
        if path == "-":
            look = "Standard input needs no -f: what is piped in is appended to the prompt."
        raise BadInput(f"There is no file {shown}.", look) from problem
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise BadInput(f"{shown} cannot be read: {reason}.", hint) from problem
    return Attachment(Path(shown).name, decode(data, shown, errors))


def decode(data: bytes, what: str, errors: str = "strict") -> str:
    """Text from UTF-8, or from UTF-16 that says so by its first bytes. ``errors``: as for ``bytes.decode``.

    Raises:
        BadInput: it is something else; the message says where.
    """
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding, errors)
    except UnicodeDecodeError as problem:
        at = f"byte {problem.start:,} is not {'UTF-8' if encoding.startswith('utf-8') else 'UTF-16'}"
        raise BadInput(f"{what} is not text: {at}.", "Convert it first; only text can be sent to a model.") from problem
    if "\0" in text:
        at = f"there is a NUL at character {text.index(chr(0)):,}"
        raise BadInput(f"{what} is not text: {at}.", "Only text can be sent to a model.")
    return text


def _read(descriptor: int, what: str) -> bytes:
    parts: list[bytes] = []
    left = MAX_BYTES + 1
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 16))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        hint = "Send the part that matters: head -c 100000 FILE | edgemind run '...'"
        raise BadInput(f"{what} is longer than {MAX_BYTES // 2**20} MiB.", hint)
    return b"".join(parts)


def _fenced(text: str) -> str:
    """In a code fence longer than any that the text holds."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


@contextlib.contextmanager
def _patience(whom: str) -> Iterator[None]:
    """Say what is waited for once it takes long."""
    timer = threading.Timer(PATIENCE, console.err, (f"edgemind: waiting for {whom}\n",))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

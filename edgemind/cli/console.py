"""The two output streams of a command: what they are, and writing to them.

Text for a terminal, and all of standard error, passes ``terminal.clean``; a pipe or file gets an answer as it is.
Not for: what is written (``render``, ``result``).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from edgemind.errors import EdgemindError
from edgemind.terminal import clean

RESET = "\x1b[0m"
DIM = "\x1b[2m"
GUESSED = "\x1b[33m"

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors that only writing meets."""

_json_written = False


def prepare_streams() -> None:
    """Give the standard descriptors that are closed to ``/dev/null``, so that no other file gets their numbers, and
    make writing what the encoding lacks a replacement character instead of an error."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def is_smart(stream: TextIO | None) -> bool:
    """A terminal on which a line can be drawn over."""
    return is_terminal(stream) and os.environ.get("TERM", "") not in ("", "dumb")


def has_colour(stream: TextIO | None) -> bool:
    """``NO_COLOR`` says no, then ``FORCE_COLOR`` says yes, then it is whether this is a terminal that knows colour."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_smart(stream)


def draws(stream: TextIO | None, text: str) -> bool:
    """Whether the stream's encoding has these characters."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def out(text: str) -> None:
    """Write to standard output and flush.

    Raises:
        BrokenPipeError: the reader went away.
        EdgemindError: it cannot be written, on a full disk for one.
    """
    _out(lambda: sys.stdout.write(text))


def out_bytes(data: bytes) -> None:
    """As ``out``, for what another program reads to the byte."""
    _out(lambda: sys.stdout.buffer.write(data))


def _out(write: Callable[[], int]) -> None:
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        raise unwritable(problem) from problem


def unwritable(problem: OSError) -> EdgemindError:
    """What to say when output cannot be written."""
    return EdgemindError(
        f"The output cannot be written: {problem.strerror or problem}.", "Look at where it is sent to."
    )


def out_json(value: dict[str, Any]) -> None:
    """One JSON object on a line of its own; pure ASCII, so that no terminal and no encoding can mind."""
    global _json_written
    _json_written = True
    out(json.dumps(value) + "\n")


def wrote_json() -> bool:
    """Whether this process has printed its object already."""
    return _json_written


def err(text: str) -> None:
    """Write cleaned text to standard error; a standard error that is gone is nobody's problem."""
    err_raw(clean(text))


def err_raw(text: str) -> None:
    """As ``err``, for text of our own that holds control sequences."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()


def forget_unwritten() -> None:
    """Let nothing that could not be written be tried again when Python leaves."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

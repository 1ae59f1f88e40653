"""Open a model file that may be anything: a folder, a pipe, a device, nothing at all. Never blocks."""

from __future__ import annotations

import os
import stat

from edgemind.errors import ModelNotFound, ModelUnusable


def shown(path: str | os.PathLike[str]) -> str:
    """A path for a message: bytes that are not text are escaped."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode("utf-8")


def typed(path: str | os.PathLike[str]) -> str:
    """A path inside a command that is to be typed: as a shell reads it, whatever it holds."""
    import shlex

    return shlex.quote(shown(path))


def quoted(text: str) -> str:
    """A name from the file, short enough for a sentence; control characters escaped."""
    safe = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return f"'{safe[:60]}...'" if len(safe) > 60 else f"'{safe}'"


def open_regular(path: str | os.PathLike[str]) -> int:
    """A read-only descriptor of a regular file.

    Raises:
        ModelNotFound, ModelUnusable: as ``read_header``.
    """
    name = shown(path)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            inside = "Name the .gguf file inside it."
            raise ModelUnusable(f"{name} is a folder, not a GGUF file.", inside)
        if not stat.S_ISREG(mode):
            raise ModelUnusable(f"{name} is a pipe, socket or device, not a file.", "Save the model to a file first.")
        fd = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise ModelNotFound(
            f"There is no file {name}.", "Check the path; `edgemind list` shows what is installed."
        ) from problem
    except PermissionError as problem:
        raise ModelUnusable(
            f"{name} may not be read by you.", f"Look at its permissions: ls -l {typed(path)}"
        ) from problem
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise ModelUnusable(f"{name} cannot be opened: {reason}.") from problem
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ModelUnusable(f"{name} is a pipe, socket or device, not a file.", "Save the model to a file first.")
    return fd


def read_at(fd: int, count: int, offset: int) -> bytes:
    """``count`` bytes from ``offset``; fewer at the end of the file."""
    os.lseek(fd, offset, os.SEEK_SET)
    parts: list[bytes] = []
    while count and (part := os.read(fd, min(count, 1 << 24))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)

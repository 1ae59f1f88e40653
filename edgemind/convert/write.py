"""Writing a GGUF file so that it is there as a whole or not at all, whatever happens on the way.

On Linux the bytes go into a file that has no name until it is complete and on the disk, so even a process that is
killed leaves nothing behind. Memory stays at some pieces of a tensor. Not for: what is written (``convert``, ``lora``).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.gguf_writer import WriterState

from edgemind.convert.values import Values, encoded, size_of
from edgemind.errors import BadInput, NoRoom
from edgemind.models.opening import shown
from edgemind.models.sizes import human_bytes

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""

ALIGNMENT = 32
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Head(gguf.GGUFWriter):  # type: ignore[misc]
    """A writer of everything before the weights, into memory."""

    def __init__(self, architecture: str) -> None:
        logging.getLogger("gguf.gguf_writer").setLevel(logging.WARNING)
        super().__init__(None, architecture)

    def open_output_file(self, path: Path | None = None) -> None:
        self.buffer = io.BytesIO()
        self.fout: Any = [self.buffer]
        self.state = WriterState.EMPTY

    def data(self) -> bytes:
        self.write_header_to_file()
        self.write_kv_data_to_file()
        self.write_ti_data_to_file()
        head = self.buffer.getvalue()
        return head + bytes(-len(head) % ALIGNMENT)


@dataclass(frozen=True)
class Written:
    """A file that is complete."""

    path: Path
    size: int
    sha256: str


def write(
    target: Path,
    head: Head,
    tensors: Sequence[tuple[Values, gguf.GGMLQuantizationType]],
    progress: Progress = lambda done, total: None,
) -> Written:
    """Write head and tensors to ``target``, replacing what is there.

    Raises:
        BadInput: a tensor cannot be written as it should, or the folder cannot be written to.
        NoRoom: the disk is full.
    """
    for values, kind in tensors:
        head.add_tensor_info(
            values.name, values.shape, np.dtype(np.float32), size_of(values.shape, kind), raw_dtype=kind
        )
    data = head.data()
    total = len(data) + sum(_padded(size_of(values.shape, kind)) for values, kind in tensors)
    digest, done = hashlib.sha256(), 0
    with _explained(target, total), _appearing(target) as fd:
        with contextlib.suppress(OSError, AttributeError):
            os.posix_fallocate(fd, 0, total)
        for piece in _all(data, tensors):
            _write_all(fd, piece)
            digest.update(piece)
            done += len(piece)
            progress(done, total)
        os.fsync(fd)
    return Written(target, done, digest.hexdigest())


def _all(data: bytes, tensors: Sequence[tuple[Values, gguf.GGMLQuantizationType]]) -> Iterator[memoryview]:
    yield memoryview(data)
    for values, kind in tensors:
        size = 0
        for piece in encoded(values, kind):
            size += len(piece)
            yield piece.data.cast("B")
        if size != size_of(values.shape, kind):
            raise BadInput(f"The tensor {values.name} has {size:,} bytes where its shape asks for others.")
        yield memoryview(bytes(_padded(size) - size))


def _padded(size: int) -> int:
    return size + -size % ALIGNMENT


@contextlib.contextmanager
def _appearing(target: Path) -> Iterator[int]:
    """A descriptor to write to; the file appears under its name when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    nameless = _open_nameless(target.parent)
    fd = nameless if nameless is not None else os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        yield fd
        if nameless is not None:
            if not target.exists():
                part = target
            _name(fd, part)
        if part != target:
            os.replace(part, target)
        _sync_folder(target.parent)
    finally:
        os.close(fd)
        if part != target:
            part.unlink(missing_ok=True)


def _open_nameless(folder: Path) -> int | None:
    """A file in this folder that has no name, where the system has such."""
    flag = getattr(os, "O_TMPFILE", 0)
    if not flag or not os.path.exists("/proc/self/fd"):
        return None
    try:
        return os.open(folder, flag | os.O_RDWR, 0o600)
    except OSError as problem:
        if problem.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            return None
        raise


def _name(fd: int, path: Path) -> None:
    """Give an open file its first name. ``src_dir_fd`` is not needed, but Python calls ``linkat``, the one that follows
    the link in ``/proc``, only with one."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]


@contextlib.contextmanager
def _explained(target: Path, total: int) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno in NO_ROOM:
            raise NoRoom(
                f"{shown(target)} needs {human_bytes(total)}, and its disk is full.",
                "Free some room, or write it elsewhere with -o FILE.",
            ) from problem
        raise BadInput(
            f"{shown(target)} cannot be written: {problem.strerror or problem}.", "Write it elsewhere with -o FILE."
        ) from problem

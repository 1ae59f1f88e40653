"""Writing a GGUF file: everything before the weights from the ``gguf`` package, the weights piece by piece behind it.

Where it is written, and how it gets its name only when it is whole, is ``models.unfinished``'s. Memory stays at some
pieces of a tensor. Not for: what is written (``convert``, ``lora``).
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.gguf_writer import WriterState

from edgemind.convert.checkpoint import understood
from edgemind.convert.values import Values, encoded, size_of
from edgemind.errors import BadInput
from edgemind.models.store.files import explained
from edgemind.models.unfinished import Unfinished, check_room, check_target

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""

Tensors = Sequence[tuple[Values, gguf.GGMLQuantizationType]]
"""What is written, each as its type."""

ALIGNMENT = 32


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
        """Everything before the weights.

        Raises:
            BadInput: a number of the configuration does not fit the format.
        """
        with understood("config.json"):
            self.write_header_to_file()
            self.write_kv_data_to_file()
            self.write_ti_data_to_file()
        head = self.buffer.getvalue()
        return head + bytes(-len(head) % ALIGNMENT)


def write(target: Path, head: Head, tensors: Tensors, progress: Progress, *, replace: bool = False) -> int:
    """Write a file that appears only when it is whole; its size in bytes.

    Raises:
        UsageError: it is there already, and ``replace`` is not set.
        BadInput: a tensor cannot be written as it should.
        NoRoom, StoreProblem: the disk is full, or cannot be written.
    """
    check_target(target, [], replace=replace)
    with Unfinished(target) as output:
        size = fill(output, head, tensors, progress)
        output.publish(replace=replace)
    return size


def fill(output: Unfinished, head: Head, tensors: Tensors, progress: Progress) -> int:
    """Write everything into a file that is not finished yet; its size in bytes.

    Raises:
        BadInput, NoRoom, StoreProblem: as ``write``.
    """
    for values, kind in tensors:
        head.add_tensor_info(
            values.name, values.shape, np.dtype(np.float32), size_of(values.shape, kind), raw_dtype=kind
        )
    data = head.data()
    total = len(data) + sum(_padded(size_of(values.shape, kind)) for values, kind in tensors)
    check_room(output.target.parent, total)
    done = 0
    with explained(f"write {output.target.name}", output.target.parent):
        fd = os.open(output.path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        try:
            with contextlib.suppress(OSError, AttributeError):
                os.posix_fallocate(fd, 0, total)
            for piece in _all(data, tensors):
                _write_all(fd, piece)
                done += len(piece)
                progress(done, total)
        finally:
            os.close(fd)
    return done


def _all(data: bytes, tensors: Tensors) -> Iterator[memoryview]:
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


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]

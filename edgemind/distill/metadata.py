"""What a GGUF file says of itself, changed without touching its weights: the pairs of keys and values before them.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (version 3, little-endian). Tensors are found relative
to the end of everything else, so they are copied as they are. Not for: reading foreign files (``models.gguf``).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path

import gguf

from edgemind.convert.write import ALIGNMENT
from edgemind.models.store.files import explained
from edgemind.models.unfinished import Unfinished

COPY = 8 << 20
"""Bytes moved at once."""

_PAIRS_AT = 24
"""Where the pairs begin: after the magic, the version, and the counts of tensors and of pairs."""


def annotated(source: Path, output: Unfinished, facts: Mapping[str, str | int]) -> int:
    """Write ``source`` into ``output`` with these keys set; its size in bytes.

    Args:
        source: a file of our own making.
        facts: text, or whole numbers from 0, which are stored in 64 bits. A key that is there is replaced.

    Raises:
        NoRoom, StoreProblem: the disk.
    """
    reader = gguf.GGUFReader(source)
    kept: list[bytes] = []
    end = _PAIRS_AT
    raw = memoryview(reader.data)
    for name, found in reader.fields.items():
        if name.startswith("GGUF."):
            continue
        size = sum(int(part.nbytes) for part in found.parts)
        end = max(end, found.offset + size)
        if name not in facts:
            kept.append(bytes(raw[found.offset : found.offset + size]))
    infos_end = max(tensor.field.offset + sum(int(p.nbytes) for p in tensor.field.parts) for tensor in reader.tensors)
    pairs = [*kept, *(_pair(key, value) for key, value in facts.items())]
    head = bytes(raw[:16]) + struct.pack("<Q", len(pairs)) + b"".join(pairs) + bytes(raw[end:infos_end])
    head += bytes(-len(head) % ALIGNMENT)
    data_at = int(reader.data_offset)
    with explained(f"write {output.target.name}", output.target.parent):
        fd = os.open(output.path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        try:
            size = _write(fd, memoryview(head))
            for start in range(data_at, len(raw), COPY):
                size += _write(fd, raw[start : start + COPY])
        finally:
            os.close(fd)
    return size


def _pair(key: str, value: str | int) -> bytes:
    if isinstance(value, int):
        return _text(key) + struct.pack("<IQ", gguf.GGUFValueType.UINT64, value)
    return _text(key) + struct.pack("<I", gguf.GGUFValueType.STRING) + _text(value)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _write(fd: int, data: memoryview) -> int:
    size = len(data)
    while data:
        data = data[os.write(fd, data) :]
    return size

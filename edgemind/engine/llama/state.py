"""Turning the saved state of a sequence into what a context with, or without, flash attention accepts.

Without flash attention llama.cpp keeps V transposed, ``[dimension, cell]``, and refuses a state of the other kind.
The format, as ``llama_kv_cache::state_write`` of llama.cpp 0c1e57098 (llama-cpp-python 0.3.36) writes it,
little-endian:

    u32 magic 0xaf143cd8, i32 sequence
    then for each cache (a model with sliding windows has two):
      u32 streams, and for each stream: u32 cells; if there are any:
        per cell: i32 position, u32 sequences = 1, [12 bytes: M-RoPE position and token], i32 sequence
        u32 V is transposed, u32 layers
        K per layer: i32 type, u64 bytes of a row, rows
        V per layer, plain: i32 type, u64 bytes of a row, rows
        V per layer, transposed: i32 type, u32 bytes of an element, u32 dimensions, per dimension: all cells

Nothing else is understood: a quantized V, recurrent state or a newer format give None, and the caller decodes the
tokens again instead.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

MAGIC = 0xAF143CD8
_ELEMENT_BYTES = {0: 4, 1: 2, 30: 2}
"""ggml types that V can be transposed in: f32, f16, bf16."""
_CELL_EXTRAS = (0, 12)
_MAX_LAYERS = 4096


class _UnknownFormatError(Exception):
    """Not the format described above."""


@dataclass
class _Reader:
    """A cursor that never passes the end."""

    data: memoryview
    at: int = 0

    def take(self, count: int) -> memoryview:
        if count < 0 or count > len(self.data) - self.at:
            raise _UnknownFormatError
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code: str) -> int:
        form = "<" + code
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    @property
    def at_end(self) -> bool:
        return self.at == len(self.data)


@dataclass
class _Writer:
    to_flash: bool
    parts: list[bytes | memoryview] = field(default_factory=list)

    def number(self, code: str, value: int) -> None:
        self.parts.append(struct.pack("<" + code, value))


def convert_state_flash(state: bytes | bytearray | memoryview, *, to_flash: bool) -> bytes | None:
    """Transpose V in a state of ``Context.seq_state``, so that a context of the other kind accepts it.

    Args:
        to_flash: whether the context it is for has flash attention.

    Returns:
        The converted state, the same bytes if it already is of the wanted kind, or None if it is not understood:
        every byte must be accounted for.
    """
    view = memoryview(state).cast("B")
    for extra in _CELL_EXTRAS:
        reader, writer = _Reader(view), _Writer(to_flash)
        try:
            _convert(reader, writer, extra)
        except _UnknownFormatError:
            continue
        return b"".join(writer.parts)
    return None


def _convert(reader: _Reader, writer: _Writer, extra: int) -> None:
    if reader.number("I") != MAGIC:
        raise _UnknownFormatError
    writer.number("I", MAGIC)
    writer.number("i", reader.number("i"))
    caches = 0
    while not reader.at_end:
        caches += 1
        streams = reader.number("I")
        if streams != 1 or caches > 2:
            raise _UnknownFormatError
        writer.number("I", streams)
        cells = reader.number("I")
        writer.number("I", cells)
        if cells:
            _cells(reader, writer, cells, extra)
            _layers(reader, writer, cells)
    if not caches:
        raise _UnknownFormatError


def _cells(reader: _Reader, writer: _Writer, cells: int, extra: int) -> None:
    size = 12 + extra
    raw = reader.take(cells * size)
    table = np.frombuffer(raw, np.uint8).reshape(cells, size)
    positions = table[:, :4].copy().view("<i4")
    owners = table[:, 4:8].copy().view("<u4")
    if (owners != 1).any() or (positions < 0).any():
        raise _UnknownFormatError
    writer.parts.append(raw)


def _layers(reader: _Reader, writer: _Writer, cells: int) -> None:
    transposed, layers = reader.number("I"), reader.number("I")
    if transposed > 1 or not 0 < layers <= _MAX_LAYERS:
        raise _UnknownFormatError
    writer.number("I", int(not writer.to_flash))
    writer.number("I", layers)
    for _ in range(layers):
        writer.number("i", reader.number("i"))
        row = reader.number("Q")
        writer.number("Q", row)
        writer.parts.append(reader.take(row * cells))
    for _ in range(layers):
        _values(reader, writer, cells, bool(transposed))


def _values(reader: _Reader, writer: _Writer, cells: int, transposed: bool) -> None:
    """V of one layer, read in one of the two orders and written in the wanted one."""
    kind = reader.number("i")
    element = _ELEMENT_BYTES.get(kind)
    if element is None:
        raise _UnknownFormatError
    if transposed:
        if reader.number("I") != element:
            raise _UnknownFormatError
        width = reader.number("I")
    else:
        row = reader.number("Q")
        if row % element:
            raise _UnknownFormatError
        width = row // element
    if width == 0:
        raise _UnknownFormatError
    raw = reader.take(width * element * cells)
    writer.number("i", kind)
    if writer.to_flash:
        writer.number("Q", width * element)
    else:
        writer.number("I", element)
        writer.number("I", width)
    if transposed != writer.to_flash:
        writer.parts.append(raw)
        return
    shape = (width, cells) if transposed else (cells, width)
    values = np.frombuffer(raw, np.dtype(f"<u{element}")).reshape(shape)
    writer.parts.append(np.ascontiguousarray(values.T).tobytes())

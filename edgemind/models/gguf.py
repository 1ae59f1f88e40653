"""The header of a GGUF file, read with limits: what a model is, without loading it.

A file comes from anywhere, so nothing in it is believed before it is checked: every count against the bytes that
are left, every size against the file. Memory stays proportional to the header's bytes, and time to its entries.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
Not for: tensor data (llama.cpp reads it in the worker), writing (the ``gguf`` package, in ``convert``).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from edgemind.errors import ModelUnusable
from edgemind.models.ggml_types import TYPES, GgmlType
from edgemind.models.header import STRING, ArrayInfo, Header, Scalar, Tensor, Value
from edgemind.models.impostors import looks_like
from edgemind.models.opening import open_regular, quoted, read_at, shown
from edgemind.models.sizes import human_bytes
from edgemind.models.splits import merged

__all__ = ["ArrayInfo", "Header", "Tensor", "read_array", "read_header", "read_headers", "read_partial"]

MAX_KEYS = 65_536
MAX_TENSORS = 65_536
MAX_KEY_BYTES = 65_535
MAX_NAME_BYTES = 63
"""ggml keeps 64 bytes for a tensor's name, the last one zero."""
MAX_DIMS = 4
MAXSTRING = 16 << 20
"""A chat template has some 10 kB; nothing that a model needs comes near this."""
MAX_HEADER = 256 << 20
"""Real headers have up to 20 MB (a vocabulary of 262,144 tokens)."""
MAX_ALIGNMENT = 1 << 20
MAX_ELEMENTS = (1 << 63) - 1
SMALL_ARRAY = 1024
"""Number arrays up to this length (one number per layer, say) are read at once; longer ones wait for ``array``."""
SMALL_STRINGS = 64

_READ = 1 << 20
"""The buffer grows by this: fresh memory costs more than the reading."""
_AT_ONCE = 64
_ARRAY = 9
_SCALARS: dict[int, struct.Struct] = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_SHORT_STRINGS = re.compile(
    b"(?s:%b){%d}" % (b"|".join(b"%b\\x00{7}.{%d}" % (re.escape(bytes([n])), n) for n in range(64)), _AT_ONCE)
)
"""So many strings of under 64 bytes, each after its length: over a vocabulary in half of the time."""


class _Unfinished(Exception):
    """The header goes on past the bytes that are there so far."""


def read_header(path: str | os.PathLike[str], *, arrays: bool = False) -> Header:
    """Read and check the header of a GGUF file. Never blocks on a FIFO or a device.

    Args:
        path: the file; a symbolic link is followed.
        arrays: also read the long arrays (the vocabulary) into ``metadata``.

    Raises:
        ModelNotFound: there is no such file.
        ModelUnusable: it is not a GGUF file that llama.cpp could load; the message says why in one sentence.
    """
    return _read(path, None, None, shown(path), arrays)


def read_headers(paths: Sequence[str | os.PathLike[str]]) -> Header:
    """One header for all files of a model, in order; its tensors are those of every part.

    Raises:
        ModelNotFound: one of the files is not there.
        ModelUnusable: as ``read_header``; or a part is missing, in the wrong place, or of another model.
    """
    return merged([read_header(path) for path in paths])


def read_partial(
    path: str | os.PathLike[str], full_size: int, *, have: int | None = None, name: str | None = None
) -> Header | None:
    """The header of a file that so far holds only its first bytes, such as a download under way.

    Cheap enough to be asked again as the file grows: at 1, 4, 16 and 64 MiB, say. The checks are those of
    ``read_header`` for a file of ``full_size`` bytes.

    Args:
        full_size: bytes that the file will have.
        have: how many of its first bytes are there; all that the file holds now, unless given.
        name: what messages call the file; its path, unless given.

    Returns:
        The header, or ``None`` when it goes on past what is there.

    Raises:
        ModelNotFound: there is no such file.
        ModelUnusable: what is there already shows that this will be no GGUF file that llama.cpp could load.
    """
    try:
        return _read(path, full_size, have, name or shown(path), arrays=False)
    except _Unfinished:
        return None


def _read(path: str | os.PathLike[str], full_size: int | None, have: int | None, name: str, arrays: bool) -> Header:
    fd = open_regular(path)
    try:
        there = os.fstat(fd).st_size
        size = there if full_size is None else full_size
        have = min(size, there if have is None else min(have, there))
        return _Reader(Path(os.fspath(path)), name, fd, size, have).header(arrays)
    except OSError as problem:
        raise ModelUnusable(f"{name} cannot be read: {problem.strerror}.") from problem
    finally:
        os.close(fd)


def read_array(header: Header, key: str) -> tuple[Scalar, ...]:
    """The elements of one array that ``read_header`` left unread. Strings that are not UTF-8 get U+FFFD.

    Raises:
        KeyError: the file has no such array.
        ModelUnusable: the file has changed since its header was read.
    """
    info = header.arrays[key]
    if key in header.metadata:
        value = header.metadata[key]
        assert isinstance(value, tuple)
        return value
    fd = open_regular(header.path)
    try:
        data = read_at(fd, info.size, info.offset)
    except OSError as problem:
        raise ModelUnusable(f"{shown(header.path)} cannot be read: {problem.strerror}.") from problem
    finally:
        os.close(fd)
    values = _elements(data, 0, info) if len(data) == info.size else None
    if values is None:
        raise ModelUnusable(f"{shown(header.path)} changed while it was being read.")
    return values


def _elements(data: bytes | bytearray, pos: int, info: ArrayInfo) -> tuple[Scalar, ...] | None:
    """The elements of an array whose bounds are checked; ``None`` when the strings do not fill them."""
    if info.kind != STRING:
        code = _SCALARS[info.kind].format[1:]
        return struct.unpack_from(f"<{info.count}{code}", data, pos)
    found: list[str] = []
    end = pos + info.size
    for _ in range(info.count):
        if pos + 8 > end:
            return None
        length = _U64.unpack_from(data, pos)[0]
        pos += 8 + length
        if pos > end:
            return None
        found.append(data[pos - length : pos].decode("utf-8", "replace"))
    return tuple(found)


class _Reader:
    """One pass over a header. ``buffer`` holds the file's first bytes and grows as the header asks for more."""

    def __init__(self, path: Path, name: str, fd: int, size: int, have: int) -> None:
        self.path = path
        self.name = name
        self.fd = fd
        self.size = size
        self.have = have
        self.buffer = bytearray()
        self.pos = 0
        self.alignment = 32
        self.metadata: dict[str, Value] = {}
        self.arrays: dict[str, ArrayInfo] = {}

    def header(self, arrays: bool) -> Header:
        if self.size == 0:
            raise ModelUnusable(f"{self.name} is empty (0 bytes).", "Download it again.")
        self._load(min(self.size, 512))
        if self.buffer[:4] != b"GGUF":
            what, hint = looks_like(bytes(self.buffer[:512]), self.size)
            raise ModelUnusable(f"{self.name} is not a GGUF file: {what}.", hint)
        self.pos = 4
        version = self._version()
        n_tensors, n_keys = self._u64(), self._u64()
        self._check_count(n_keys, MAX_KEYS, 13, "metadata entries")
        self._check_count(n_tensors, MAX_TENSORS, 24, "tensors")
        for _ in range(n_keys):
            self._entry(arrays)
        rows = [self._tensor() for _ in range(n_tensors)]
        data_offset = _aligned(self.pos, self.alignment)
        tensors = self._placed(rows, data_offset)
        return Header(
            path=self.path,
            version=version,
            size_bytes=self.size,
            alignment=self.alignment,
            data_offset=data_offset,
            metadata=self.metadata,
            arrays=self.arrays,
            tensors=tensors,
            by_name={tensor.name: tensor for tensor in tensors},
        )

    def _version(self) -> int:
        version = self._u32()
        name = self.name
        if version and version & 0xFFFF == 0:
            raise ModelUnusable(
                f"{name} is a big-endian GGUF file, written for another kind of processor.",
                "Get the usual little-endian file of this model.",
            )
        if version == 1:
            raise ModelUnusable(f"{name} is GGUF version 1, which llama.cpp no longer reads.", "Get a newer file.")
        if version > 3:
            raise ModelUnusable(
                f"{name} says that it is GGUF version {version}; EdgeMind reads versions 2 and 3.",
                "Update EdgeMind, or download the file again.",
            )
        if version == 0:
            raise self._damaged("its version is 0")
        return version

    def _entry(self, arrays: bool) -> None:
        """One metadata key and its value."""
        raw = self._bytes(MAX_KEY_BYTES, "a metadata key")
        key = raw.decode("utf-8", "replace")
        if not raw:
            raise self._damaged("a metadata key is empty")
        if key in self.metadata or key in self.arrays:
            raise self._damaged(f"the metadata key {quoted(key)} occurs twice")
        kind = self._u32()
        if kind == STRING:
            self.metadata[key] = self._bytes(MAXSTRING, quoted(key)).decode("utf-8", "replace")
        elif kind == _ARRAY:
            self._array(key, arrays)
        elif kind in _SCALARS:
            layout = _SCALARS[kind]
            self.metadata[key] = layout.unpack_from(self.buffer, self._take(layout.size))[0]
        else:
            raise self._damaged(f"{quoted(key)} has the unknown value type {kind}")
        if key == "general.alignment":
            value = self.metadata.get(key)
            if kind != 4 or not isinstance(value, int) or not 0 < value <= MAX_ALIGNMENT or value & (value - 1):
                raise self._damaged("its alignment is not a power of two")
            self.alignment = value

    def _array(self, key: str, wanted: bool) -> None:
        kind, count = self._u32(), self._u64()
        if kind == _ARRAY:
            raise self._damaged(f"{quoted(key)} is an array of arrays, which llama.cpp does not read")
        if kind != STRING and kind not in _SCALARS:
            raise self._damaged(f"{quoted(key)} is an array of the unknown value type {kind}")
        width = 8 if kind == STRING else _SCALARS[kind].size
        self._check_count(count, MAX_HEADER, width, f"elements of {quoted(key)}")
        start = self.pos
        if kind == STRING:
            self._skip_strings(count)
        else:
            self._take(count * width)
        info = ArrayInfo(kind, count, start, self.pos - start)
        self.arrays[key] = info
        if wanted or count <= (SMALL_STRINGS if kind == STRING else SMALL_ARRAY):
            values = _elements(self.buffer, start, info)
            assert values is not None
            self.metadata[key] = values

    def _skip_strings(self, count: int) -> None:
        """Step over ``count`` strings: the hot loop, some 300,000 rounds for a vocabulary with its merges."""
        short, buffer = _SHORT_STRINGS.match, self.buffer
        while count:
            many = short(buffer, self.pos) if count >= _AT_ONCE else None
            if many:
                self.pos = many.end()
                count -= _AT_ONCE
                continue
            for _ in range(min(count, _AT_ONCE)):
                self._take(self._u64())
            count -= min(count, _AT_ONCE)

    def _tensor(self) -> tuple[str, tuple[int, ...], GgmlType, int, int]:
        """One row of the tensor table: name, shape, type, offset in the data, bytes."""
        name = self._bytes(MAX_NAME_BYTES, "a tensor's name").decode("utf-8", "replace")
        n_dims = self._u32()
        if n_dims > MAX_DIMS:
            raise self._damaged(f"the tensor {quoted(name)} has {n_dims} dimensions")
        start = self._take(8 * n_dims + 12)
        *shape, number, offset = struct.unpack_from(f"<{n_dims}QIQ", self.buffer, start)
        elements = 1
        for dim in shape:
            elements *= dim
        if not 0 < elements <= MAX_ELEMENTS:
            raise self._damaged(f"the tensor {quoted(name)} has an impossible shape")
        kind = TYPES.get(number)
        if kind is None:
            raise ModelUnusable(
                f"{self.name} holds the tensor {quoted(name)} of type {number}, which EdgeMind does not know.",
                "Update EdgeMind, or get another quantization of this model.",
            )
        if (shape[0] if shape else 1) % kind.block:
            raise self._damaged(f"the rows of {quoted(name)} are not whole blocks of {kind.name}")
        return name, tuple(shape), kind, offset, kind.bytes_for(elements)

    def _placed(
        self, rows: list[tuple[str, tuple[int, ...], GgmlType, int, int]], data_offset: int
    ) -> tuple[Tensor, ...]:
        """Check that the tensors lie one after another (as llama.cpp demands) and inside the file."""
        tensors: list[Tensor] = []
        names: set[str] = set()
        expected = end = 0
        for name, shape, kind, offset, size in rows:
            if name in names:
                raise self._damaged(f"the tensor {quoted(name)} occurs twice")
            names.add(name)
            if offset != expected:
                raise self._damaged(f"the tensor {quoted(name)} does not follow the one before it")
            tensors.append(Tensor(name, shape, kind.name, data_offset + offset, size))
            end = offset + size
            expected = _aligned(end, self.alignment)
        described = data_offset + end
        if rows and described > self.size:
            if described > 1 << 46:
                raise self._damaged("its header describes more than any disk holds")
            raise ModelUnusable(
                f"{self.name} is {human_bytes(self.size)} but its header describes "
                f"{human_bytes(described)}: the download was cut.",
                "Download it again.",
            )
        return tuple(tensors)

    def _damaged(self, why: str) -> ModelUnusable:
        return ModelUnusable(f"{self.name} is damaged: {why}.", "Download it again.")

    def _check_count(self, count: int, most: int, width: int, what: str) -> None:
        """``count`` things of at least ``width`` bytes each must fit what is left of the file."""
        if count > most or count * width > self.size - self.pos:
            raise self._damaged(f"it claims {count:,} {what} and has {human_bytes(self.size - self.pos)} left for them")

    def _load(self, end: int) -> None:
        """Have the file's first ``end`` bytes in the buffer; read ahead."""
        have = len(self.buffer)
        if end <= have:
            return
        if end > self.size:
            raise ModelUnusable(
                f"{self.name} is damaged or cut short: its header goes on past its end ({human_bytes(self.size)}).",
                "Download it again.",
            )
        if end > MAX_HEADER:
            raise self._damaged(f"its header is longer than {human_bytes(MAX_HEADER)}")
        if end > self.have:
            raise _Unfinished
        want = min(self.have, MAX_HEADER, max(end, have + (_READ if have else 512)))
        self.buffer += read_at(self.fd, want - have, have)
        if len(self.buffer) < end:
            raise ModelUnusable(f"{self.name} became shorter while it was being read.")

    def _take(self, count: int) -> int:
        """Move past ``count`` bytes; the position where they start."""
        start = self.pos
        if start + count > len(self.buffer):
            self._load(start + count)
        self.pos = start + count
        return start

    def _u32(self) -> int:
        value: int = _U32.unpack_from(self.buffer, self._take(4))[0]
        return value

    def _u64(self) -> int:
        value: int = _U64.unpack_from(self.buffer, self._take(8))[0]
        return value

    def _bytes(self, most: int, what: str) -> bytes:
        length = self._u64()
        if length > most:
            raise self._damaged(f"{what} claims a length of {length:,} bytes")
        start = self._take(length)
        return bytes(self.buffer[start : start + length])


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment

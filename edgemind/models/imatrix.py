"""Importance matrices: for each weight matrix of a model, how much goes through each of its columns.

Two formats of llama.cpp are read, both with limits since a file comes from anywhere: its GGUF (``general.type`` is
``imatrix``; ``NAME.in_sum2`` and ``NAME.counts`` for each tensor) and the older ``.dat``. Written is the GGUF.
Not for: computing one (``engine.calibration``).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemind.errors import BadInput, EdgemindError, ModelNotFound
from edgemind.models import gguf
from edgemind.models.header import Header
from edgemind.models.opening import open_regular, shown

SQUARES, COUNTS = ".in_sum2", ".counts"
MOST_BYTES = 4 << 30
"""Of a whole file; a mixture of 128 experts has 0.3 GB."""
MOST_ENTRIES = 65_536
MOST_NAME = 255


@dataclass(frozen=True)
class Entry:
    """One tensor's numbers."""

    squares: NDArray[np.float32]
    """``[experts, columns]``: sums of the squares of its inputs."""
    counts: NDArray[np.float32]
    """``[experts]`` or ``[1]``: how many rows were added up."""

    def mean(self) -> NDArray[np.float32]:
        """Mean square of each column, ``[experts * columns]``; ones for an expert that was never asked."""
        counts = self.counts[:, None]
        squares = self.squares.reshape(len(self.counts), -1)
        means = np.divide(squares, counts, out=np.ones_like(squares), where=counts > 0)
        return means.reshape(-1)


@dataclass(frozen=True)
class Matrix:
    """An importance matrix."""

    entries: Mapping[str, Entry]
    datasets: tuple[str, ...] = ()
    """Names of the texts."""
    chunks: int = 0
    chunk_size: int = 0
    """Tokens of one piece of text."""
    source: str = field(default="", compare=False)
    """What it was read from."""

    @property
    def tokens(self) -> int:
        return self.chunks * self.chunk_size


def read(path: str | os.PathLike[str]) -> Matrix:
    """Read either format.

    Raises:
        ModelNotFound: there is no such file.
        ModelUnusable: it may not be read.
        BadInput: it is no importance matrix, or is damaged.
    """
    try:
        fd = open_regular(path)
    except ModelNotFound as problem:
        raise ModelNotFound(
            f"There is no importance matrix {shown(path)}.", "Check the path, or have one computed: --imatrix auto"
        ) from problem
    try:
        start = os.read(fd, 4)
        size = os.fstat(fd).st_size
    finally:
        os.close(fd)
    if size > MOST_BYTES:
        raise _unusable(path, "it is far too large")
    try:
        found = _read_gguf(Path(path)) if start == b"GGUF" else _read_dat(Path(path).read_bytes())
    except (struct.error, UnicodeDecodeError) as problem:
        raise _unusable(path, "it is damaged") from problem
    except OSError as problem:
        raise _unusable(path, problem.strerror or str(problem)) from problem
    except ValueError as problem:
        raise _unusable(path, str(problem)) from problem
    for name, entry in found.entries.items():
        if not (np.isfinite(entry.squares).all() and np.isfinite(entry.counts).all()):
            raise _unusable(path, f"the numbers of {name} are not finite")
        if (entry.squares < 0).any() or (entry.counts < 0).any():
            raise _unusable(path, f"some numbers of {name} are negative")
    return Matrix(found.entries, found.datasets, found.chunks, found.chunk_size, os.fspath(path))


def bytes_for(header: Header) -> int:
    """About how many bytes the file of a model's matrix will have."""
    matrices = [(*tensor.shape, 1, 1) for tensor in header.tensors if len(tensor.shape) > 1]
    return sum(4 * shape[0] * shape[2] + 256 for shape in matrices)


def write(matrix: Matrix, path: Path, architecture: str = "") -> None:
    """Write the GGUF format; llama.cpp's tools read it.

    Args:
        architecture: of the model it was made from.

    Raises:
        OSError: as writing does.
    """
    import gguf as package

    writer = package.GGUFWriter(path, architecture or "imatrix")
    try:
        writer.add_type("imatrix")
        writer.add_array("imatrix.datasets", list(matrix.datasets) or ["text"])
        writer.add_uint32("imatrix.chunk_count", matrix.chunks)
        writer.add_uint32("imatrix.chunk_size", matrix.chunk_size)
        for name in sorted(matrix.entries):
            entry = matrix.entries[name]
            writer.add_tensor(name + SQUARES, np.ascontiguousarray(entry.squares, np.float32))
            writer.add_tensor(name + COUNTS, np.ascontiguousarray(entry.counts[:, None], np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _read_gguf(path: Path) -> Matrix:
    try:
        header = gguf.read_header(path, arrays=True)
    except EdgemindError as problem:
        raise ValueError(problem.message.rstrip(".")) from problem
    pairs: dict[str, dict[str, NDArray[np.float32]]] = {}
    with path.open("rb") as file:
        for tensor in header.tensors:
            name, dot, suffix = tensor.name.rpartition(".")
            if dot + suffix not in (SQUARES, COUNTS):
                continue
            if tensor.type != "F32":
                raise ValueError(f"{tensor.name} is not of type F32")
            file.seek(tensor.offset)
            data = file.read(tensor.size)
            if len(data) != tensor.size:
                raise ValueError("it ends too early")
            columns = tensor.shape[0]
            pairs.setdefault(name, {})[dot + suffix] = np.frombuffer(data, "<f4").reshape(-1, columns)
    if not pairs:
        raise ValueError("it holds no sums of squares")
    entries = {}
    for name, found in pairs.items():
        if len(found) != 2:
            raise ValueError(f"{name} has sums or counts, not both")
        entries[name] = _entry(name, found[SQUARES], found[COUNTS].reshape(-1))
    return Matrix(
        entries,
        _texts(header.metadata.get("imatrix.datasets")),
        header.number("imatrix.chunk_count") or 0,
        header.number("imatrix.chunk_size") or 0,
    )


def _entry(name: str, squares: NDArray[np.float32], counts: NDArray[np.float32]) -> Entry:
    if not counts.size or not squares.size or squares.size % counts.size:
        raise ValueError(f"the sums and counts of {name} do not fit each other")
    return Entry(squares, counts)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(part) for part in value) if isinstance(value, tuple) else ()


def _read_dat(data: bytes) -> Matrix:
    """Counts of entries, names and values, each a 32-bit number in front; means times calls in place of sums."""
    (number,) = struct.unpack_from("<i", data, 0)
    if not 0 < number <= MOST_ENTRIES:
        raise ValueError("it is neither GGUF nor llama.cpp's older format")
    position = 4
    entries: dict[str, Entry] = {}
    for _ in range(number):
        (length,) = struct.unpack_from("<i", data, position)
        if not 0 < length <= MOST_NAME:
            raise ValueError("it is neither GGUF nor llama.cpp's older format")
        name = data[position + 4 : position + 4 + length].decode()
        calls, values = struct.unpack_from("<ii", data, position + 4 + length)
        position += 12 + length
        if values < 1 or position + 4 * values > len(data):
            raise ValueError("it is damaged")
        squares = np.frombuffer(data, "<f4", values, position)[None]
        entries[name] = Entry(squares, np.array([max(calls, 1)], np.float32))
        position += 4 * values
    chunks = 0
    datasets: tuple[str, ...] = ()
    if position + 4 <= len(data):
        (chunks,) = struct.unpack_from("<i", data, position)
    if position + 8 <= len(data):
        (length,) = struct.unpack_from("<i", data, position + 4)
        if 0 < length <= len(data) - position - 8:
            datasets = (data[position + 8 : position + 8 + length].decode("utf-8", "replace"),)
    return Matrix(entries, datasets, max(chunks, 0))


def _unusable(path: str | os.PathLike[str], why: str) -> BadInput:
    return BadInput(
        f"{shown(path)} is no importance matrix that can be used: {why}.",
        "Make one: edgemind imatrix MODEL -o matrix.gguf",
    )

"""Tensors on their way from a checkpoint into a file: rows that come in pieces, changed where a family asks for it, and
written in the number type of the target.

A piece is some megabytes, so a tensor never has to fit into memory as a whole, except where its rows change places.
Not for: which tensor becomes which (``families``), the file (``write``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from edgemind.convert.checkpoint import Weight
from edgemind.errors import BadInput

Floats = NDArray[np.float32]
Pieces = Callable[[], Iterator[NDArray[Any]]]

LARGEST_F16 = 65504.0
KINDS: dict[str, gguf.GGMLQuantizationType] = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
}
"""Types that a conversion can write."""


@dataclass(frozen=True)
class Values:
    """A tensor to be written: rows of numbers stored as ``type``; bfloat16 comes as its bits."""

    name: str
    """In the GGUF file."""
    shape: tuple[int, ...]
    """In PyTorch's order."""
    type: str
    pieces: Pieces
    source: str = ""
    """Its name in the checkpoint."""


def stored(name: str, weight: Weight) -> Values:
    """A tensor as it is in the checkpoint."""
    return Values(name, weight.shape, weight.type, weight.pieces, weight.name)


def made(name: str, numbers: Floats) -> Values:
    """A tensor that is not in the checkpoint but follows from its configuration."""
    return Values(name, numbers.shape, "F32", lambda: iter((numbers,)))


def shifted(values: Values, by: float) -> Values:
    """Every number plus ``by``, for norms that are stored as what is to be added to 1."""

    def pieces() -> Iterator[Floats]:
        for piece in values.pieces():
            yield floats(piece, values.type) + np.float32(by)

    return Values(values.name, values.shape, "F32", pieces, values.source)


def paired(values: Values, heads: int) -> Values:
    """Rows of each head reordered from halves to pairs.

    Transformers rotates a head's first half against its second; llama.cpp's ``llama`` graph rotates neighbours. So row
    ``i`` of the first half and row ``i`` of the second come to stand next to each other.
    """

    def pieces() -> Iterator[NDArray[Any]]:
        whole = np.concatenate(list(values.pieces()))
        halves = whole.reshape(heads, 2, len(whole) // heads // 2, *whole.shape[1:])
        yield np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(whole.shape)

    return Values(values.name, values.shape, values.type, pieces, values.source)


def floats(piece: NDArray[Any], kind: str) -> Floats:
    """Numbers stored as ``kind`` as float32; exact but for float64."""
    if kind == "BF16":
        wide: Floats = (piece.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return wide
    return piece.astype(np.float32, copy=False)


def target_type(values: Values, wanted: str) -> gguf.GGMLQuantizationType:
    """What this tensor is written as: vectors and norms always in float32, as llama.cpp's operations expect it, and a
    matrix whose rows are no whole blocks of the wanted type in float16."""
    if len(values.shape) == 1 or values.name.endswith("_norm.weight"):
        return KINDS["f32"]
    if wanted == "q8_0" and values.shape[-1] % 32:
        return KINDS["f16"]
    return KINDS[wanted]


def size_of(shape: tuple[int, ...], kind: gguf.GGMLQuantizationType) -> int:
    """Bytes in the file."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    return int(math.prod(shape) // block * size)


def encoded(values: Values, kind: gguf.GGMLQuantizationType) -> Iterator[NDArray[np.uint8]]:
    """The tensor's bytes in the file, piece by piece.

    Raises:
        BadInput: a number that is not finite, or that the type cannot hold.
    """
    for stored_piece in values.pieces():
        kept = values.type != "F64"
        with np.errstate(over="ignore"):
            piece = stored_piece if kept else floats(stored_piece, values.type)
        if not _finite(piece, values.type):
            raise BadInput(
                f"The tensor {values.source or values.name} holds numbers that are not finite (NaN or infinity).",
                "The checkpoint is damaged, or its training went wrong: take an earlier one.",
            )
        yield _encode(piece, values, kind).reshape(-1).view(np.uint8)


def _encode(piece: NDArray[Any], values: Values, kind: gguf.GGMLQuantizationType) -> NDArray[Any]:
    if values.type == kind.name:
        return np.ascontiguousarray(piece)
    numbers = floats(piece, values.type)
    if kind is KINDS["f32"]:
        return np.ascontiguousarray(numbers)
    if kind is KINDS["f16"]:
        if numbers.size and max(-float(numbers.min()), float(numbers.max())) > LARGEST_F16:
            raise BadInput(
                f"The tensor {values.source or values.name} holds numbers above 65,504, the most that f16 can hold.",
                "Convert with --type bf16.",
            )
        return numbers.astype(np.float16)
    quantized: NDArray[Any] = gguf.quants.quantize(numbers, kind)
    return quantized


def _finite(piece: NDArray[Any], kind: str) -> bool:
    """Whether there is no NaN and no infinity: their exponent has every bit set."""
    if kind == "BF16":
        return not bool(((piece & np.uint16(0x7F80)) == np.uint16(0x7F80)).any())
    return bool(np.isfinite(piece).all())

"""A model file of a real shape with random weights: right for speed and memory, useless for words.

Quantized blocks are drawn directly, so no quantizer runs and no full-precision matrix exists. What a block's bytes
mean is in ``ggml-common.h``; ``gguf.quants`` dequantizes them in the tests.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from edgemind.convert.shapes import SHAPES, Shape, TensorPlan, tensors
from edgemind.convert.synthetic_vocabulary import END, PAD, TEMPLATE, vocabulary
from edgemind.errors import UsageError
from edgemind.models.ggml_types import BY_NAME, GgmlType

SPREAD = 0.02
"""Standard deviation of the weights, as models are initialized with."""

CHUNK = 8 << 20
"""Bytes drawn at once."""

Bytes = NDArray[np.uint8]


def build(shape: str | Shape, out: Path, seed: int = 0) -> Path:
    """Write the file, mode 0600, under a temporary name first. Memory stays below 300 MB.

    Args:
        shape: a name of ``SHAPES`` or a shape of one's own.

    Raises:
        UsageError: there is no shape of that name.
    """
    if isinstance(shape, str):
        if shape not in SHAPES:
            raise UsageError(f"There is no shape named {shape!r}.", f"The shapes are: {', '.join(SHAPES)}")
        shape = SHAPES[shape]
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        plans = tensors(shape)
        start = _write_head(part, shape, plans)
        with part.open("r+b") as file:
            file.seek(start)
            rng = np.random.Generator(np.random.SFC64(seed))
            for plan in plans:
                for piece in _draw(plan, rng):
                    file.write(piece.data)
                file.write(bytes(-file.tell() % 32))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return out


def _write_head(part: Path, shape: Shape, plans: list[TensorPlan]) -> int:
    """Everything before the weights; the offset where they begin."""
    logging.getLogger("gguf.gguf_writer").setLevel(logging.WARNING)
    writer = gguf.GGUFWriter(part, shape.architecture)
    _describe(writer, shape)
    _add_vocabulary(writer, shape.vocabulary)
    for plan in plans:
        kind = BY_NAME[plan.type.lower()]
        raw = gguf.GGMLQuantizationType(kind.number)
        size = kind.bytes_for(int(np.prod(plan.shape)))
        writer.add_tensor_info(plan.name, plan.shape[::-1], np.dtype(np.float32), size, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    end = part.stat().st_size
    return end + -end % 32


def _describe(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name(f"Random weights {shape.name}")
    writer.add_description("Random weights of a real shape, for measuring; it cannot say anything")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(1e-6)
    if shape.window:
        writer.add_sliding_window(shape.window)


def _add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    words = vocabulary(size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.kinds)
    writer.add_token_merges(words.merges)
    writer.add_eos_token_id(words.id_of(END))
    writer.add_pad_token_id(words.id_of(PAD))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _draw(plan: TensorPlan, rng: np.random.Generator) -> Iterator[Bytes]:
    """The tensor's bytes, piece by piece."""
    kind = BY_NAME[plan.type.lower()]
    elements = int(np.prod(plan.shape))
    if kind.name == "F32":
        yield _floats(plan.name, elements, rng)
        return
    blocks, at_once = elements // kind.block, max(1, CHUNK // kind.size)
    for start in range(0, blocks, at_once):
        yield _blocks(kind, min(at_once, blocks - start), rng)


def _floats(name: str, count: int, rng: np.random.Generator) -> Bytes:
    """Norms are ones, biases small."""
    values = np.ones(count) if name.endswith(".weight") else rng.normal(0, SPREAD, count)
    return values.astype("<f4").view(np.uint8)


def _blocks(kind: GgmlType, count: int, rng: np.random.Generator) -> Bytes:
    """``count`` blocks whose weights have mean 0 and standard deviation ``SPREAD``: random bytes, chosen scales."""
    words = rng.integers(0, 1 << 64, size=-(-count * kind.size // 8), dtype=np.uint64, endpoint=False)
    blocks: Bytes = words.view(np.uint8)[: count * kind.size].reshape(count, kind.size)
    if kind.name == "Q4_K":
        _scale_q4_k(blocks, rng)
    elif kind.name == "Q6_K":
        _scale_q6_k(blocks, rng)
    elif kind.name == "Q5_0":
        signs = rng.choice(np.array([-1.0, 1.0]), size=count)
        blocks[:, :2] = _halves(signs * SPREAD / _std(32))
    elif kind.name == "Q8_0":
        blocks[:, :2] = _halves(np.full(count, SPREAD / _std(256)))
    else:
        raise ValueError(f"no random blocks of type {kind.name}")
    return blocks


def _scale_q4_k(blocks: Bytes, rng: np.random.Generator) -> None:
    """``w = d * s * q - dmin * m`` with q from 0 to 15: s = m, dmin = 7.5 d, and s the same in all 8 parts of a block.

    Layout: d, dmin (f16), 12 bytes with eight scales and eight minima of 6 bits, 128 bytes of q.
    """
    scale = rng.integers(24, 41, size=len(blocks), dtype=np.uint8)
    step = SPREAD / (32 * _std(16))
    blocks[:, 0:2] = _halves(np.full(len(blocks), step))
    blocks[:, 2:4] = _halves(np.full(len(blocks), 7.5 * step))
    blocks[:, 4:12] = (scale & 63 | (scale >> 4) << 6)[:, None]
    blocks[:, 12:16] = (scale & 15 | (scale & 15) << 4)[:, None]


def _scale_q6_k(blocks: Bytes, rng: np.random.Generator) -> None:
    """``w = d * s * (q - 32)`` with q from 0 to 63: random signs of s take the mean of -0.5 away.

    Layout: 128 bytes of low bits, 64 of high bits, 16 scales (i8), d (f16).
    """
    signs = rng.integers(0, 2, size=(len(blocks), 16), dtype=np.int8) * 2 - 1
    blocks[:, 192:208] = (signs * 16).astype(np.int8).view(np.uint8)
    blocks[:, 208:210] = _halves(np.full(len(blocks), SPREAD / (16 * _std(64))))


def _halves(values: NDArray[np.float64]) -> Bytes:
    """Two bytes each, ``[n, 2]``."""
    return values.astype("<f2").view(np.uint8).reshape(-1, 2)


def _std(levels: int) -> float:
    """Standard deviation of a uniform draw from ``levels`` consecutive whole numbers."""
    return float(np.sqrt((levels * levels - 1) / 12))

"""Shapes of real models: layers, widths, and which tensor gets which quantization in a Q4_K_M file.

Facts from the publishers' ``config.json`` files. Not for: weights (``random_weights`` draws them).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """What decides the size and the speed of a model."""

    name: str
    architecture: str
    layers: int
    embedding: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    context: int
    rope_base: float
    tied: bool = True
    qk_norm: bool = False
    qkv_bias: bool = False
    post_norms: bool = False
    window: int = 0
    small: str = "Q4_K"
    """Most matrices."""
    large: str = "Q6_K"
    """The embedding, and what ``Q4_K_M`` gives more bits."""


@dataclass(frozen=True)
class TensorPlan:
    """One tensor to write. ``shape`` in ggml order."""

    name: str
    shape: tuple[int, ...]
    type: str


SHAPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape("tiny", "qwen3", 2, 256, 4, 2, 64, 768, 1024, 4096, 1e6, qk_norm=True),
        Shape("qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151_936, 40_960, 1e6, qk_norm=True),
        Shape("qwen3-1.7b", "qwen3", 28, 2048, 16, 8, 128, 6144, 151_936, 40_960, 1e6, qk_norm=True),
        Shape("llama-3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128_256, 131_072, 5e5),
        Shape(
            *("gemma3-1b", "gemma3", 26, 1152, 4, 1, 256, 6912, 262_144, 32_768, 1e6),
            qk_norm=True,
            post_norms=True,
            window=512,
        ),
    )
}


def tensors(shape: Shape) -> list[TensorPlan]:
    """Every tensor in file order, typed as llama.cpp's ``Q4_K_M`` types it.

    Half of the value and down matrices get ``large`` (``use_more_bits`` in ``llama-quant.cpp``); rows that are no
    multiple of 256 fall back to formats with blocks of 32.
    """
    wide, kv_wide = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    found = [_matrix("token_embd", shape.embedding, shape.vocabulary, shape.large if shape.tied else shape.small)]
    if not shape.tied:
        found.append(_matrix("output", shape.embedding, shape.vocabulary, shape.large))
    for layer in range(shape.layers):
        at = f"blk.{layer}."
        more = shape.large if _more_bits(layer, shape.layers) else shape.small
        found += [
            _vector(f"{at}attn_norm.weight", shape.embedding),
            _matrix(f"{at}attn_q", shape.embedding, wide, shape.small),
            _matrix(f"{at}attn_k", shape.embedding, kv_wide, shape.small),
            _matrix(f"{at}attn_v", shape.embedding, kv_wide, more),
            _matrix(f"{at}attn_output", wide, shape.embedding, shape.small),
            _vector(f"{at}ffn_norm.weight", shape.embedding),
            _matrix(f"{at}ffn_gate", shape.embedding, shape.feed_forward, shape.small),
            _matrix(f"{at}ffn_up", shape.embedding, shape.feed_forward, shape.small),
            _matrix(f"{at}ffn_down", shape.feed_forward, shape.embedding, more),
        ]
        if shape.qk_norm:
            found += [_vector(f"{at}attn_{side}_norm.weight", shape.head_dim) for side in "qk"]
        if shape.qkv_bias:
            found += [_vector(f"{at}attn_{side}.bias", wide if side == "q" else kv_wide) for side in "qkv"]
        if shape.post_norms:
            names = ("post_attention_norm", "post_ffw_norm")
            found += [_vector(f"{at}{name}.weight", shape.embedding) for name in names]
    return [*found, _vector("output_norm.weight", shape.embedding)]


_FALLBACK = {"Q4_K": "Q5_0", "Q6_K": "Q8_0"}
"""``llama-quant.cpp``, ``tensor_type_fallback``."""


def _matrix(name: str, columns: int, rows: int, kind: str) -> TensorPlan:
    return TensorPlan(f"{name}.weight", (columns, rows), _FALLBACK.get(kind, kind) if columns % 256 else kind)


def _vector(name: str, size: int) -> TensorPlan:
    return TensorPlan(name, (size,), "F32")


def _more_bits(layer: int, layers: int) -> bool:
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2

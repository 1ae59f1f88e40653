"""The header of a model file that is not here, as far as the catalog knows it: enough for memory and speed.

Everything that works on a header (``fit``, ``summary``, ``prediction``) then works on a catalog entry too. What the
catalog does not say is filled in with what models of that size usually have, and the sketch says that it is rough.
Not for: anything that a user would take for the file's own words.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from edgemind.models import quantizations
from edgemind.models.catalog import CatalogEntry, Shape
from edgemind.models.ggml_types import BY_NAME
from edgemind.models.header import Header, Tensor, Value

_USUAL_BITS = 5.0

_USUAL: tuple[tuple[float, Shape], ...] = tuple(
    (billions, Shape(architecture="unknown", tied=billions < 6, **dict(zip(_names, numbers, strict=True))))
    for _names in [("layers", "embedding", "heads", "kv_heads", "head_dim", "feed_forward", "vocabulary")]
    for billions, numbers in (
        (0.14, (30, 576, 9, 3, 64, 1536, 49_152)),
        (0.6, (28, 1024, 16, 8, 128, 3072, 151_936)),
        (1.7, (28, 2048, 16, 8, 128, 6144, 151_936)),
        (4.0, (36, 2560, 32, 8, 128, 9728, 151_936)),
        (8.2, (36, 4096, 32, 8, 128, 12_288, 151_936)),
        (14.8, (40, 5120, 40, 8, 128, 17_408, 151_936)),
        (32.8, (64, 5120, 64, 8, 128, 25_600, 151_936)),
        (70.0, (80, 8192, 64, 8, 128, 28_672, 128_256)),
    )
)
"""Shapes that stand in for one that the catalog does not give: SmolLM2's, Qwen3's, Llama 3's."""


@dataclass(frozen=True)
class Sketch:
    """A model as far as it is known without its file."""

    header: Header
    quantization: str
    rough: bool
    """The size of the file or the shape of the model is a guess."""
    active_share: float = 1.0
    """Part of the layers' weights that one token reads: less than 1 for a mixture of experts."""


def sketch(entry: CatalogEntry, quantization: str | None = None) -> Sketch:
    """What is known of this entry in this quantization, or in its default one."""
    name = entry.quantization(quantization) or quantization or "Q4_K_M"
    file = entry.files.get(name)
    known_size = file.size if file else None
    size = known_size or round(entry.parameters * bits_per_weight(name) / 8)
    shape = entry.shape or _usual(entry.parameters)
    return Sketch(
        header=_header(entry, shape, name, size),
        quantization=name,
        rough=known_size is None or entry.shape is None,
        active_share=_active_share(entry, shape),
    )


def _active_share(entry: CatalogEntry, shape: Shape) -> float:
    """Of the weights outside the tables. Publishers do not count per-layer embeddings among the active ones."""
    active = entry.active_parameters or entry.parameters
    table = shape.embedding * shape.vocabulary * (1 if shape.tied else 2)
    layers = entry.parameters - table - shape.per_layer_embedding * shape.layers * shape.vocabulary
    return min(1.0, max(active - table, 0) / layers) if active < entry.parameters and layers > 0 else 1.0


def bits_per_weight(quantization: str) -> float:
    """Of a whole file, on average. Small models have more, since their embedding is a larger part of them."""
    plain = _plain(quantization)
    if plain in quantizations.BY_TYPE:
        return quantizations.BY_TYPE[plain].bits
    return max(
        (known.bits for known in quantizations.ALL if plain.startswith(_family(known.name))), default=_USUAL_BITS
    )


def _header(entry: CatalogEntry, shape: Shape, quantization: str, size: int) -> Header:
    tensors = _tensors(shape, quantization, size)
    return Header(
        path=Path(f"{entry.name}.gguf"),
        version=3,
        size_bytes=size,
        alignment=32,
        data_offset=0,
        metadata=_metadata(shape, entry.context),
        arrays={},
        tensors=tensors,
        by_name={tensor.name: tensor for tensor in tensors},
    )


def _metadata(shape: Shape, context: int) -> dict[str, Value]:
    attends = _evenly(shape.layers, shape.keeps_keys)
    full, window = shape.global_head_dim or shape.head_dim, shape.head_dim
    period = shape.window_period
    keys: dict[str, Value] = {
        "block_count": shape.layers,
        "context_length": context,
        "embedding_length": shape.embedding,
        "feed_forward_length": shape.feed_forward,
        "vocab_size": shape.vocabulary,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": tuple(shape.kv_heads if one else 0 for one in attends),
        "attention.key_length": full,
        "attention.value_length": full,
        "attention.key_length_swa": window,
        "attention.value_length_swa": window,
    }
    if shape.sliding_window and period:
        keys["attention.sliding_window"] = shape.sliding_window
        keys["attention.sliding_window_pattern"] = tuple((layer + 1) % period != 0 for layer in range(shape.layers))
    named = {f"{shape.architecture}.{key}": value for key, value in keys.items()}
    return {"general.architecture": shape.architecture, **named}


def _tensors(shape: Shape, quantization: str, size: int) -> tuple[Tensor, ...]:
    """The tables, typed as llama.cpp's quantizer types them, and what remains of the size spread over the layers."""
    body, table = _types(quantization)
    tables = [("token_embd.weight", (shape.embedding, shape.vocabulary), table if shape.tied else body)]
    if not shape.tied:
        tables.append(("output.weight", (shape.embedding, shape.vocabulary), table))
    if shape.per_layer_embedding:
        width = shape.per_layer_embedding * shape.layers
        tables.append(("per_layer_token_embd.weight", (width, shape.vocabulary), table))
    sizes = [BY_NAME[kind.lower()].bytes_for(math.prod(dims)) for _, dims, kind in tables]
    shrink = min(1.0, 0.8 * size / sum(sizes))
    found = [
        Tensor(name, dims, kind, 0, int(bytes_ * shrink))
        for (name, dims, kind), bytes_ in zip(tables, sizes, strict=True)
    ]
    each = (size - sum(tensor.size for tensor in found)) // shape.layers
    found += [Tensor(f"blk.{layer}.weight", (each,), body, 0, each) for layer in range(shape.layers)]
    return tuple(found)


def _types(quantization: str) -> tuple[str, str]:
    """The ggml type of most matrices, and that of the output matrix (``llama_tensor_get_type`` in llama.cpp)."""
    plain = _plain(quantization)
    body = next((name for name in (plain, _family(plain), "Q4_K") if name.lower() in BY_NAME), "Q4_K")
    wide = body in ("Q8_0", "F16", "BF16", "F32")
    return body, body if wide else "Q8_0" if plain.startswith("MXFP4") else "Q6_K"


def _plain(quantization: str) -> str:
    """``UD-Q4_K_XL`` as ``Q4_K_XL``."""
    return re.sub(r"^UD[-_]", "", quantization.upper())


def _family(quantization: str) -> str:
    """``Q4_K`` of ``Q4_K_M``, ``IQ3`` of ``IQ3_M``."""
    known = re.match(r"I?Q\d+(_[K01])?|[A-Z]+\d+", quantization)
    return known.group() if known else quantization


def _evenly(layers: int, chosen: int) -> list[bool]:
    """So many of the layers, spread evenly, the last among them."""
    return [(layer + 1) * chosen // layers > layer * chosen // layers for layer in range(layers)]


def _usual(parameters: int) -> Shape:
    return min(_USUAL, key=lambda known: abs(math.log(known[0] * 1e9 / parameters)))[1]

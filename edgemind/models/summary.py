"""What a person wants to know about a model file, and the shape that memory estimates start from."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from edgemind.errors import ModelUnusable
from edgemind.models.ggml_types import FILE_TYPES
from edgemind.models.header import Header, Value
from edgemind.models.opening import shown
from edgemind.models.splits import stem


@dataclass(frozen=True)
class Summary:
    """The facts of one model. Per-layer lists have ``layers`` entries."""

    name: str
    architecture: str
    parameters: int
    size_bytes: int
    quantization: str
    """The mix as people name it (``Q4_K_M``), else the commonest tensor type."""
    types: tuple[tuple[str, int], ...]
    """Bytes per tensor type, most first."""
    context_trained: int
    layers: int
    embedding: int
    feed_forward: tuple[int, ...]
    heads: tuple[int, ...]
    kv_heads: tuple[int, ...]
    key_length: int
    """Dimensions of one head's key."""
    value_length: int
    key_length_swa: int
    value_length_swa: int
    vocabulary: int
    sliding_window: int
    """Tokens that a windowed layer looks back; 0 when every layer sees everything."""
    windowed: tuple[bool, ...]
    """Which layers use the window."""
    attends: tuple[bool, ...]
    """Which layers keep keys and values of their own."""
    recurrent_layers: tuple[bool, ...]
    """Which layers keep a state (Mamba, gated delta nets)."""
    state_size: int
    """Numbers in the state of one recurrent layer and sequence."""
    experts: int
    experts_used: int
    expert_width: int
    """Feed-forward width of all experts that one token uses, the shared ones among them."""
    has_template: bool

    @property
    def recurrent(self) -> bool:
        """Some layer keeps a state in place of keys and values: the cache cannot forget its tail."""
        return any(self.recurrent_layers) or self.architecture.startswith("rwkv")


def summary(header: Header) -> Summary:
    """The facts of a model file; a key that is missing or of a wrong type counts as absent."""
    layers = min(header.arch_number("block_count") or 0, 4096)
    embedding = header.arch_number("embedding_length") or 0
    heads = _per_layer(header.arch("attention.head_count"), layers, 0)
    kv_heads = _per_layer(header.arch("attention.head_count_kv"), layers, None, heads)
    most = max(heads, default=0)
    head_dim = embedding // most if most else 0
    key = header.arch_number("attention.key_length") or head_dim
    value = header.arch_number("attention.value_length") or head_dim
    window, windowed = _window(header, layers)
    attends, recurrent = _layer_kinds(header, layers, kv_heads)
    by_type: Counter[str] = Counter()
    for tensor in header.tensors:
        by_type[tensor.type] += tensor.size
    return Summary(
        name=header.text("general.name") or header.text("general.basename") or stem(header.path),
        architecture=header.architecture,
        parameters=header.parameters,
        size_bytes=header.size_bytes,
        quantization=_quantization(header, by_type),
        types=tuple(by_type.most_common()),
        context_trained=header.arch_number("context_length") or 0,
        layers=layers,
        embedding=embedding,
        feed_forward=_per_layer(header.arch("feed_forward_length"), layers, 0),
        heads=heads,
        kv_heads=kv_heads,
        key_length=key,
        value_length=value,
        key_length_swa=header.arch_number("attention.key_length_swa") or key,
        value_length_swa=header.arch_number("attention.value_length_swa") or value,
        vocabulary=vocabulary(header),
        sliding_window=window,
        windowed=windowed,
        attends=attends,
        recurrent_layers=recurrent,
        state_size=_state_size(header),
        experts=header.arch_number("expert_count") or 0,
        experts_used=header.arch_number("expert_used_count") or 0,
        expert_width=(header.arch_number("expert_used_count") or 0)
        * (header.arch_number("expert_feed_forward_length") or 0)
        + (header.arch_number("expert_shared_feed_forward_length") or 0),
        has_template=bool(header.text("tokenizer.chat_template")),
    )


def check_model(header: Header) -> None:
    """Refuse a GGUF file that is sound but holds no language model.

    Raises:
        ModelUnusable: an adapter, a projector for images, an importance matrix, a vocabulary alone, a model that does
            not write one token after another. One part of a model that is split passes: its siblings may yet come.
    """
    name = shown(header.path)
    other = {
        "adapter": "a LoRA adapter, which is used together with its model",
        "mmproj": "the image part of a model",
        "imatrix": "an importance matrix, which only quantizing needs",
    }.get(header.kind)
    if header.kind == "model" and header.architecture == "clip":
        other = "the image part of a model"
    if other:
        raise ModelUnusable(f"{name} is {other}, not a language model.", "Name the model's own GGUF file.")
    if not header.architecture:
        raise ModelUnusable(f"{name} does not say which architecture it has.", "Get another file of this model.")
    if header.architecture in _OTHER_KINDS:
        raise ModelUnusable(
            f"{name} is {_OTHER_KINDS[header.architecture]} ({header.architecture}), which EdgeMind cannot run.",
            "Take a model that writes text from left to right.",
        )
    if not header.tensors:
        raise ModelUnusable(f"{name} holds no weights, only a vocabulary.", "Get the whole model.")
    if not (header.arch_number("block_count") or 0) > 0:
        raise ModelUnusable(f"{name} does not say how many layers it has.", "Get another file of this model.")


_OTHER_KINDS = {
    "t5": "an encoder and decoder in one",
    "wavtokenizer-dec": "a decoder for sound",
    **dict.fromkeys(("dream", "llada", "llada-moe", "rnd1"), "a diffusion model"),
}
_EMBEDDERS = {
    *("bert", "modern-bert", "neo-bert", "eurobert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3"),
    *("gemma-embedding", "llama-embed", "t5encoder"),
}


def is_embedding(header: Header) -> bool:
    """Whether the model turns a text into numbers for search (embeddings, or a rank) and writes none.

    A causal architecture can be trained for that too: such a file names how the numbers of its tokens are pooled.
    """
    causal = header.arch("attention.causal")
    return header.architecture in _EMBEDDERS or causal is False or (header.arch_number("pooling_type") or 0) > 0


def vocabulary(header: Header) -> int:
    """Tokens in the vocabulary, 0 when unknown."""
    tokens = header.arrays.get("tokenizer.ggml.tokens")
    if tokens:
        return tokens.count
    embedding = header.by_name.get("token_embd.weight")
    if embedding and len(embedding.shape) == 2:
        return embedding.shape[1]
    return header.arch_number("vocab_size") or 0


def _per_layer(
    value: Value | None, layers: int, default: int | None, otherwise: tuple[int, ...] = ()
) -> tuple[int, ...]:
    """A number for all layers, or a list with one each, as one entry per layer."""
    if isinstance(value, tuple):
        numbers = tuple(int(item) if isinstance(item, (int, float)) else 0 for item in value[:layers])
        return numbers + (0,) * (layers - len(numbers))
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,) * layers
    return otherwise if default is None else (default,) * layers


_PERIODS: dict[str, tuple[int, bool]] = {
    "gemma2": (2, False),
    "gemma3": (6, False),
    "gemma3n": (5, False),
    "gemma4": (6, False),
    "cohere2": (4, False),
    "gpt-oss": (2, False),
    "llama4": (4, False),
    "exaone4": (4, False),
    "smallthinker": (4, True),
}
"""Of every so many layers one sees everything, the last (or with ``True`` the first), as llama.cpp sets it
(``set_swa_pattern`` calls in its model loading) when the file has no pattern of its own."""


def _window(header: Header, layers: int) -> tuple[int, tuple[bool, ...]]:
    """The sliding window in tokens, and which layers use it."""
    none = 0, (False,) * layers
    window = header.arch_number("attention.sliding_window") or 0
    if not window:
        return none
    pattern = header.arch("attention.sliding_window_pattern")
    if isinstance(pattern, tuple):
        flags = tuple(bool(item) for item in pattern[:layers])
        return window, flags + (False,) * (layers - len(flags))
    period, dense_first = _PERIODS.get(header.architecture, (0, False))
    if isinstance(pattern, int) and not isinstance(pattern, bool) and pattern > 0 and period:
        period = pattern
    if not period:
        return none
    if period == 1:
        return window, (False,) * layers
    offset = 0 if dense_first else period - 1
    return window, tuple(layer % period != offset for layer in range(layers))


def _layer_kinds(header: Header, layers: int, kv_heads: tuple[int, ...]) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Which layers keep keys and values, and which a recurrent state."""
    shared = header.arch_number("attention.shared_kv_layers") or 0
    own = [layer < layers - shared for layer in range(layers)]
    mixed = any(key.startswith(f"{header.architecture}.ssm.") for key in header.metadata)
    if not mixed:
        return tuple(own), (False,) * layers
    interval = header.arch_number("full_attention_interval") or 0
    if interval:
        attends = [(layer + 1) % interval == 0 for layer in range(layers)]
        return tuple(attends), tuple(not one for one in attends)
    has_heads = [heads > 0 for heads in kv_heads] or [False] * layers
    everywhere = all(has_heads)
    return tuple(has_heads), tuple(everywhere or not one for one in has_heads)


def _state_size(header: Header) -> int:
    """``n_embd_r + n_embd_s`` of ``llama-hparams.cpp``: the convolution's last inputs and the state itself."""
    kernel, inner = header.arch_number("ssm.conv_kernel") or 0, header.arch_number("ssm.inner_size") or 0
    state, groups = header.arch_number("ssm.state_size") or 0, header.arch_number("ssm.group_count") or 0
    return max(kernel - 1, 0) * (inner + 2 * groups * state) + state * inner


def _quantization(header: Header, by_type: Counter[str]) -> str:
    number = header.number("general.file_type")
    if number is not None and number in FILE_TYPES:
        return FILE_TYPES[number]
    in_name = re.search(r"(?i)\b(I?Q\d\w*|BF16|F16|F32|MXFP4\w*)(?=(?:-\d{5}-of-\d{5})?\.gguf$)", header.path.name)
    if in_name:
        return in_name.group(1).upper()
    return by_type.most_common(1)[0][0] if by_type else "unknown"

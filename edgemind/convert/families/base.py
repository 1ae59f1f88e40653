"""A family of models as a table of differences from Llama: names and shapes of tensors, and what changes on the way.

A new family is one file with a class; ``docs/adding-a-family.md`` is the page about it. Tensor names come from the
``gguf`` package's map, keys and their meaning from llama.cpp (``llama-model.cpp`` and ``src/models``, 0c1e57098).
Not for: reading files (``checkpoint``), writing them (``write``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import gguf

from edgemind.convert.checkpoint import AGAIN, Checkpoint, Weight
from edgemind.convert.families.rope import IMPOSSIBLE, Rope, describe, llama3_factors, rope_of
from edgemind.convert.values import Values, made, paired, shifted, stored
from edgemind.errors import BadInput

HEAD = {"model.embed_tokens.weight": "V E", "model.norm.weight": "E"}
"""Outside the layers. Shapes are letters, see ``Family.sizes``."""

ATTENTION = {
    "self_attn.q_proj.weight": "Q E",
    "self_attn.k_proj.weight": "K E",
    "self_attn.v_proj.weight": "K E",
    "self_attn.o_proj.weight": "E Q",
}
FEED_FORWARD = {"mlp.gate_proj.weight": "F E", "mlp.up_proj.weight": "F E", "mlp.down_proj.weight": "E F"}
NORMS = {"input_layernorm.weight": "E", "post_attention_layernorm.weight": "E"}
QKV_BIAS = {"self_attn.q_proj.bias": "Q", "self_attn.k_proj.bias": "K", "self_attn.v_proj.bias": "K"}

_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")
_IGNORED = re.compile(r".*(rotary_emb\.inv_freq|attn\.masked_bias|attn\.bias)$")
"""Buffers that old versions of transformers saved: they follow from the configuration."""


class Family:
    """One checkpoint of a family, as it is to be written.

    Raises:
        BadInput: the configuration lacks a number, or asks for what llama.cpp cannot do.
    """

    title: ClassVar[str]
    architectures: ClassVar[tuple[str, ...]]
    """As ``config.json`` spells them."""
    arch: ClassVar[gguf.MODEL_ARCH]
    layer: ClassVar[Mapping[str, str]] = {**NORMS, **ATTENTION, **FEED_FORWARD}
    """Tensors that every layer has, and their shapes."""
    optional: ClassVar[Mapping[str, str]] = {}
    """Tensors that a layer may have."""
    pairs: ClassVar[bool] = False
    """Whether llama.cpp rotates neighbours here, so that rows of Q and K change places."""
    norm_shift: ClassVar[float] = 0.0
    """Added to every norm."""
    own_output: ClassVar[bool] = True
    """Whether llama.cpp reads an output matrix of its own."""
    tied: ClassVar[bool] = False
    """Whether the output matrix is the embedding when ``config.json`` does not say."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """What ``config.json`` leaves out where it is usual."""
    theta: ClassVar[float] = 10_000.0
    """Base of the rope's angles when ``config.json`` does not say."""
    unknown_tokens: ClassVar[tuple[str, ...]] = ()
    """Tokens of the tokenizer that these models are known to have no embedding for."""
    tolerance: ClassVar[float] = 1e-4
    """Largest difference of a logit in float32, against the largest of its row, that is rounding and no mistake."""
    prefixes: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Beginnings of tensor names, and what stands there in a model for text alone."""
    activations: ClassVar[tuple[str, ...]] = ("silu", "swish")
    """What may stand between the halves of the feed-forward part: llama.cpp has one for each architecture."""
    skipped: ClassVar[tuple[str, ...]] = ()
    """Beginnings of names of tensors that are not part of the text model."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        inner = config.get("text_config")
        self.config: Mapping[str, Any] = {**self.defaults, **config, **(inner if isinstance(inner, dict) else {})}
        self.notes: list[str] = []
        self.check()

    def check(self) -> None:
        """Refuse, or note, what llama.cpp does otherwise than transformers. Families add to this."""
        if self.config.get("quantization_config"):
            raise BadInput(
                "This checkpoint is quantized already, so its weights are not what the model was trained to.",
                "Convert the original in bfloat16 or float16, then `edgemind quantize` it.",
            )
        if self.activation not in self.activations:
            raise BadInput(
                f"config.json has the activation {self.activation!r}; llama.cpp has only "
                f"{self.activations[0]} for {self.title}.",
                IMPOSSIBLE,
            )
        if not self.own_output and self.config.get("tie_word_embeddings") is False:
            raise BadInput(f"llama.cpp has no {self.title} with an output matrix of its own.", IMPOSSIBLE)
        if self.heads % self.kv_heads or self.head_dim % 2:
            raise BadInput(f"config.json has {self.heads} heads for {self.kv_heads} key heads, which cannot be.", AGAIN)
        if self.rope.kind == "dynamic":
            self.notes.append("llama.cpp has no dynamic rope scaling; up to the trained context, all is equal.")

    def number(self, *names: str) -> int:
        """The first of these settings that is there.

        Raises:
            BadInput: none is a positive whole number.
        """
        value = next((self.config[name] for name in names if self.config.get(name) is not None), None)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 31:
            raise BadInput(f"config.json has no usable {names[0]!r}.", AGAIN)
        return value

    @property
    def activation(self) -> str:
        return str(self.config.get("hidden_activation") or self.config.get("hidden_act") or self.activations[0])

    def real(self, name: str) -> float:
        value = self.config.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise BadInput(f"config.json has no usable {name!r}.", AGAIN)
        return float(value)

    @cached_property
    def layers(self) -> int:
        return self.number("num_hidden_layers")

    @cached_property
    def embedding(self) -> int:
        return self.number("hidden_size")

    @cached_property
    def heads(self) -> int:
        return self.number("num_attention_heads")

    @cached_property
    def kv_heads(self) -> int:
        return self.number("num_key_value_heads", "num_attention_heads")

    @cached_property
    def head_dim(self) -> int:
        return self.number("head_dim") if self.config.get("head_dim") else self.embedding // self.heads

    @cached_property
    def context(self) -> int:
        return self.number("max_position_embeddings")

    @cached_property
    def vocabulary(self) -> int:
        """Rows of the embedding; at least the tokens of the tokenizer."""
        return self.number("vocab_size")

    @cached_property
    def rope(self) -> Rope:
        return rope_of(self.config, self.theta)

    @property
    def is_tied(self) -> bool:
        """Whether there is no output matrix beside the embedding."""
        given = self.config.get("tie_word_embeddings")
        return not self.own_output or (self.tied if given is None else bool(given))

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The letters of the shapes."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        feed_forward = self.number("intermediate_size")
        return {
            "V": self.vocabulary,
            "E": self.embedding,
            "F": feed_forward,
            "Q": query,
            "K": key,
            "D": self.head_dim,
            "P": query + 2 * key,
            "G": 2 * feed_forward,
        }

    def describe(self, writer: gguf.GGUFWriter) -> None:
        """The model's numbers, as llama.cpp's loader reads them."""
        writer.add_block_count(self.layers)
        writer.add_context_length(self.context)
        writer.add_embedding_length(self.embedding)
        writer.add_feed_forward_length(self.sizes["F"])
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_layer_norm_rms_eps(self.real("rms_norm_eps"))
        if self.config.get("head_dim"):
            writer.add_key_length(self.head_dim)
            writer.add_value_length(self.head_dim)
        describe(writer, self.rope)

    def tensors(self, checkpoint: Checkpoint, merged: Mapping[str, Values]) -> Iterator[Values]:
        """Every tensor of the file, in order.

        Args:
            merged: other values for some of them, by their names in the checkpoint.

        Raises:
            BadInput: a tensor is missing, is not one of this family, or has another shape.
        """
        weights = self.own(checkpoint.weights)
        self._check(weights)
        yield from self.extra()
        for name, weight in weights.items():
            own = self.gguf_name(name)
            values = stored(own, weight)
            if name in merged:
                values = replace(merged[name], name=own)
            yield self.change(name, values)

    def extra(self) -> Iterator[Values]:
        """Tensors that follow from the configuration."""
        if self.rope.kind == "llama3":
            yield made("rope_freqs.weight", llama3_factors(self.rope, self.head_dim))

    def change(self, name: str, values: Values) -> Values:
        """What becomes of one tensor."""
        if self.pairs and ".self_attn.q_proj." in name:
            return paired(values, self.heads)
        if self.pairs and ".self_attn.k_proj." in name:
            return paired(values, self.kv_heads)
        if self.norm_shift and name.endswith("norm.weight"):
            return shifted(values, self.norm_shift)
        return values

    def gguf_name(self, name: str) -> str:
        """llama.cpp's name of a tensor.

        Raises:
            BadInput: it has none.
        """
        found: str | None = self._names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise self._strange(name)
        return found

    @cached_property
    def _names(self) -> gguf.TensorNameMap:
        return gguf.get_tensor_name_map(self.arch, self.layers)

    def own(self, weights: Mapping[str, Weight]) -> dict[str, Weight]:
        """The tensors of the text model by their plain names, layer by layer."""
        found = {}
        for name, weight in weights.items():
            plain = next((new + name[len(old) :] for old, new in self.prefixes if name.startswith(old)), name)
            if _IGNORED.match(plain) or name.startswith(self.skipped or "\0"):
                continue
            if plain == "lm_head.weight" and self.is_tied:
                continue
            found[plain] = weight
        return dict(sorted(found.items(), key=lambda entry: _place(entry[0])))

    def _check(self, weights: Mapping[str, Weight]) -> None:
        wanted = dict(HEAD) if self.is_tied else {**HEAD, "lm_head.weight": "V E"}
        for number in range(self.layers):
            wanted.update({f"model.layers.{number}.{part}": shape for part, shape in self.layer.items()})
        missing = next((name for name in wanted if name not in weights), None)
        if missing is not None:
            raise BadInput(f"The checkpoint has no tensor {missing}, which every {self.title} model has.", AGAIN)
        for name, weight in weights.items():
            shape = wanted.get(name) or self._optional_shape(name)
            weight.check()
            sizes = tuple(self.sizes[letter] for letter in shape.split())
            if weight.shape != sizes:
                found, asked = _shape(weight.shape), _shape(sizes)
                raise BadInput(
                    f"The tensor {name} has the shape {found} where config.json asks for {asked}.",
                    "The weights and config.json are not of the same model: copy both again.",
                )

    def _optional_shape(self, name: str) -> str:
        match = _LAYER.fullmatch(name)
        if match and int(match[1]) < self.layers and match[2] in self.optional:
            return self.optional[match[2]]
        raise self._strange(name)

    def _strange(self, name: str) -> BadInput:
        return BadInput(
            f"The checkpoint holds a tensor {name}, which {self.title} models do not have.",
            "Its architecture is not what config.json says; adapters are converted with --lora.",
        )


def _place(name: str) -> int:
    """The embedding, the layers as the text passes them, what comes behind."""
    match = _LAYER.fullmatch(name)
    if match:
        return int(match[1])
    return -1 if "embed" in name else 1 << 30


def _shape(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))

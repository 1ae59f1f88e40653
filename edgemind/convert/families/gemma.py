"""Gemma 2 and the text model of Gemma 3: norms around both halves of a layer, stored as what is added to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import gguf

from edgemind.convert.families.base import ATTENTION, FEED_FORWARD, NORMS, Family
from edgemind.convert.families.rope import IMPOSSIBLE
from edgemind.errors import BadInput

FOUR_NORMS = {**NORMS, "pre_feedforward_layernorm.weight": "E", "post_feedforward_layernorm.weight": "E"}


class _Gemma(Family):
    norm_shift = 1.0
    activations = ("gelu_pytorch_tanh",)
    tied = True
    tolerance = 3e-3  # ggml looks GELU up in a table of float16
    defaults: ClassVar[Mapping[str, Any]] = {
        "head_dim": 256,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 131_072,
        "sliding_window": 4096,
        "vocab_size": 262_208,
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 256,
    }
    period: int
    """Of so many layers the last sees everything, the others through the window; llama.cpp's default."""
    widest: int
    """Layers of the one size whose attention llama.cpp scales by the model's width instead of the head's."""

    def check(self) -> None:
        super().check()
        scale = self.real("query_pre_attn_scalar")
        known = self.embedding // self.heads if self.layers == self.widest else self.head_dim
        if not math.isclose(scale, known):
            raise BadInput(
                f"config.json scales attention by {scale}; llama.cpp always has {known} for this size.",
                IMPOSSIBLE,
            )
        if self.config.get("use_bidirectional_attention"):
            raise BadInput("config.json asks for attention in both directions; this Gemma only looks back.", IMPOSSIBLE)

    def windowed(self) -> list[bool]:
        """Which layers see through the window."""
        kinds = self.config.get("layer_types")
        if isinstance(kinds, list) and len(kinds) == self.layers:
            return [kind == "sliding_attention" for kind in kinds]
        period = self.config.get("sliding_window_pattern") or self.period
        return [(layer + 1) % int(period) != 0 for layer in range(self.layers)]

    def describe_window(self, writer: gguf.GGUFWriter) -> None:
        windowed = self.windowed()
        if self.config.get("sliding_window") and any(windowed):
            writer.add_sliding_window(self.number("sliding_window"))
            if windowed != [(layer + 1) % self.period != 0 for layer in range(self.layers)]:
                writer.add_sliding_window_pattern(windowed)


class Gemma2(_Gemma):
    """Soft caps on attention and output; every second layer sees everything."""

    title = "Gemma 2"
    architectures = ("Gemma2ForCausalLM",)
    arch = gguf.MODEL_ARCH.GEMMA2
    layer: ClassVar[Mapping[str, str]] = {**FOUR_NORMS, **ATTENTION, **FEED_FORWARD}
    own_output = False
    period = 2
    widest = 46

    defaults: ClassVar[Mapping[str, Any]] = {
        **_Gemma.defaults,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
    }

    def check(self) -> None:
        super().check()
        for key in ("attn_logit_softcapping", "final_logit_softcapping"):
            if not self.config.get(key):
                raise BadInput(f"config.json has no {key}; llama.cpp always has one for Gemma 2.", IMPOSSIBLE)

    def describe(self, writer: gguf.GGUFWriter) -> None:
        super().describe(writer)
        writer.add_attn_logit_softcapping(self.real("attn_logit_softcapping"))
        writer.add_final_logit_softcapping(self.real("final_logit_softcapping"))
        self.describe_window(writer)
        if not self.config.get("sliding_window") or not any(self.windowed()):
            writer.add_sliding_window(self.context)  # without the key llama.cpp takes 4,096


class Gemma3(_Gemma):
    """Norms of Q and K; every sixth layer sees everything, with a rope of its own."""

    title = "Gemma 3"
    architectures = ("Gemma3ForCausalLM", "Gemma3ForConditionalGeneration")
    arch = gguf.MODEL_ARCH.GEMMA3
    layer: ClassVar[Mapping[str, str]] = {
        **FOUR_NORMS,
        **ATTENTION,
        **FEED_FORWARD,
        "self_attn.q_norm.weight": "D",
        "self_attn.k_norm.weight": "D",
    }
    theta = 1_000_000.0
    unknown_tokens = ("<image_soft_token>",)
    prefixes = (("language_model.", ""), ("model.language_model.", "model."))
    skipped = ("vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector.")
    period = 6
    widest = 62

    def check(self) -> None:
        super().check()
        if self.config.get("attn_logit_softcapping"):
            raise BadInput("config.json caps the attention, which llama.cpp does not for Gemma 3.", IMPOSSIBLE)

    def describe(self, writer: gguf.GGUFWriter) -> None:
        super().describe(writer)
        if self.config.get("final_logit_softcapping"):
            writer.add_final_logit_softcapping(self.real("final_logit_softcapping"))
        self.describe_window(writer)

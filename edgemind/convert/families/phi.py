"""Phi-3, Phi-3.5 and Phi-4 (mini included): Q, K, V in one matrix, gate and up in one, two sets of rope factors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

import gguf
import numpy as np

from edgemind.convert.checkpoint import AGAIN
from edgemind.convert.families.base import NORMS, Family
from edgemind.convert.values import Values, made
from edgemind.errors import BadInput


class Phi3(Family):
    """llama.cpp reads the fused matrices as they are, and takes the long factors beyond the original context."""

    title = "Phi-3"
    architectures = ("Phi3ForCausalLM",)
    arch = gguf.MODEL_ARCH.PHI3
    layer: ClassVar[Mapping[str, str]] = {
        **NORMS,
        "self_attn.qkv_proj.weight": "P E",
        "self_attn.o_proj.weight": "E Q",
        "mlp.gate_up_proj.weight": "G E",
        "mlp.down_proj.weight": "E F",
    }

    def check(self) -> None:
        super().check()
        if self.heads * self.head_dim != self.embedding:
            raise BadInput("llama.cpp has no Phi-3 whose heads are not as wide as the model together.", AGAIN)
        window = self.config.get("sliding_window")
        if isinstance(window, int) and window < self.context:
            self.notes.append(f"llama.cpp ignores the sliding window of {window:,} tokens; up to it, all is equal.")

    @property
    def rotated(self) -> int:
        """Numbers of a head that are rotated."""
        return int(self.rope.partial * self.embedding) // self.heads

    @property
    def original_context(self) -> int:
        return int(self.rope.original or self.context)

    def describe(self, writer: gguf.GGUFWriter) -> None:
        """``head_dim`` is never given: llama.cpp takes it from the widths. A window of 0 tells Phi-4 from Phi-3."""
        writer.add_context_length(self.context)
        writer.add_rope_scaling_orig_ctx_len(self.original_context)
        writer.add_embedding_length(self.embedding)
        writer.add_feed_forward_length(self.sizes["F"])
        writer.add_block_count(self.layers)
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_layer_norm_rms_eps(self.real("rms_norm_eps"))
        writer.add_rope_dimension_count(self.rotated)
        writer.add_rope_freq_base(self.rope.theta)
        writer.add_sliding_window(self.config.get("sliding_window") or 0)
        if self.rope.scaling.get("long_factor"):
            writer.add_rope_scaling_attn_factors(self._attention_factor())

    def extra(self) -> Iterator[Values]:
        for length in ("long", "short"):
            factors = self.rope.scaling.get(f"{length}_factor")
            if not factors:
                continue
            if len(factors) != self.rotated // 2:
                raise BadInput(
                    f"config.json has {len(factors)} {length} rope factors where {self.rotated // 2} belong.", AGAIN
                )
            yield made(f"rope_factors_{length}.weight", np.array(factors, np.float32))

    def _attention_factor(self) -> float:
        """Source: ``_compute_longrope_parameters`` of transformers."""
        given = self.rope.scaling.get("attention_factor")
        if given is not None:
            return float(given)
        scale = self.rope.number("factor", self.context / self.original_context)
        return math.sqrt(1 + math.log(scale) / math.log(self.original_context)) if scale > 1 else 1.0

"""Granite 3, dense: Llama with four multipliers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gguf

from edgemind.convert.families.base import QKV_BIAS
from edgemind.convert.families.llama import Llama


class Granite(Llama):
    """llama.cpp divides by ``logit_scale`` and multiplies with the others, as transformers does."""

    title = "Granite"
    architectures = ("GraniteForCausalLM",)
    arch = gguf.MODEL_ARCH.GRANITE
    optional: ClassVar[Mapping[str, str]] = {**QKV_BIAS, "self_attn.o_proj.bias": "E"}

    defaults: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("logits_scaling", "attention_multiplier", "embedding_multiplier", "residual_multiplier"), 1.0
    )

    def describe(self, writer: gguf.GGUFWriter) -> None:
        super().describe(writer)
        writer.add_logit_scale(self.real("logits_scaling"))
        for key, add in (
            ("attention_multiplier", writer.add_attention_scale),
            ("embedding_multiplier", writer.add_embedding_scale),
            ("residual_multiplier", writer.add_residual_scale),
        ):
            if self.config.get(key):
                add(self.real(key))

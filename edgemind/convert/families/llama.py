"""Llama 2 and 3, and those that llama.cpp runs with the same graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import gguf

from edgemind.convert.families.base import QKV_BIAS, Family


class Llama(Family):
    """Q and K in pairs; biases where a checkpoint has them."""

    title = "Llama"
    architectures = ("LlamaForCausalLM",)
    arch = gguf.MODEL_ARCH.LLAMA
    optional: ClassVar[Mapping[str, str]] = {
        **QKV_BIAS,
        "self_attn.o_proj.bias": "E",
        "mlp.gate_proj.bias": "F",
        "mlp.up_proj.bias": "F",
        "mlp.down_proj.bias": "E",
    }
    pairs = True

    def describe(self, writer: gguf.GGUFWriter) -> None:
        super().describe(writer)
        writer.add_vocab_size(self.vocabulary)
        writer.add_rope_dimension_count(self.head_dim)


class Mistral(Llama):
    """As Llama. llama.cpp ignores the sliding window of the first version."""

    title = "Mistral"
    architectures = ("MistralForCausalLM",)

    def check(self) -> None:
        super().check()
        window = self.config.get("sliding_window")
        if isinstance(window, int) and window < self.context:
            self.notes.append(f"llama.cpp ignores the sliding window of {window:,} tokens; up to it, all is equal.")

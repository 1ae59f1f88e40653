"""Qwen2, Qwen2.5 and dense Qwen3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import gguf

from edgemind.convert.families.base import ATTENTION, FEED_FORWARD, NORMS, QKV_BIAS, Family


class Qwen2(Family):
    """Biases at Q, K and V."""

    title = "Qwen2"
    architectures = ("Qwen2ForCausalLM",)
    arch = gguf.MODEL_ARCH.QWEN2
    layer: ClassVar[Mapping[str, str]] = {**NORMS, **ATTENTION, **FEED_FORWARD, **QKV_BIAS}

    def check(self) -> None:
        super().check()
        if self.config.get("use_sliding_window"):
            self.notes.append("llama.cpp ignores the sliding window; up to its size, all is equal.")


class Qwen3(Qwen2):
    """Norms of Q and K in place of biases."""

    title = "Qwen3"
    architectures = ("Qwen3ForCausalLM",)
    arch = gguf.MODEL_ARCH.QWEN3
    layer: ClassVar[Mapping[str, str]] = {
        **NORMS,
        **ATTENTION,
        **FEED_FORWARD,
        "self_attn.q_norm.weight": "D",
        "self_attn.k_norm.weight": "D",
    }
    optional: ClassVar[Mapping[str, str]] = QKV_BIAS

"""SmolLM3: Llama with layers that know no positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import gguf

from edgemind.convert.families.base import QKV_BIAS
from edgemind.convert.families.llama import Llama
from edgemind.convert.families.rope import IMPOSSIBLE
from edgemind.errors import BadInput

PERIOD = 4
"""Every so many layers one is without rope; llama.cpp knows no other."""


class SmolLM3(Llama):
    """Q and K of every layer come in pairs, also where nothing is rotated: their product is the same."""

    title = "SmolLM3"
    architectures = ("SmolLM3ForCausalLM",)
    arch = gguf.MODEL_ARCH.SMOLLM3
    optional: ClassVar[Mapping[str, str]] = QKV_BIAS
    tied = True
    theta = 2_000_000.0

    def check(self) -> None:
        super().check()
        given = self.config.get("no_rope_layers")
        interval = self.config.get("no_rope_layer_interval") or PERIOD
        rotated = [bool(n) for n in given] if given else [(n + 1) % interval != 0 for n in range(self.layers)]
        if rotated != [(n + 1) % PERIOD != 0 for n in range(self.layers)]:
            raise BadInput(
                "config.json names other layers without rope than every fourth, which is all that llama.cpp knows.",
                IMPOSSIBLE,
            )
        if self.config.get("use_sliding_window"):
            self.notes.append("llama.cpp ignores the sliding window; up to its size, all is equal.")

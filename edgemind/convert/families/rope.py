"""How positions are turned into angles: one form for the several that configurations have had over the years."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np

from edgemind.convert.values import Floats
from edgemind.errors import BadInput

IMPOSSIBLE = "Such a model cannot run in llama.cpp."
SCALINGS = ("default", "linear", "yarn", "llama3", "longrope", "dynamic")


@dataclass(frozen=True)
class Rope:
    """Rotary position embedding of the layers that see everything."""

    theta: float
    kind: str
    """One of ``SCALINGS``."""
    scaling: Mapping[str, Any]
    partial: float = 1.0
    """The part of each head that is rotated."""
    local_theta: float | None = None
    """Of layers with a sliding window, where it differs."""
    original: int | None = None
    """Tokens of the context before it was stretched."""

    def number(self, key: str, default: float | None = None) -> float:
        """A number of the scaling.

        Raises:
            BadInput: it is missing.
        """
        value = self.scaling.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise BadInput(f"config.json has a {self.kind} rope scaling without {key!r}.", "Mend config.json.")
        return float(value)

    @property
    def attention_factor(self) -> float | None:
        """What YaRN multiplies the angles' sines and cosines with, where it is not the usual ``stretched``.

        Source: ``_compute_yarn_parameters`` of transformers.
        """
        if self.scaling.get("attention_factor") is not None:
            return self.number("attention_factor")
        if self.scaling.get("mscale") and self.scaling.get("mscale_all_dim"):
            return self.stretched(self.number("mscale")) / self.stretched(self.number("mscale_all_dim"))
        return None

    def stretched(self, scale: float = 1.0) -> float:
        """YaRN's usual factor, which llama.cpp applies in any case (``rope_yarn`` in ``ggml``)."""
        factor = self.number("factor")
        return 0.1 * scale * math.log(factor) + 1.0 if factor > 1 else 1.0


def rope_of(config: Mapping[str, Any], default_theta: float = 10_000.0) -> Rope:
    """Read ``rope_parameters`` (transformers 5), or ``rope_scaling`` and ``rope_theta`` before it.

    Raises:
        BadInput: a kind of scaling that nobody here knows.
    """
    given: Mapping[str, Any] = config.get("rope_parameters") or config.get("rope_scaling") or {}
    inner = given.get("full_attention")
    full: Mapping[str, Any] = inner if isinstance(inner, dict) else given
    local = given.get("sliding_attention")
    local_theta = local.get("rope_theta") if isinstance(local, dict) else config.get("rope_local_base_freq")
    kind = str(full.get("rope_type") or full.get("type") or "default")
    kind = {"su": "longrope"}.get(kind, kind)
    if kind not in SCALINGS:
        raise BadInput(
            f"config.json asks for rope scaling of the kind {kind!r}, which is not known here.",
            f"Known are {', '.join(SCALINGS)}.",
        )
    if kind == "yarn" and full.get("truncate") is False:
        raise BadInput("config.json has a yarn rope that is not truncated, which llama.cpp does not have.", IMPOSSIBLE)
    return Rope(
        theta=float(full.get("rope_theta") or config.get("rope_theta") or default_theta),
        kind=kind,
        scaling=full,
        partial=float(full.get("partial_rotary_factor") or config.get("partial_rotary_factor") or 1.0),
        local_theta=None if local_theta is None else float(local_theta),
        original=full.get("original_max_position_embeddings")
        or config.get("original_max_position_embeddings")
        or config.get("max_position_embeddings"),
    )


def describe(writer: gguf.GGUFWriter, rope: Rope) -> None:
    """The keys that llama.cpp reads for every architecture."""
    writer.add_rope_freq_base(rope.theta)
    if rope.local_theta is not None:
        writer.add_rope_freq_base_swa(rope.local_theta)
    if rope.kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope.number("factor"))
    elif rope.kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope.number("factor"))
        writer.add_rope_scaling_orig_ctx_len(int(rope.number("original_max_position_embeddings", rope.original)))
        given = rope.attention_factor
        if given is not None:
            writer.add_rope_scaling_attn_factors(given / rope.stretched())
        for key, add in (
            ("beta_fast", writer.add_rope_scaling_yarn_beta_fast),
            ("beta_slow", writer.add_rope_scaling_yarn_beta_slow),
        ):
            if rope.scaling.get(key) is not None:
                add(rope.number(key))
    elif rope.kind == "longrope":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)


def llama3_factors(rope: Rope, head_dim: int) -> Floats:
    """What each angle is divided by: nothing for the fast ones, ``factor`` for the slow ones, a blend between.

    Source: ``_compute_llama3_parameters`` of transformers (``modeling_rope_utils.py``), all in float32 as there.
    """
    one, factor = np.float32(1), np.float32(rope.number("factor", 8.0))
    low = np.float32(rope.number("low_freq_factor", 1.0))
    high = np.float32(rope.number("high_freq_factor", 4.0))
    original = np.float32(rope.number("original_max_position_embeddings", rope.original or 8192))
    steps = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    lengths = np.float32(2 * math.pi) / (one / np.float32(rope.theta) ** steps)
    blend = (original / lengths - low) / (high - low)
    mixed = one / ((one - blend) / factor + blend)
    found: Floats = np.where(lengths > original / low, factor, np.where(lengths < original / high, one, mixed))
    return found

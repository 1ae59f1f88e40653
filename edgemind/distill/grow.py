"""A wider and deeper model that computes what a smaller one does: how a teacher starts from what is already known.

Net2Net (https://arxiv.org/abs/1511.05641) for decoders with RMSNorm, rotary positions and SwiGLU: every channel, query
head and hidden unit is there twice, what reads the two copies splits its weight unevenly between them, and new layers
add nothing to the residual stream at first. Small noise lets the copies part while training goes on.
Not for: making a model smaller, or other factors than two.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

State = dict[str, Tensor]


def doubled(state: Mapping[str, Tensor], heads: int, kv_heads: int, seed: int, noise: float = 0.01) -> State:
    """The state of a model of twice the width, query heads and hidden units; the same layers and key-value heads.

    Args:
        state: names and shapes as in transformers' Llama and Qwen3 classes.
        noise: standard deviation of the added noise, as a share of each matrix's own.
    """
    rng = torch.Generator().manual_seed(seed)

    def split(weight: Tensor) -> Tensor:
        """``[rows, n]`` to ``[rows, 2n]``: the two halves add up to the weight."""
        share = 0.3 + 0.4 * torch.rand(weight.shape[-1], generator=rng)
        return torch.cat((weight * share, weight * (1 - share)), dim=-1)

    def shaken(weight: Tensor) -> Tensor:
        return weight + torch.randn(weight.shape, generator=rng) * weight.std() * noise

    def heads_twice(weight: Tensor) -> Tensor:
        """Rows by query head, every group of a key-value head doubled in place."""
        grouped = weight.view(kv_heads, heads // kv_heads, -1, weight.shape[-1])
        return torch.cat((grouped, grouped), dim=1).reshape(2 * weight.shape[0], -1)

    def heads_split(weight: Tensor) -> Tensor:
        grouped = weight.view(weight.shape[0], kv_heads, heads // kv_heads, -1)
        share = 0.3 + 0.4 * torch.rand(kv_heads, heads // kv_heads, 1, generator=rng)
        return torch.cat((grouped * share, grouped * (1 - share)), dim=2).reshape(weight.shape[0], -1)

    new: State = {}
    for name, weight in state.items():
        if name == "model.norm.weight":
            new[name] = split(weight)
        elif name.endswith(("layernorm.weight", "embed_tokens.weight")):
            new[name] = torch.cat((weight, weight), dim=-1)
        elif name.endswith("q_proj.weight"):
            new[name] = shaken(split(heads_twice(weight)))
        elif name.endswith(("k_proj.weight", "v_proj.weight")):
            new[name] = shaken(split(weight))
        elif name.endswith(("gate_proj.weight", "up_proj.weight")):
            new[name] = shaken(split(torch.cat((weight, weight))))
        elif name.endswith("o_proj.weight"):
            whole = heads_split(weight)
            new[name] = shaken(torch.cat((whole, whole)))
        elif name.endswith("down_proj.weight"):
            whole = split(weight)
            new[name] = shaken(torch.cat((whole, whole)))
        elif name == "lm_head.weight":
            continue
        else:
            new[name] = weight.clone()
    return new


def deepened(state: Mapping[str, Tensor], layers: int, after: tuple[int, ...]) -> State:
    """The state of a model with a new layer after each of the given ones; a new layer adds zero to what passes by.

    Args:
        layers: how many there are now.
        after: indices, rising; a new layer is a copy of the one before it but for its two outputs.
    """
    order = [(index, new) for index in range(layers) for new in ((False, True) if index in after else (False,))]
    made = {name: weight for name, weight in state.items() if not name.startswith("model.layers.")}
    for place, (source, new) in enumerate(order):
        prefix = f"model.layers.{source}."
        for name, weight in state.items():
            if name.startswith(prefix):
                silent = new and name.endswith(("o_proj.weight", "down_proj.weight"))
                made[f"model.layers.{place}.{name.removeprefix(prefix)}"] = (
                    torch.zeros_like(weight) if silent else weight.clone()
                )
    return made

"""A Qwen3-shaped decoder in plain torch: what ``edgemind-nano`` is trained with.

RMSNorm, rotary positions (the "neox" half-split layout), grouped-query attention with normalised queries and
keys, SwiGLU, tied embeddings: https://arxiv.org/abs/2505.09388. Not for running models: that is the engine's work;
``Nano.generate`` exists so that training can measure itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The dimensions of a model; matrix widths are multiples of 32 so that every row fits Q8_0 blocks."""

    vocab: int = 2048
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    ffn: int = 768
    context: int = 1024
    rope_theta: float = 10000.0
    norm_eps: float = 1e-6


Cache = list[tuple[Tensor, Tensor]]
"""Per layer the keys and values, each ``[batch, kv_heads, positions, head_dim]``."""


class Norm(nn.Module):
    """RMSNorm over the last axis."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


def rotary(positions: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each ``[..., positions, head_dim]``, of the two-halves rotary embedding."""
    frequency = shape.rope_theta ** (-torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim)
    angle = positions.float().unsqueeze(-1) * frequency
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn ``x [batch, heads, positions, head_dim]`` by its positions."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each behind its norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        s = self.shape = shape
        self.attn_norm = Norm(s.width, s.norm_eps)
        self.q = nn.Linear(s.width, s.heads * s.head_dim, bias=False)
        self.k = nn.Linear(s.width, s.kv_heads * s.head_dim, bias=False)
        self.v = nn.Linear(s.width, s.kv_heads * s.head_dim, bias=False)
        self.o = nn.Linear(s.heads * s.head_dim, s.width, bias=False)
        self.q_norm = Norm(s.head_dim, s.norm_eps)
        self.k_norm = Norm(s.head_dim, s.norm_eps)
        self.ffn_norm = Norm(s.width, s.norm_eps)
        self.gate = nn.Linear(s.width, s.ffn, bias=False)
        self.up = nn.Linear(s.width, s.ffn, bias=False)
        self.down = nn.Linear(s.ffn, s.width, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, past: tuple[Tensor, Tensor] | None, mask: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """``x [batch, positions, width]`` to the same shape, and this layer's keys and values so far."""
        s = self.shape
        batch, length, _ = x.shape
        h = self.attn_norm(x)
        q = rotate(self.q_norm(self.q(h).view(batch, length, s.heads, s.head_dim)).transpose(1, 2), cos, sin)
        k = rotate(self.k_norm(self.k(h).view(batch, length, s.kv_heads, s.head_dim)).transpose(1, 2), cos, sin)
        v = self.v(h).view(batch, length, s.kv_heads, s.head_dim).transpose(1, 2)
        if past is not None:
            k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
        groups = s.heads // s.kv_heads
        seen = F.scaled_dot_product_attention(
            q,
            k.repeat_interleave(groups, dim=1),
            v.repeat_interleave(groups, dim=1),
            attn_mask=mask,
            is_causal=mask is None,
        )
        x = x + self.o(seen.transpose(1, 2).reshape(batch, length, -1))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h)), (k, v)


class Nano(nn.Module):
    """The whole model. Logits come from the token embedding (tied)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocab, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.norm_eps)
        nn.init.normal_(self.embed.weight, std=0.02)
        for name, weight in self.named_parameters():
            if weight.ndim == 2 and name != "embed.weight":
                last = name.endswith(("o.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * shape.layers) ** 0.5 if last else 0.02)

    def hidden(
        self, tokens: Tensor, positions: Tensor | None = None, cache: Cache | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """States after the last norm ``[batch, positions, width]``, and the cache that continues from here.

        Without ``mask`` attention is causal over ``tokens [batch, positions]``; a mask is
        ``[batch, 1, positions, all positions]``, true where one may look.
        """
        if positions is None:
            positions = torch.arange(tokens.shape[1])
        x = self.embed(tokens)
        cos, sin = rotary(positions, self.shape)
        if positions.ndim == 2:
            cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        if torch.is_autocast_enabled("cpu"):
            x, cos, sin = x.bfloat16(), cos.bfloat16(), sin.bfloat16()
        grown: Cache = []
        for index, block in enumerate(self.blocks):
            x, pair = block(x, cos, sin, cache[index] if cache else None, mask)
            grown.append(pair)
        return self.norm(x), grown

    def logits(self, hidden: Tensor) -> Tensor:
        """``[..., width]`` to ``[..., vocab]``."""
        return F.linear(hidden, self.embed.weight)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy over the positions of ``targets [batch, positions]`` that are not -100.

        ``targets`` is already shifted: ``targets[:, i]`` follows ``tokens[:, i]``. Logits exist only where there is
        loss.
        """
        hidden, _ = self.hidden(tokens)
        where = targets != -100
        return F.cross_entropy(self.logits(hidden[where]).float(), targets[where])

    @torch.no_grad()
    def generate(self, prompts: list[list[int]], stop: int, pad: int, limit: int) -> list[list[int]]:
        """Greedy continuations of ``prompts``, each up to and without ``stop``, at most ``limit`` tokens."""
        longest = max(map(len, prompts))
        tokens = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
        real = torch.tensor([[False] * (longest - len(p)) + [True] * len(p) for p in prompts])
        positions = (real.long().cumsum(1) - 1).clamp(min=0)
        causal = torch.ones(longest, longest, dtype=torch.bool).tril()
        diagonal = torch.eye(longest, dtype=torch.bool)
        mask = (real[:, None, None, :] & causal) | diagonal
        hidden, cache = self.hidden(tokens, positions, mask=mask)
        produced: list[list[int]] = [[] for _ in prompts]
        rows = list(range(len(prompts)))
        for _ in range(limit):
            best = self.logits(hidden[:, -1]).argmax(-1)
            alive = [i for i, token in enumerate(best.tolist()) if token != stop]
            for i in alive:
                produced[rows[i]].append(int(best[i]))
            if not alive:
                break
            rows = [rows[i] for i in alive]
            if len(alive) < len(best):
                keep = torch.tensor(alive)
                best, real, positions = best[keep], real[keep], positions[keep]
                cache = [(k[keep], v[keep]) for k, v in cache]
            real = torch.cat((real, torch.ones(len(rows), 1, dtype=torch.bool)), dim=1)
            positions = positions[:, -1:] + 1
            hidden, cache = self.hidden(best[:, None], positions, cache, real[:, None, None, :])
        return produced

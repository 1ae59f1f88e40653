"""Which directions, heads and hidden units of a layer to keep, and the linear maps that make up for the rest.

All of it is linear algebra on second moments of activations, in float64. Units are chosen one after another by how much
of the layer's output each adds to what those chosen before can already say (pivoted Cholesky, as in the interpolative
decompositions of https://arxiv.org/abs/2108.00065), so that of two equal units only one is kept; choosing by size or
importance alone would keep both.
Not for: running networks (``compress``).
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

COMBINATIONS = 28
"""Choices of key-value groups that are all tried; where there are more, groups are opened by their best heads."""
SMALLEST = 1e-9
"""Share of a unit's power below which what is left of it counts as nothing."""


def directions(moment: Tensor, width: int) -> tuple[Tensor, float]:
    """The orthonormal ``[n, width]`` that keeps most of a second moment ``[n, n]``, and the share that it keeps.

    Each direction's largest component is positive, so that the same moment gives the same directions.
    """
    values, vectors = torch.linalg.eigh(moment)
    kept = vectors[:, -width:].flip(1)
    share = values[-width:].sum() / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
    return _signed(kept), float(share)


def turned(kept: Tensor, gains: Tensor) -> tuple[Tensor, Tensor]:
    """The same subspace in the basis in which ``diag(gains)``, cut to it, is diagonal; and that diagonal.

    With tied embeddings the last norm's gains cannot be multiplied into the head. Inside the subspace the basis is
    free, since RMSNorm does not see rotations, and in this one the gains stay gains.
    """
    values, inner = torch.linalg.eigh(kept.T @ (gains[:, None] * kept))
    return _signed(kept @ inner), values


def ridge(gram: Tensor, cross: Tensor, prior: Tensor, strength: float) -> Tensor:
    """The map ``[inputs, outputs]`` that fits best, drawn towards ``prior`` where the inputs say little.

    Minimises ``|X W - Y|^2 + s |W - prior|^2``, with ``s`` the ``strength``-th part of the inputs' mean power.

    Args:
        gram: ``X^T X``.
        cross: ``X^T Y``.
    """
    eye = torch.eye(len(gram), dtype=gram.dtype)
    power = float(gram.diagonal().mean()) * strength + torch.finfo(gram.dtype).tiny
    found: Tensor = prior + torch.linalg.solve(gram + power * eye, cross - gram @ prior)
    return found


def gains_of(table: Tensor, moment: Tensor, wanted: Tensor, prior: Tensor, strength: float) -> Tensor:
    """The gains ``g [n]`` with which ``table diag(g) x`` is nearest to wanted logits, by least squares.

    Args:
        table: ``[vocabulary, n]``.
        moment: ``X^T X`` of the inputs, ``[n, n]``.
        wanted: ``table^T L^T X`` of the wanted logits ``L``, of which the diagonal is read.
    """
    square = (table.T @ table) * moment
    return ridge(square, wanted.diagonal()[:, None].clone(), prior[:, None], strength)[:, 0]


def units(gram: Tensor, out: Tensor, count: int) -> list[int]:
    """Which hidden units to keep, rising.

    Args:
        gram: ``A^T A`` of their activations, ``[n, n]``.
        out: what they are multiplied with, ``[n, outputs]``.
    """
    count = min(count, len(gram))
    left = gram.diagonal().clone()
    least = SMALLEST * left.clamp(min=float(left.mean()) * SMALLEST)
    open_ = torch.ones(len(gram), dtype=torch.bool)
    known = gram.new_zeros(len(gram), count)
    said = gram @ out
    chosen: list[int] = []
    while len(chosen) < count:
        gain = torch.where(left > least, said.square().sum(1) / left.clamp(min=1e-300), left.new_zeros(()))
        gain[~open_] = -1.0
        best = int(gain.argmax())
        place = len(chosen)
        chosen.append(best)
        open_[best] = False
        if float(left[best]) <= float(least[best]):
            continue
        column = gram[:, best] - known[:, :place] @ known[best, :place]
        column /= left[best].sqrt()
        known[:, place] = column
        said -= column[:, None] * (said[best] / left[best].sqrt())[None]
        left = left - column.square()
    return sorted(chosen)


def heads(gram: Tensor, out: Tensor, groups: int, each: int, keep_groups: int, keep_each: int) -> list[int]:
    """Which query heads to keep, by their groups (those that share keys and values), in the order of the network.

    Args:
        gram: of all heads' outputs side by side, ``[heads * dim, heads * dim]``.
        out: the output matrix, ``[heads * dim, outputs]``.
        groups: how many groups there are, of ``each`` heads.
        keep_groups: how many groups to keep, ``keep_each`` heads of each.
    """
    tried: list[tuple[int, ...] | None] = [None]
    if math.comb(groups, keep_groups) <= COMBINATIONS:
        tried = list(itertools.combinations(range(groups), keep_groups))
    found = [_heads_of(gram, out, (groups, each), (keep_groups, keep_each), allowed) for allowed in tried]
    return max(found, key=lambda pair: pair[0])[1]


def _heads_of(
    gram: Tensor, out: Tensor, have: tuple[int, int], keep: tuple[int, int], allowed: tuple[int, ...] | None
) -> tuple[float, list[int]]:
    """How much of the output the chosen heads say, and which they are."""
    (groups, each), (keep_groups, keep_each) = have, keep
    dim = len(gram) // (groups * each)
    left, said = gram.clone(), gram @ out
    taken: dict[int, list[int]] = {group: [] for group in allowed or ()}
    power = float(gram.diagonal().mean()) * 1e-6 + torch.finfo(gram.dtype).tiny
    eye = torch.eye(dim, dtype=gram.dtype) * power
    whole = 0.0
    for _ in range(keep_groups * keep_each):
        best, best_gain = -1, -math.inf
        for head in range(groups * each):
            group = head // each
            is_open = group in taken or (allowed is None and len(taken) < keep_groups)
            if not is_open or head in taken.get(group, ()) or len(taken.get(group, ())) == keep_each:
                continue
            rows = slice(head * dim, head * dim + dim)
            gain = float((said[rows] * torch.linalg.solve(left[rows, rows] + eye, said[rows])).sum())
            if gain > best_gain:
                best, best_gain = head, gain
        whole += best_gain
        taken.setdefault(best // each, []).append(best)
        rows = slice(best * dim, best * dim + dim)
        share = torch.linalg.solve(left[rows, rows] + eye, left[rows])
        said = said - share.T @ said[rows]
        left = left - share.T @ left[rows]
    return whole, [head for group in sorted(taken) for head in sorted(taken[group])]


def _signed(vectors: Tensor) -> Tensor:
    """Columns with their largest component positive."""
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return vectors * torch.where(largest < 0, -1.0, 1.0)

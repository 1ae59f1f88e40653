"""Divergences between a teacher's and a student's distribution, with their gradients, outcome by outcome.

Each is a sum of ``f(p, q)`` over outcomes, so its gradient with respect to the student's log-probabilities needs no
autograd: ``slope = q * df/dq``. With q a softmax of logits z, ``dL/dz = slope - q * slope.sum()``.

- forward KL(p || q) and reverse KL(q || p);
- generalised Jensen-Shannon, beta KL(p || m) + (1 - beta) KL(q || m), m = beta p + (1 - beta) q
  (https://arxiv.org/abs/2306.13649);
- skewed KL(p || alpha p + (1 - alpha) q) and skewed reverse KL(q || (1 - alpha) p + alpha q)
  (https://arxiv.org/abs/2402.03898).

Not for: logits, temperatures, heads (``losses``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import LossRecipe

Kind = Literal["forward_kl", "reverse_kl", "jensen_shannon", "skewed_forward", "skewed_reverse"]

FLOOR = -30.0
"""A teacher's log-probability counts as no less where the student has mass: a stored 0 is rounding, not never."""
LEAST = -1e30
"""A student's log-probability of an outcome that it cannot have; finite, so that zero times it is zero."""


@dataclass(frozen=True)
class Divergence:
    """Which one, with its mixture."""

    kind: Kind
    beta: float = 0.5
    alpha: float = 0.1

    @classmethod
    def of(cls, recipe: LossRecipe) -> Divergence:
        """The recipe's."""
        return cls(recipe.kind, recipe.beta, recipe.alpha)

    def terms(self, logp: Tensor, logq: Tensor) -> tuple[Tensor, Tensor]:
        """Value and slope of every outcome, both of the shape of ``logp`` (teacher) and ``logq`` (student).

        Both are natural logarithms; -inf is allowed in either.
        """
        p, q = logp.exp(), logq.exp()
        floored, logq = logp.clamp(min=FLOOR), logq.clamp(min=LEAST)
        if self.kind == "forward_kl":
            return p * (floored - logq), -p
        if self.kind == "reverse_kl":
            gap = logq - floored
            return q * gap, q * (gap + 1)
        if self.kind == "jensen_shannon":
            beta = self.beta
            logm = torch.logaddexp(floored + math.log(beta), logq + math.log1p(-beta))
            gap = logq - logm
            return beta * p * (floored - logm) + (1 - beta) * q * gap, (1 - beta) * q * gap
        alpha = self.alpha
        own = math.log(alpha) if alpha > 0 else LEAST
        other = math.log1p(-alpha)
        if self.kind == "skewed_forward":
            logm = torch.logaddexp(floored + own, logq + other)
            return p * (floored - logm), -(1 - alpha) * (logp + (logq - logm)).exp()
        logm = torch.logaddexp(floored + other, logq + own)
        gap = logq - logm
        return q * gap, q * (gap + 1 - alpha * gap.exp())

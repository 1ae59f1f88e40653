"""A moving average of the weights, which is smoother than where the last step happened to end.

Not for: deciding whether it is worth its memory (the recipe says).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """The average of all trained parameters.

    Early on it forgets faster, so that the beginning does not stay in it: step n decays by at most (1 + n) / (10 + n).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._current = [p for p in model.parameters() if p.requires_grad]
        self.values = [p.detach().clone() for p in self._current]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mean, p in zip(self.values, self._current, strict=True):
            mean.lerp_(p.detach(), 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Give the model the average for its weights, and keep its own here; or back."""
        for mean, p in zip(self.values, self._current, strict=True):
            own = p.detach().clone()
            p.copy_(mean)
            mean.copy_(own)

    def restore(self, values: list[Tensor]) -> None:
        """Go on from a checkpoint's."""
        for mean, value in zip(self.values, values, strict=True):
            mean.copy_(value)

"""Many processes as one trainer: who this one is, sums over all, and parameters spread over them.

Not for: the loop, which is the same for one process (``trainer``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """The processes of one training."""

    rank: int = 0
    world: int = 1

    @classmethod
    def now(cls) -> Processes:
        """Those that torch knows of; one when there is no group."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())
        return cls()

    def summed(self, values: Tensor) -> Tensor:
        """The sum over all processes of a small tensor on the CPU."""
        if self.world > 1:
            torch.distributed.all_reduce(values)
        return values

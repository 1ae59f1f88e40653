"""The most probable tokens of a distribution with the mass of all others: what a soft target is in memory.

Not for: computing them (``teachers``), how they are stored (``shards``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class TopK:
    """``k`` tokens of each of ``n`` distributions, the most probable first.

    Attributes:
        ids: ``[n, k]`` token ids.
        logp: ``[n, k]`` natural logarithms of their probabilities at the temperature they were captured with.
        tail: ``[n]`` logarithm of the probability of all other tokens together; ``-inf`` when there are none.
    """

    ids: Ints
    logp: Floats
    tail: Floats

    def __len__(self) -> int:
        return len(self.tail)

    @property
    def k(self) -> int:
        return int(self.ids.shape[1])

    @staticmethod
    def empty(rows: int, k: int) -> TopK:
        """Room for so many rows, to be written into."""
        return TopK(np.empty((rows, k), np.int32), np.empty((rows, k), np.float32), np.empty(rows, np.float32))

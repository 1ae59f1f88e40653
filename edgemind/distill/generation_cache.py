"""Keys and values of rows that come and go: grown in steps, right-aligned, so that rows of any length share one tensor.

transformers' own dynamic cache copies everything for every token. Not for: choosing tokens (``generation``).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

ROOM = 64
"""Cells by which a layer grows."""


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer: ``keys`` and ``values`` ``[rows, heads, cells, width]``, the first ``length`` cells filled."""

    is_sliding = False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys, self.values = _roomy(key_states, ROOM), _roomy(value_states, ROOM)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the new cells behind the others; all filled cells come back as views."""
        start, end = self.length, self.length + key_states.shape[2]
        if self.keys is None or self.values is None:
            self.lazy_initialization(key_states, value_states)
        else:
            if end > self.keys.shape[2]:
                self.keys = _roomy(self.keys[:, :, :start], end - start + ROOM)
                self.values = _roomy(self.values[:, :, :start], end - start + ROOM)
            self.keys[:, :, start:end] = key_states
            self.values[:, :, start:end] = value_states
        self.length = end
        assert self.keys is not None
        assert self.values is not None
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1


class Cells(Cache):
    """The cache of one batch of rows, each of which ends in the last filled cell."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=_Layer)
        self.layers: list[Any]

    @property
    def length(self) -> int:
        """Filled cells."""
        return int(self.layers[0].length) if self.layers else 0

    def joined(self, keep: torch.Tensor, drop: int, other: Cells | None) -> Cells:
        """A new cache: the rows ``keep`` without their first ``drop`` cells, behind them those of ``other``."""
        made = Cells()
        for number, layer in enumerate(self.layers):
            one = _Layer()
            extra = other.layers[number] if other is not None else None
            one.keys = _aligned(layer, "keys", keep, drop, extra)
            one.values = _aligned(layer, "values", keep, drop, extra)
            one.length = max(layer.length - drop, extra.length if extra is not None else 0)
            one.is_initialized = True
            made.layers.append(one)
        return made


def _aligned(layer: Any, name: str, keep: torch.Tensor, drop: int, extra: Any) -> torch.Tensor:
    old: torch.Tensor = getattr(layer, name)[:, :, drop : layer.length]
    length, count = old.shape[2], len(keep)
    if extra is not None:
        new = getattr(extra, name)[:, :, : extra.length]
        length = max(length, new.shape[2])
        count += len(new)
    made = old.new_zeros((count, old.shape[1], length + ROOM, old.shape[3]))
    made[: len(keep), :, length - old.shape[2] : length] = old[keep]
    if extra is not None:
        made[len(keep) :, :, length - new.shape[2] : length] = new
    return made


def _roomy(cells: torch.Tensor, room: int) -> torch.Tensor:
    """The same cells with ``room`` more behind them. Zeros, since a masked cell must still be a number."""
    made = cells.new_zeros((*cells.shape[:2], cells.shape[2] + room, cells.shape[3]))
    made[:, :, : cells.shape[2]] = cells
    return made

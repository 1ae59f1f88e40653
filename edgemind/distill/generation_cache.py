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
    """The cache of a batch of places, whose rows all end in the last filled cell."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=_Layer)
        self.layers: list[Any]

    @property
    def length(self) -> int:
        """Filled cells."""
        return int(self.layers[0].length) if self.layers else 0

    @property
    def is_full(self) -> bool:
        """Whether the next token makes the cache grow, which copies all of it."""
        return bool(self.layers) and self.length >= int(self.layers[0].keys.shape[2])

    def put(self, other: Cells, places: torch.Tensor) -> None:
        """The rows of ``other`` into these places, over whatever was there."""
        if other.length > self.length:
            self.move(torch.arange(len(self.layers[0].keys), device=places.device), other.length)
        for mine, new in zip(self.layers, other.layers, strict=True):
            start = mine.length - new.length
            mine.keys[places, :, start : mine.length] = new.keys[:, :, : new.length]
            mine.values[places, :, start : mine.length] = new.values[:, :, : new.length]

    def move(self, keep: torch.Tensor, length: int) -> None:
        """Keep only these places, in this order: of each the last ``length`` cells, or empty ones before its own."""
        for layer in self.layers:
            layer.keys = _moved(layer.keys[:, :, : layer.length], keep, length)
            layer.values = _moved(layer.values[:, :, : layer.length], keep, length)
            layer.length = length


def _moved(cells: torch.Tensor, keep: torch.Tensor, length: int) -> torch.Tensor:
    own = min(length, cells.shape[2])
    made = cells.new_empty((len(keep), cells.shape[1], length + ROOM, cells.shape[3]))
    made[:, :, : length - own] = 0  # masked, but not a number would spread
    made[:, :, length - own : length] = cells[:, :, cells.shape[2] - own :].index_select(0, keep)
    return made


def _roomy(cells: torch.Tensor, room: int) -> torch.Tensor:
    """The same cells with room for more behind them."""
    made = cells.new_empty((*cells.shape[:2], cells.shape[2] + room, cells.shape[3]))
    made[:, :, : cells.shape[2]] = cells
    return made

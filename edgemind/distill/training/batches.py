"""What a student reads next: examples by the curriculum's shares, put together to batches of about equally many tokens.

A shard of steps is a function of the seed, of how often each pool has been drawn from, and of the shares; the counters
are in a checkpoint, so a resumed run reads what an undisturbed one would. Every example of a pool (a family's level) is
read once before one is read again. Not for: how examples are stored (``targets``), what a batch is for (``trainer``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.distill.targets.shards import Example, Spans
    from edgemind.distill.targets.top import TopK

Pool = tuple[str, int]
"""A family's name and a level."""
SHARD_STEPS = 16
"""Steps planned together: enough examples for groups of like length, few enough for a curriculum to move soon."""


class Header(Protocol):
    """What a set says about its targets."""

    @property
    def k(self) -> int: ...

    @property
    def temperature(self) -> float: ...

    @property
    def spans(self) -> bool: ...


class Examples(Protocol):
    """A set of examples, as ``targets.example_set.ExampleSet`` is one."""

    lengths: NDArray[np.int32]
    starts: NDArray[np.int32]
    levels: NDArray[np.int32]
    families: tuple[str, ...]

    @property
    def header(self) -> Header: ...

    def __len__(self) -> int: ...

    def example(self, index: int) -> Example: ...

    def tops(self, indices: Sequence[int]) -> TopK: ...

    def all_spans(self, indices: Sequence[int]) -> Spans: ...


@dataclass(frozen=True)
class Piece:
    """Tokens of one example; ``ids[start:]`` is learned."""

    ids: NDArray[np.int32]
    start: int


@dataclass(frozen=True)
class Batch:
    """One forward pass.

    Attributes:
        tokens: ``[rows, width]`` int64, padded on the right.
        positions: the same shape, when examples lie end to end.
        segments: the same shape, which example of its row a token belongs to, from 1; 0 is padding.
        where: ``[n]``, places in the flattened ``tokens`` whose next token is learned; ``labels [n]`` are those.
        ids, logp, tail: the teacher's, ``[n, k]``, ``[n, k]`` and ``[n]``; ``None`` without targets.
        read: tokens of the examples, without padding.
        ends, span_logp: ``[s]`` each, of a teacher with other tokens: its likelihood of what is learned up to an end.
    """

    tokens: Tensor
    positions: Tensor | None
    segments: Tensor | None
    where: Tensor
    labels: Tensor
    ids: Tensor | None
    logp: Tensor | None
    tail: Tensor | None
    read: int
    ends: Tensor | None = None
    span_logp: Tensor | None = None

    def untaught(self) -> Batch:
        """The same without the teacher's part."""
        return replace(self, ids=None, logp=None, tail=None, ends=None, span_logp=None)

    @property
    def learned(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        if device.type == "cpu":
            return self
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return Batch(**{**vars(self), **moved})

    def mask(self) -> Tensor | None:
        """``[rows, 1, width, width]``, true where one may look: back, and in one's own example; ``None``: just back."""
        if self.segments is None:
            return None
        width = self.segments.shape[1]
        same = self.segments[:, None, :, None] == self.segments[:, None, None, :]
        return same & torch.ones(width, width, dtype=torch.bool, device=same.device).tril()


def collate(pieces: Sequence[Piece], top: TopK | None, pad: int, row_tokens: int | None = None) -> Batch:
    """A batch of examples: one to a row, or end to end in rows of ``row_tokens``.

    Args:
        top: the targets of all learned tokens, example after example.
    """
    sizes = [len(piece.ids) - 1 for piece in pieces]
    places = packed(sizes, row_tokens) if row_tokens else [(row, 0) for row in range(len(pieces))]
    width = max((at + size for (_, at), size in zip(places, sizes, strict=True)), default=1)
    height = 1 + max((row for row, _ in places), default=0)
    tokens = np.full((height, width), pad, np.int64)
    positions = np.zeros((height, width), np.int64)
    segments = np.zeros((height, width), np.int64)
    where, labels = [], []
    kept = np.ones(sum(len(piece.ids) - piece.start for piece in pieces), bool)
    seen = 0
    for number, (piece, (row, at), size) in enumerate(zip(pieces, places, sizes, strict=True)):
        tokens[row, at : at + size] = piece.ids[:-1]
        positions[row, at : at + size] = np.arange(size)
        segments[row, at : at + size] = number + 1
        first = max(piece.start, 1)
        kept[seen : seen + first - piece.start] = False
        seen += len(piece.ids) - piece.start
        where.append(np.arange(first - 1, size) + (row * width + at))
        labels.append(piece.ids[first:])
    chosen = None if top is None else tuple(torch.from_numpy(part[kept]) for part in (top.ids, top.logp, top.tail))
    ids, logp, tail = chosen or (None, None, None)
    return Batch(
        torch.from_numpy(tokens),
        torch.from_numpy(positions) if row_tokens else None,
        torch.from_numpy(segments) if row_tokens else None,
        torch.from_numpy(np.concatenate(where)) if where else torch.zeros(0, dtype=torch.int64),
        torch.from_numpy(np.concatenate(labels).astype(np.int64)) if labels else torch.zeros(0, dtype=torch.int64),
        ids,
        logp,
        tail,
        sum(size + 1 for size in sizes),
    )


def packed(sizes: Sequence[int], row_tokens: int) -> list[tuple[int, int]]:
    """Row and place of each example, the long ones first and each in the first row with room."""
    filled: list[int] = []
    places = [(0, 0)] * len(sizes)
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
        row = next((row for row, used in enumerate(filled) if used + sizes[index] <= row_tokens), len(filled))
        if row == len(filled):
            filled.append(0)
        places[index] = (row, filled[row])
        filled[row] += sizes[index]
    return places


Plan = list[list[list[int]]]
"""Examples of each portion of each step."""


@dataclass
class Planner:
    """Chooses which examples come when.

    Attributes:
        used: how many examples have been drawn from each pool.
        owed: tokens that the shards so far were short of their share (below 0: were ahead).
        shard: the number of the next one.
    """

    examples: Examples
    seed: int
    batch_tokens: int
    accumulate: int = 1
    context: int | None = None
    used: dict[Pool, int] = field(default_factory=dict)
    owed: int = 0
    shard: int = 0

    def __post_init__(self) -> None:
        most = self.context or int(self.examples.lengths.max(initial=0))
        fits = (self.examples.lengths <= most) & (self.examples.lengths >= 2)
        fits &= self.examples.lengths > self.examples.starts
        if self.examples.header.spans:
            fits &= self.examples.starts >= 1
        self.pools: dict[Pool, list[int]] = {}
        for index in np.flatnonzero(fits).tolist():
            key = (self.examples.families[index], int(self.examples.levels[index]))
            self.pools.setdefault(key, []).append(index)
        self.left_out = len(self.examples) - sum(map(len, self.pools.values()))
        if not self.pools:
            raise UsageError(
                f"No example is {most:,} tokens or shorter, so there is nothing to train on.",
                "Make training.context larger, or traces.max_tokens smaller.",
            )
        self.pools = dict(sorted(self.pools.items()))
        self._orders: dict[tuple[Pool, int], list[int]] = {}

    @property
    def mix(self) -> dict[Pool, float]:
        """How many examples each pool has: what a curriculum makes its shares of."""
        return {pool: float(len(members)) for pool, members in self.pools.items()}

    def plan(self, shares: Mapping[Pool, float], steps: int) -> Plan:
        """The next shard. What it read is within one example of ``steps`` steps' tokens, over all shards."""
        rng = random.Random(f"{self.seed}:shard:{self.shard}")
        pools = [pool for pool in self.pools if shares.get(pool, 0.0) > 0] or list(self.pools)
        weights = [max(shares.get(pool, 0.0), 1e-12) for pool in pools]
        groups = steps * self.accumulate
        budget = groups * self.batch_tokens + self.owed
        chosen: list[int] = []
        total = 0
        while total < budget or len(chosen) < groups:
            index = self._next(rng.choices(pools, weights)[0])
            chosen.append(index)
            total += int(self.examples.lengths[index])
        self.owed = budget - total
        self.shard += 1
        portions = grouped(chosen, {index: int(self.examples.lengths[index]) for index in chosen}, groups)
        rng.shuffle(portions)
        return [portions[at : at + self.accumulate] for at in range(0, groups, self.accumulate)]

    def state(self) -> dict[str, Any]:
        """What ``restore`` needs."""
        used = [[family, level, count] for (family, level), count in sorted(self.used.items())]
        return {"used": used, "owed": self.owed, "shard": self.shard}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of ``state``."""
        self.used = {(family, level): count for family, level, count in state["used"]}
        self.owed, self.shard = state["owed"], state["shard"]

    def _next(self, pool: Pool) -> int:
        """The pool's next example in the order of its present epoch."""
        members = self.pools[pool]
        count = self.used.get(pool, 0)
        epoch, at = divmod(count, len(members))
        order = self._orders.get((pool, epoch))
        if order is None:
            self._orders.pop((pool, epoch - 1), None)
            order = list(range(len(members)))
            random.Random(f"{self.seed}:{pool[0]}:{pool[1]}:{epoch}").shuffle(order)
            self._orders[pool, epoch] = order
        self.used[pool] = count + 1
        return members[order[at]]


def grouped(members: Sequence[int], lengths: Mapping[int, int], groups: int) -> list[list[int]]:
    """Members of like length together, about equally many tokens to a group, none empty if there are enough."""
    rising = sorted(members, key=lambda member: lengths[member])
    total = sum(lengths[member] for member in rising)
    made: list[list[int]] = [[] for _ in range(groups)]
    passed = group = 0
    for number, member in enumerate(rising):
        left = len(rising) - number
        target = min(groups - 1, passed * groups // total)
        if made[group] and group < groups - 1 and (target > group or left <= groups - 1 - group):
            group += 1
        made[group].append(member)
        passed += lengths[member]
    return made

"""All shards of a folder as one set of examples.

Not for: choosing which come when (the trainer's batches).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from edgemind.distill.targets.shards import SUFFIX, Example, Indices, Shard, ShardHeader, Spans
from edgemind.distill.targets.top import Ints, TopK
from edgemind.errors import Damaged, UsageError
from edgemind.models.opening import shown

Found = TypeVar("Found")
CAPTURE = "Capture the traces again: `edgemind distill RECIPE` makes what is missing."


class ExampleSet:
    """Examples of all shards, in the order of the shards' names.

    Args:
        directory: where the shards are.
        rebuild: called with the path of a damaged shard, at most once each; it makes that file anew.

    Raises:
        Damaged: a shard is damaged (and was not mended); the sentence names it. Also from whatever reads an example.
        UsageError: there are no shards, or they do not belong together.
    """

    header: ShardHeader
    lengths: Ints
    """``[n]`` tokens of each example."""
    starts: Ints
    """``[n]`` where each begins to be learned."""
    levels: Ints
    families: tuple[str, ...]
    """Of each example."""
    by_level: Mapping[int, Indices]
    by_family: Mapping[str, Indices]

    def __init__(self, directory: Path, rebuild: Callable[[Path], None] | None = None) -> None:
        self.directory = directory
        self._rebuild = rebuild
        self._mended: set[Path] = set()
        paths = sorted(directory.glob(f"*{SUFFIX}"))
        if not paths:
            raise UsageError(f"There are no shards of training examples in {shown(directory)}.", CAPTURE)
        self._shards = [self._open(path) for path in paths]
        self.header = self._shards[0].header.alike()
        for shard in self._shards:
            self._check_alike(shard)
        counts = [len(shard) for shard in self._shards]
        self._firsts = np.concatenate(([0], np.cumsum(counts)))
        self.lengths = np.concatenate([shard.lengths for shard in self._shards])
        self.starts = np.concatenate([shard.starts for shard in self._shards])
        self.levels = np.concatenate([shard.levels for shard in self._shards])
        self.families = tuple(family for shard in self._shards for family in shard.families)
        names = np.array(self.families, dtype=object)
        self.by_level = {int(level): np.flatnonzero(self.levels == level) for level in np.unique(self.levels)}
        self.by_family = {family: np.flatnonzero(names == family) for family in sorted(set(self.families))}

    def __len__(self) -> int:
        return len(self.lengths)

    def example(self, index: int) -> Example:
        """The tokens of one example; its array is a view of the file."""
        return self._read(index, Shard.example)

    def top(self, index: int) -> TopK:
        """``[learned tokens, k]``; row j is about ``ids[start + j]``."""
        return self._read(index, Shard.top)

    def tops(self, indices: Sequence[int] | Indices) -> TopK:
        """The targets of several examples, one behind the other: ``[sum of learned tokens, k]``."""
        chosen = np.asarray(indices, np.int64)
        out = TopK.empty(int((self.lengths[chosen] - self.starts[chosen]).sum()), self.header.k)
        row = 0

        def decode(shard: Shard, at: int) -> int:
            return shard.top_into(at, out, row)

        for index in chosen.tolist():
            row = self._read(index, decode)
        return out

    def spans(self, index: int) -> Spans:
        """The likelihoods of spans, for a teacher with another tokenizer."""
        return self._read(index, Shard.spans)

    def all_spans(self, indices: Sequence[int] | Indices) -> Spans:
        """The spans of several examples, one behind the other; their ends count in all learned tokens together."""
        ends, logp, before = [], [], 0
        for index in np.asarray(indices, np.int64).tolist():
            found = self.spans(index)
            ends.append(found.ends + before)
            logp.append(found.logp)
            before += int(self.lengths[index] - self.starts[index])
        if not ends:
            return Spans(np.zeros(0, np.int32), np.zeros(0, np.float32))
        return Spans(np.concatenate(ends).astype(np.int32), np.concatenate(logp))

    def verify(self) -> None:
        """Check every block of every shard; a damaged one is mended where there is a ``rebuild``.

        Raises:
            Damaged: one stays damaged.
        """
        for number, shard in enumerate(self._shards):
            try:
                shard.verify()
            except Damaged as problem:
                self._mend(number, problem)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(shard.size for shard in self._shards)

    def _read(self, index: int, how: Callable[[Shard, int], Found]) -> Found:
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self._firsts, index, side="right")) - 1
        at = int(index - self._firsts[number])
        try:
            return how(self._shards[number], at)
        except Damaged as problem:
            self._mend(number, problem)
            return how(self._shards[number], at)

    def _open(self, path: Path) -> Shard:
        try:
            return Shard(path)
        except Damaged:
            if not self._call_rebuild(path):
                raise
            return Shard(path)

    def _mend(self, number: int, problem: Damaged) -> None:
        """Have a shard made anew in place of one whose block is damaged."""
        old = self._shards[number]
        if not self._call_rebuild(old.path):
            raise problem
        new = Shard(old.path)
        self._check_alike(new)
        same = (new.lengths.tolist(), new.starts.tolist()) == (old.lengths.tolist(), old.starts.tolist())
        if not same or new.problems != old.problems:
            raise Damaged(f"The shard {shown(old.path)} was made anew and has other examples than before.", CAPTURE)
        new.verify()
        self._shards[number] = new

    def _call_rebuild(self, path: Path) -> bool:
        if self._rebuild is None or path in self._mended:
            return False
        self._mended.add(path)
        self._rebuild(path)
        return True

    def _check_alike(self, shard: Shard) -> None:
        if shard.header.alike() == self.header:
            return
        mine, others = shard.header.alike().model_dump(), self.header.model_dump()
        field = next(name for name in mine if mine[name] != others[name])
        raise UsageError(
            f"The shard {shown(shard.path)} does not belong to the others: its {field} is {mine[field]!r}, and theirs "
            f"is {others[field]!r}.",
            f"Remove it, or capture again into an empty folder: rm {shown(shard.path)}",
        )

"""All shards of a folder as one set of examples.

Not for: choosing which come when (the trainer's batches).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgemind.distill.targets.shards import Example, Indices, ShardHeader, Spans
from edgemind.distill.targets.top import Ints, TopK


class ExampleSet:
    """Examples of all shards, in the order of the shards' names.

    Args:
        directory: where the shards are.
        rebuild: called with the path of a damaged shard, at most once each; it makes that file anew.

    Raises:
        Damaged: a shard is damaged (and was not mended); the sentence names it.
        UsageError: there are no shards, or they do not belong together.
    """

    header: ShardHeader
    lengths: Ints
    """``[n]`` tokens of each example."""
    starts: Ints
    levels: Ints
    families: tuple[str, ...]
    """Of each example."""
    by_level: Mapping[int, Indices]
    by_family: Mapping[str, Indices]

    def __init__(self, directory: Path, rebuild: Callable[[Path], None] | None = None) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def example(self, index: int) -> Example:
        raise NotImplementedError

    def top(self, index: int) -> TopK:
        raise NotImplementedError

    def tops(self, indices: Sequence[int]) -> TopK:
        """The targets of several examples, one behind the other: ``[sum of learned tokens, k]``."""
        raise NotImplementedError

    def spans(self, index: int) -> Spans:
        raise NotImplementedError

    def verify(self) -> None:
        """Check every block of every shard."""
        raise NotImplementedError

"""Training examples in files, with or without soft targets, read through a memory map.

A shard is written beside its name and renamed when it is whole. Every block is checked against its checksum when it
is first touched, so that a flipped bit is an error that names the file and never a wrong number in training.
Not for: where things lie in the file (``layout``), many shards as one set (``example_set``), making them (``capture``).
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgemind.distill.targets import layout
from edgemind.distill.targets.layout import ShardHeader
from edgemind.distill.targets.top import Floats, Ints, TopK
from edgemind.errors import Damaged
from edgemind.models.opening import shown
from edgemind.models.store.files import explained
from edgemind.models.unfinished import Unfinished

__all__ = ["SUFFIX", "Example", "Indices", "Shard", "ShardHeader", "ShardWriter", "Spans"]

SUFFIX = ".shard"
BLOCK_BYTES = 1 << 20
"""A block is closed when it has so many: a checksum over it costs half a millisecond."""
LEAST_LOGP = -65504.0
"""The lowest number of float16."""
REMAKE = "Run the same `edgemind distill` command again: only this shard is made anew."

Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """One conversation in tokens; ``ids[start:]`` is learned."""

    problem: str
    family: str
    level: int
    ids: Ints
    start: int

    @property
    def learned(self) -> int:
        return len(self.ids) - self.start


@dataclass(frozen=True)
class Spans:
    """A teacher's log-likelihoods of pieces of the learned text, for a teacher with another tokenizer.

    Attributes:
        ends: ``[s]`` counted in the student's learned tokens: span ``j`` is those from ``ends[j - 1]`` (0 for the
            first) up to and without ``ends[j]``, and the last end is their number.
        logp: ``[s]`` natural logarithms; NaN for a span that has no target.
    """

    ends: Ints
    logp: Floats


class ShardWriter:
    """Writes one shard, which has its name only after ``close``; a context manager that leaves nothing otherwise.

    Raises:
        NoRoom, StoreProblem: the disk.
    """

    def __init__(self, path: Path, header: ShardHeader) -> None:
        self.path = path
        self.header = header
        self._unfinished = Unfinished(path)
        with self._writing():
            self._file = open(self._unfinished.path, "r+b")  # noqa: SIM115
        self._at = 0
        self._group: list[tuple[Example, TopK | None, Spans | None]] = []
        self._group_bytes = 0
        self._blocks: list[tuple[int, int, int]] = []
        self._examples: list[tuple[int, int, int, int, int]] = []
        self._families: dict[str, int] = {}
        self._problems: list[str] = []
        self._head = header.dump()
        with self._writing():
            self._put(bytes(layout.HEADER_AT) + self._head)
            self._put(bytes(layout.aligned(self._at) - self._at))

    def add(self, example: Example, top: TopK | None = None, spans: Spans | None = None) -> None:
        """Add one example with its targets.

        Raises:
            ValueError: the targets are not what the header says, or not of this example's learned tokens.
            NoRoom, StoreProblem: the disk.
        """
        self._check(example, top, spans)
        self._group.append((example, top, spans))
        self._group_bytes += 4 * len(example.ids) + self.header.bytes_per_token * example.learned
        family = self._families.setdefault(example.family, len(self._families))
        count = len(spans.ends) if spans else 0
        self._examples.append((len(example.ids), example.start, count, example.level, family))
        self._problems.append(example.problem)
        if self._group_bytes >= BLOCK_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left and give the file its name; nothing stays when that fails."""
        try:
            self._flush()
            self._seal()
            self._unfinished.publish(replace=True)
        finally:
            self._leave()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._leave()

    def _leave(self) -> None:
        """Give up the file and its room on the disk, unless it has its name already."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._unfinished.__exit__(None, None, None)

    def _check(self, example: Example, top: TopK | None, spans: Spans | None) -> None:
        if not 0 <= example.start <= len(example.ids):
            raise ValueError("an example starts to be learned inside it")
        if self.header.k and (top is None or top.ids.shape != (example.learned, self.header.k)):
            raise ValueError("a soft target has one row for each learned token and k columns")
        if self.header.spans and (spans is None or len(spans.ends) != len(spans.logp)):
            raise ValueError("spans have an end and a likelihood each")

    def _flush(self) -> None:
        if not self._group:
            return
        header = self.header
        examples, tops, spans = zip(*self._group, strict=True)
        parts: list[NDArray[Any]] = [np.concatenate([example.ids for example in examples]).astype("<i4")]
        if header.k:
            parts.append(np.concatenate([top.tail for top in tops]).astype("<f4"))
        if header.spans:
            parts.append(np.concatenate([one.ends for one in spans]).astype("<i4"))
            parts.append(np.concatenate([one.logp for one in spans]).astype("<f4"))
        if header.k:
            ids = np.concatenate([top.ids for top in tops])
            logp = np.concatenate([top.logp for top in tops])
            parts.append(ids.astype("<u2"))
            parts.append(np.maximum(logp, LEAST_LOGP).astype("<f2"))
            if header.high_bits:
                parts.append(layout.pack_high(ids, header.high_bits))
        data = b"".join(part.tobytes() for part in parts)
        data += bytes(layout.aligned(len(data)) - len(data))
        with self._writing():
            self._put(data)
        self._blocks.append((len(data), len(self._group), zlib.crc32(data)))
        self._group = []
        self._group_bytes = 0

    def _seal(self) -> None:
        """Write the table, and the beginning of the file that says where it is."""
        names = json.dumps({"families": list(self._families), "problems": self._problems}).encode()
        table = b"".join(
            (
                layout.COUNTS.pack(len(self._blocks), len(self._examples), len(names)),
                np.array(self._blocks, layout.BLOCKS).tobytes(),
                np.array(self._examples, layout.EXAMPLES).tobytes(),
                names,
            )
        )
        offset = self._at
        with self._writing():
            self._put(table)
            prologue = layout.PROLOGUE.pack(
                layout.MAGIC,
                layout.VERSION,
                len(self._head),
                offset,
                self._at,
                zlib.crc32(self._head),
                zlib.crc32(table),
            )
            self._file.seek(0)
            self._file.write(prologue + layout.CHECKSUM.pack(zlib.crc32(prologue)))
            self._file.close()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._at += len(data)

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return explained(f"write {shown(self.path.name)}", self.path.parent)


class Shard:
    """One shard, memory-mapped: opening it reads its table, memory is what is looked at.

    Raises:
        Damaged: it is no shard, cut, or changed; the sentence names it. Also from whatever reads a block.
    """

    header: ShardHeader
    problems: tuple[str, ...]
    families: tuple[str, ...]
    """Of each example."""
    levels: Ints
    lengths: Ints
    """Tokens of each example."""
    starts: Ints

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map = self._opened()
        try:
            self._read_table(self._read_prologue())
        except (ValueError, OverflowError, RecursionError) as problem:
            self.close()
            raise self._damaged(str(problem)) from problem

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._map)

    def example(self, index: int) -> Example:
        """The tokens of one example; its array is a view of the file."""
        block = self._touch(index)
        at = self._offsets[block] + 4 * self._tokens[index]
        ids = np.frombuffer(self._map, "<i4", self.lengths[index], at)
        return Example(
            self.problems[index], self.families[index], int(self.levels[index]), ids, int(self.starts[index])
        )

    def top(self, index: int) -> TopK:
        """``[learned tokens, k]``; row j is about ``ids[start + j]``."""
        out = TopK.empty(self.learned(index), self.header.k)
        self.top_into(index, out, 0)
        return out

    def learned(self, index: int) -> int:
        """Learned tokens of an example."""
        return int(self.lengths[index] - self.starts[index])

    def top_into(self, index: int, out: TopK, row: int) -> int:
        """Decode into the rows of ``out`` from ``row`` on; returns the row behind the last."""
        block = self._touch(index)
        place, k = self._columns[block], self.header.k
        first, count = int(self._rows[index]), self.learned(index)
        begin, end = int(self._offsets[block]), row + count
        out.tail[row:end] = np.frombuffer(self._map, "<f4", count, begin + place.tails + 4 * first)
        logp = np.frombuffer(self._map, "<f2", count * k, begin + place.logp + 2 * k * first)
        out.logp[row:end] = logp.reshape(count, k)
        self._ids_into(out.ids[row:end], block, first)
        return end

    def _ids_into(self, out: Ints, block: int, first: int) -> None:
        """Decode ids of targets of a block, from its row ``first`` on, into ``out`` ``[rows, k]``."""
        place, begin = self._columns[block], int(self._offsets[block])
        count, k = out.shape
        out[...] = np.frombuffer(self._map, "<u2", count * k, begin + place.low + 2 * k * first).reshape(count, k)
        if self.header.high_bits:
            width = self.header.high_bytes
            high = np.frombuffer(self._map, np.uint8, count * width, begin + place.high + width * first)
            layout.add_high(out, high.reshape(count, width), self.header.high_bits)

    def spans(self, index: int) -> Spans:
        """The likelihoods of spans, for a teacher with another tokenizer."""
        block = self._touch(index)
        place, begin = self._columns[block], int(self._offsets[block])
        first, count = int(self._spans[index]), int(self._span_counts[index])
        return Spans(
            np.frombuffer(self._map, "<i4", count, begin + place.ends + 4 * first),
            np.frombuffer(self._map, "<f4", count, begin + place.spans + 4 * first),
        )

    def verify(self) -> None:
        """Check every block, also those that were checked before.

        Raises:
            Damaged: one is not as it was written.
        """
        for block in range(len(self._offsets)):
            self._check_block(block)

    def close(self) -> None:
        """Let go of the file; arrays that were handed out keep it mapped."""
        with contextlib.suppress(BufferError):
            self._map.close()

    def _opened(self) -> mmap.mmap:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            fd = os.open(self.path, flags)
        except OSError as problem:
            raise self._damaged(f"it cannot be opened ({problem.strerror})") from problem
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise self._damaged("it is no file")
            if status.st_size < layout.HEADER_AT:
                raise self._damaged(f"it has {status.st_size} bytes")
            return mmap.mmap(fd, status.st_size, access=mmap.ACCESS_READ)
        except OSError as problem:
            raise self._damaged(f"it cannot be read ({problem.strerror})") from problem
        finally:
            os.close(fd)

    def _read_prologue(self) -> tuple[int, int, int]:
        """Read the header. Returns where the table begins, its checksum, and where the blocks begin."""
        data, size = self._map, len(self._map)
        prologue = data[: layout.PROLOGUE.size]
        magic, version, head, table, whole, head_crc, table_crc = layout.PROLOGUE.unpack(prologue)
        if magic != layout.MAGIC:
            raise ValueError("it is no shard of training examples")
        if (zlib.crc32(prologue),) != layout.CHECKSUM.unpack_from(data, layout.PROLOGUE.size):
            raise ValueError("its first bytes have changed")
        if version != layout.VERSION:
            raise ValueError(f"it has version {version} of the format, and this program reads version {layout.VERSION}")
        if whole != size:
            raise ValueError(f"it has {size:,} of {whole:,} bytes")
        if head > layout.MOST_HEADER or not layout.HEADER_AT + head <= table <= size - layout.COUNTS.size:
            raise ValueError("its parts do not lie inside it")
        text = data[layout.HEADER_AT : layout.HEADER_AT + head]
        if zlib.crc32(text) != head_crc:
            raise ValueError("its header has changed")
        self.header = ShardHeader.load(text)
        return table, table_crc, layout.aligned(layout.HEADER_AT + head)

    def _read_table(self, where: tuple[int, int, int]) -> None:
        at, crc, first = where
        table = self._map[at:]
        if zlib.crc32(table) != crc:
            raise ValueError("its table has changed")
        blocks, examples, names = layout.COUNTS.unpack_from(table)
        needed = layout.COUNTS.size + blocks * layout.BLOCKS.itemsize + examples * layout.EXAMPLES.itemsize + names
        if needed != len(table):
            raise ValueError("its table has another length than it says")
        self._blocks = np.frombuffer(table, layout.BLOCKS, blocks, layout.COUNTS.size)
        behind = layout.COUNTS.size + self._blocks.nbytes
        rows = np.frombuffer(table, layout.EXAMPLES, examples, behind)
        self._read_names(table[behind + rows.nbytes :], rows["family"])
        self.lengths, self.starts = rows["tokens"].astype(np.int32), rows["start"].astype(np.int32)
        self.levels = rows["level"].astype(np.int32)
        self._span_counts = rows["spans"].astype(np.int64)
        self._place(first, at)
        self._checked = np.zeros(blocks, bool)

    def _read_names(self, data: bytes, family: NDArray[np.uint32]) -> None:
        try:
            found = json.loads(data)
            families, problems = found["families"], found["problems"]
            good = all(isinstance(name, str) for names in (families, problems) for name in names)
        except (ValueError, TypeError, KeyError, RecursionError) as problem:
            raise ValueError("its names cannot be read") from problem
        if not good or len(problems) != len(family) or (len(family) and int(family.max()) >= len(families)):
            raise ValueError("its names are not those of its examples")
        self.problems = tuple(problems)
        self.families = tuple(families[number] for number in family.tolist())

    def _place(self, first: int, end: int) -> None:
        """Find every example, and check that what the table counts fills the file exactly."""
        tokens, starts, spans = self.lengths.astype(np.int64), self.starts.astype(np.int64), self._span_counts
        in_block = self._blocks["examples"].astype(np.int64)
        if int(in_block.sum()) != len(tokens) or (in_block == 0).any():
            raise ValueError("its blocks have other examples than its table")
        if (tokens < 0).any() or (starts < 0).any() or (starts > tokens).any() or (spans > tokens - starts).any():
            raise ValueError("its table has examples that cannot be")
        self._block = np.repeat(np.arange(len(in_block)), in_block)
        firsts = np.concatenate(([0], np.cumsum(in_block)))[:-1]

        def inside(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            """How many come before each example in its block, and how many each block has."""
            before = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
            ends = np.concatenate((firsts[1:], [len(counts)])).astype(np.int64)
            return before[:-1] - before[firsts][self._block], before[ends] - before[firsts]

        if not len(tokens):
            self._tokens = self._rows = self._spans = self._offsets = np.zeros(0, np.int64)
            self._columns: list[layout.Columns] = []
            self._counts: list[tuple[int, int]] = []
            if first != end:
                raise ValueError("its blocks have another size than its table says")
            return
        self._tokens, tokens_of = inside(tokens)
        self._rows, rows_of = inside(tokens - starts)
        self._spans, spans_of = inside(spans)
        counts = list(zip(tokens_of.tolist(), rows_of.tolist(), spans_of.tolist(), strict=True))
        self._columns = [layout.columns(self.header, *count) for count in counts]
        self._counts = [count[:2] for count in counts]
        sizes = [place.size for place in self._columns]
        if sizes != self._blocks["bytes"].tolist() or first + sum(sizes) != end:
            raise ValueError("its blocks have another size than its table says")
        self._offsets = first + np.concatenate(([0], np.cumsum(sizes)))[:-1]

    def _touch(self, index: int) -> int:
        """The block of an example, checked."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        block = int(self._block[index])
        if not self._checked[block]:
            self._check_block(block)
        return block

    def _check_block(self, block: int) -> None:
        begin, size = int(self._offsets[block]), self._columns[block].size
        with memoryview(self._map) as view:
            same = zlib.crc32(view[begin : begin + size]) == int(self._blocks["crc"][block])
        if not same:
            raise self._damaged(f"its block {block + 1} of {len(self._offsets)} has changed")
        tokens, rows = self._counts[block]
        targets = np.empty((rows, self.header.k), np.int32)
        if targets.size:
            self._ids_into(targets, block, 0)
        for ids in (np.frombuffer(self._map, "<i4", tokens, begin), targets):
            if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= self.header.vocabulary_size):
                raise self._damaged("it has tokens that its vocabulary does not have")
        self._checked[block] = True

    def _damaged(self, why: str) -> Damaged:
        return Damaged(f"The shard {shown(self.path)} is damaged: {why}.", REMAKE)

"""Traces become shards: encoded, scored by the teacher, stored; goes on where it was stopped.

A shard's header holds a hash of its examples as they were encoded, so that a later run knows whether the file that is
there is the one it would make. One that is whole is kept, any other is made anew, and nothing else is touched.
Not for: writing traces (``traces``), reading shards in training (``example_set``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgemind.distill.targets.alignment import score_spans
from edgemind.distill.targets.shards import SUFFIX, Example, Shard, ShardHeader, ShardWriter
from edgemind.distill.targets.teachers import Scorer
from edgemind.distill.targets.vocabulary import Vocabulary, compare
from edgemind.errors import Damaged, NoRoom, UsageError
from edgemind.models.hardware import free_disk
from edgemind.models.opening import shown
from edgemind.models.sizes import human_bytes
from edgemind.models.store.files import Folder, explained

if TYPE_CHECKING:
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.problems.base import Problem
    from edgemind.distill.traces.trace import Trace

RECORD = "captured.json"
NAME = re.compile(r"examples-(\d{5,})\.shard")
SPARE = 16 << 20
"""Bytes that are left free on the disk."""
PIECE = 64
"""Examples that are scored between two words of progress."""


@dataclass(frozen=True)
class CaptureStep:
    """How far it is."""

    done: int
    """Traces, those of kept shards and those that are too long included."""
    total: int
    tokens_per_second: float
    """Learned tokens that the teacher scored a second, since this run began."""


@dataclass(frozen=True)
class CaptureReport:
    """What was captured."""

    shards: int
    made: int
    """Shards that this run wrote; the others were there and whole."""
    examples: int
    tokens: int
    learned: int
    """Tokens that are learned, so that have a target."""
    too_long: int
    """Traces that were left out."""
    bytes: int
    bytes_per_token: float
    """Stored for the target of one learned token."""
    seconds: float
    tokens_per_second: float
    digest: str
    """Over everything that was captured: for a fingerprint."""


@dataclass
class _Sum:
    """What has been counted so far."""

    shards: int = 0
    made: int = 0
    examples: int = 0
    tokens: int = 0
    learned: int = 0
    too_long: int = 0
    done: int = 0
    bytes: int = 0
    scored: int = 0
    """Learned tokens that the teacher read in this run."""
    seconds: float = 0.0
    """That it took."""
    inputs: list[str] = field(default_factory=list)

    @property
    def speed(self) -> float:
        return self.scored / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class _Teacher:
    """Who scores, and how."""

    student: Vocabulary
    scorer: Scorer | None
    k: int = 0
    temperature: float = 1.0
    size: int | None = None
    """Where the distribution is cut off."""
    format: ChatFormat | None = None
    """Of a teacher with another tokenizer."""


@dataclass(frozen=True)
class _Item:
    """One trace, encoded."""

    example: Example
    problem: Problem
    trace: Trace


def capture(
    problems: Sequence[Problem],
    traces: Sequence[Trace],
    format: ChatFormat,  # noqa: A002
    scorer: Scorer | None,
    directory: Path,
    k: int,
    temperature: float,
    per_shard: int,
    progress: Callable[[CaptureStep], None] = lambda _: None,
    *,
    context: int | None = None,
    teacher_format: ChatFormat | None = None,
) -> CaptureReport:
    """Make the shards ``examples-00000.shard`` and so on; whole ones that are there already are kept.

    Args:
        problems: every problem that a trace is of.
        traces: in the order in which their examples are stored.
        scorer: the teacher; ``None`` for examples without soft targets.
        k: tokens of each soft target; the whole vocabulary when that is smaller.
        context: leave out examples of more tokens; also what the teacher cannot read is left out.
        teacher_format: of a teacher with another tokenizer: its targets are those of ``alignment``.

    Raises:
        UsageError: a trace of a problem that is not there; a teacher whose tokens are others.
        NoRoom: the disk has too little room; with how much is needed. What was made stays.
        EdgemindError: the teacher.
    """
    started = time.monotonic()
    known = {problem.id: problem for problem in problems}
    teacher = _teacher(format, scorer, k, temperature, teacher_format)
    header = _header(format, teacher)
    limit = min(context or 1 << 30, scorer.context if scorer and not teacher.format else 1 << 30)
    with explained("make the folder of the shards", directory):
        directory.mkdir(parents=True, exist_ok=True)
    total = _Sum()
    for items in _groups(known, traces, format, limit, per_shard, total):
        path = directory / f"examples-{total.shards:05d}{SUFFIX}"
        wanted = header.model_copy(update={"inputs": _hash(items)})
        if not _is_whole(path, wanted):
            _check_room(directory, wanted, items, len(traces) - total.done)
            _make(path, wanted, items, teacher, total, lambda extra: progress(_step(total, traces, extra)))
            total.made += 1
        _count(total, items, wanted, path)
        progress(_step(total, traces))
    _remove_others(directory, total.shards)
    record = {**header.model_dump(), "inputs": total.inputs, "too_long": total.too_long, "examples": total.examples}
    text = json.dumps(record, indent=1)
    with explained(f"write {RECORD}", directory), Folder.at(directory) as folder:
        folder.write(RECORD, text.encode())
    return CaptureReport(
        shards=total.shards,
        made=total.made,
        examples=total.examples,
        tokens=total.tokens,
        learned=total.learned,
        too_long=total.too_long,
        bytes=total.bytes,
        bytes_per_token=float(header.bytes_per_token),
        seconds=time.monotonic() - started,
        tokens_per_second=total.speed,
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def _teacher(
    student: ChatFormat, scorer: Scorer | None, k: int, temperature: float, other: ChatFormat | None
) -> _Teacher:
    if scorer is None or other is not None:
        return _Teacher(student.vocabulary, scorer, format=other if scorer else None)
    match = compare(student.vocabulary, scorer.vocabulary)
    if not match.usable:
        raise UsageError(
            f"The tokens of the teacher {scorer.name} are not the student's: {match.why}.",
            'Give the student the teacher\'s tokenizer, or set across = "aligned" in [targets].',
        )
    return _Teacher(student.vocabulary, scorer, max(1, min(k, match.shared)), temperature, match.shared)


def _header(student: ChatFormat, teacher: _Teacher) -> ShardHeader:
    found = student.vocabulary
    return ShardHeader(
        k=teacher.k,
        temperature=teacher.temperature,
        vocabulary=found.digest,
        vocabulary_size=found.size,
        teacher=teacher.scorer.name if teacher.scorer else "",
        teacher_digest=teacher.scorer.digest if teacher.scorer else "",
        spans=teacher.format is not None,
    )


def _groups(
    known: dict[str, Problem], traces: Sequence[Trace], student: ChatFormat, limit: int, per_shard: int, total: _Sum
) -> Iterator[list[_Item]]:
    """The examples of each shard; what is too long is counted and left out."""
    group: list[_Item] = []
    left_out = 0
    for trace in traces:
        problem = known.get(trace.problem)
        if problem is None:
            raise UsageError(
                f"There is a trace of the problem {trace.problem}, which is not among the problems.",
                "Make the traces again: they are of other problems.",
            )
        encoded = student.encode(problem, trace.thought, trace.answer)
        if len(encoded.ids) > limit:
            left_out += 1
        else:
            ids = np.asarray(encoded.ids, np.int32)
            example = Example(trace.problem, trace.family, trace.level, ids, encoded.start)
            group.append(_Item(example, problem, trace))
        if len(group) == per_shard:
            total.too_long += left_out
            total.done += left_out
            yield group
            group, left_out = [], 0
    total.too_long += left_out
    total.done += left_out
    if group:
        yield group


def _hash(items: Sequence[_Item]) -> str:
    """Over the examples as they will be stored."""
    found = hashlib.blake2b(digest_size=16)
    for item in items:
        one = item.example
        found.update(json.dumps([one.problem, one.family, one.level, one.start, len(one.ids)]).encode())
        found.update(one.ids.astype("<i4").tobytes())
    return found.hexdigest()


def _is_whole(path: Path, wanted: ShardHeader) -> bool:
    """Whether this shard is there as it would be made."""
    if not path.exists():
        return False
    shard = None
    try:
        shard = Shard(path)
        shard.verify()
    except Damaged:
        return False
    finally:
        if shard is not None:
            shard.close()
    return shard.header == wanted


def _check_room(directory: Path, header: ShardHeader, items: Sequence[_Item], left: int) -> None:
    """Refuse a shard that the disk has no room for, and say what all that are left need."""
    needed = sum(4 * len(item.example.ids) + header.bytes_per_token * item.example.learned for item in items)
    free = free_disk(directory)
    if free is not None and needed + SPARE > free:
        whole = needed * max(left, len(items)) // len(items) + SPARE
        raise NoRoom(
            f"The examples that are left need about {human_bytes(whole)} and the disk of {shown(directory)} has "
            f"{human_bytes(free)} free.",
            "Make room and run the same command again, or set a smaller k in [targets].",
        )


def _make(
    path: Path,
    header: ShardHeader,
    items: Sequence[_Item],
    teacher: _Teacher,
    total: _Sum,
    progress: Callable[[int], None],
) -> None:
    with ShardWriter(path, header) as writer:
        for start in range(0, len(items), PIECE):
            piece = items[start : start + PIECE]
            before = time.monotonic()
            if teacher.scorer is None:
                for item in piece:
                    writer.add(item.example)
                continue
            if teacher.format is not None:
                spans = score_spans(
                    [(item.problem, item.trace) for item in piece],
                    [item.example for item in piece],
                    teacher.student,
                    teacher.scorer,
                    teacher.format,
                )
                for item, found in zip(piece, spans, strict=True):
                    writer.add(item.example, None, found)
            else:
                examples = [item.example for item in piece]
                tops = teacher.scorer.top(examples, teacher.k, teacher.temperature, teacher.size)
                for item, top in zip(piece, tops, strict=True):
                    writer.add(item.example, top)
            total.scored += sum(item.example.learned for item in piece)
            total.seconds += time.monotonic() - before
            progress(start + len(piece))


def _count(total: _Sum, items: Sequence[_Item], header: ShardHeader, path: Path) -> None:
    total.shards += 1
    total.examples += len(items)
    total.done += len(items)
    total.tokens += sum(len(item.example.ids) for item in items)
    total.learned += sum(item.example.learned for item in items)
    total.inputs.append(header.inputs)
    with explained(f"read {path.name}", path.parent):
        total.bytes += path.stat().st_size


def _step(total: _Sum, traces: Sequence[Trace], extra: int = 0) -> CaptureStep:
    return CaptureStep(total.done + extra, len(traces), total.speed)


def _remove_others(directory: Path, count: int) -> None:
    """Shards of an earlier run with more examples."""
    for path in directory.glob(f"*{SUFFIX}"):
        name = NAME.fullmatch(path.name)
        if name and int(name[1]) >= count:
            with contextlib.suppress(FileNotFoundError), explained(f"remove {path.name}", directory):
                path.unlink()

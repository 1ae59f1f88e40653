"""Batches made ready in a thread while the trainer computes, with a measure of how long it had to wait for them.

Not for: choosing examples (``batches.Planner``).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from edgemind.distill.training.batches import Batch, Examples, Piece, Plan, collate

AHEAD = 4
"""Steps that are ready at most."""


@dataclass(frozen=True)
class Portioning:
    """How examples become batches.

    Attributes:
        pad: a token's id.
        row_tokens: ``None``: one example to a row; else end to end in rows of so many tokens.
        rank, world: which share of the rows of every portion is this process's.
        targets: whether stored targets are read along.
    """

    pad: int
    row_tokens: int | None = None
    rank: int = 0
    world: int = 1
    targets: bool = True

    def make(self, examples: Examples, indices: list[int]) -> Batch:
        """This process's share of a portion; with nothing to learn when there are fewer examples than processes."""
        mine = indices[self.rank :: self.world]
        if not mine:
            ids = examples.example(indices[0]).ids[:2]
            return collate([Piece(ids, len(ids))], None, self.pad, self.row_tokens)
        found = [examples.example(index) for index in mine]
        top = examples.tops(mine) if self.targets and examples.header.k else None
        batch = collate([Piece(one.ids, one.start) for one in found], top, self.pad, self.row_tokens)
        if not (self.targets and examples.header.spans):
            return batch
        spans = examples.all_spans(mine)
        return replace(batch, ends=torch.from_numpy(spans.ends), span_logp=torch.from_numpy(spans.logp))


@dataclass(frozen=True)
class StepInput:
    """What one step reads: this process's portions, and over all processes how much is read and learned."""

    portions: list[Batch]
    read: int
    learned: int


class Feeder:
    """The steps of a plan, one after the other; ``waited`` counts seconds in which none was ready."""

    def __init__(self, examples: Examples, how: Portioning) -> None:
        self.waited = 0.0
        self._examples, self.how = examples, how

    def steps(self, plan: Plan) -> Iterator[StepInput]:
        """Every step of a plan. Leaving early ends the thread.

        Raises:
            EdgemindError: what reading an example raised.
        """
        ready: queue.Queue[StepInput | Exception] = queue.Queue(AHEAD)
        leaving = threading.Event()

        def fill() -> None:
            for step in plan:
                try:
                    made: StepInput | Exception = self.make(step)
                except Exception as problem:
                    made = problem
                while not leaving.is_set():
                    try:
                        ready.put(made, timeout=0.1)
                        break
                    except queue.Full:
                        continue
                if leaving.is_set() or isinstance(made, Exception):
                    return

        thread = threading.Thread(target=fill, name="batches", daemon=True)
        thread.start()
        try:
            for _ in plan:
                started = time.monotonic()
                made = ready.get()
                self.waited += time.monotonic() - started
                if isinstance(made, Exception):
                    raise made
                yield made
        finally:
            leaving.set()
            thread.join()

    def make(self, step: list[list[int]]) -> StepInput:
        """One step."""
        indices = [index for portion in step for index in portion]
        lengths, starts = self._examples.lengths[indices], self._examples.starts[indices]
        read, learned = int(lengths.sum()), int((lengths - starts.clip(min=1)).sum())
        return StepInput([self.how.make(self._examples, portion) for portion in step], read, learned)

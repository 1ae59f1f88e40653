"""The worker's side of scoring: tokens through the model, the logits at every position.

A scorer holds one context of its own beside those that answer, so nothing that is cached there is lost. Pieces of one
text come one after another, each at the position where the last one ended; position 0 begins a new text.
Not for: choosing tokens (``scheduler``), what the rows are compared with (``scoring`` and its callers).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgemind.engine import llama
from edgemind.engine.contexts import GRANULE, Contexts
from edgemind.engine.protocol import Score, Scored
from edgemind.errors import EdgemindError, UsageError

ROWS_BYTES = 64 << 20
"""Logits held at once; with a vocabulary of 151,936 that is 110 rows."""

MOST_ROWS = 512


class Scorer:
    """Scores texts with one model. All calls come from the thread that decodes."""

    def __init__(self, contexts: Contexts) -> None:
        self._contexts = contexts
        self._context: llama.Context | None = None
        self._next = 0
        """Position at which the text that is being scored goes on."""
        vocabulary = contexts.model.n_vocab
        self._rows = max(1, min(MOST_ROWS, contexts.plan.n_batch, ROWS_BYTES // (4 * vocabulary)))
        self._batch = llama.Batch(self._rows)

    def score(self, command: Score) -> Scored:
        """Decode the tokens and answer with a row, or with the loss of a target, for each.

        Raises:
            UsageError: a token that is not in the vocabulary, or a piece that does not follow the one before.
            OutOfMemory, EdgemindError: llama.cpp cannot.
        """
        vocabulary = self._contexts.model.n_vocab
        if not all(0 <= token < vocabulary for token in (*command.tokens, *command.targets)):
            raise UsageError(f"There is a token that this vocabulary of {vocabulary:,} does not have.")
        if command.targets and len(command.targets) != len(command.tokens):
            raise UsageError("There must be as many targets as tokens.")
        context = self._ready(command)
        data: list[bytes] = []
        losses: list[float] = []
        for start in range(0, len(command.tokens), self._rows):
            end = min(start + self._rows, len(command.tokens))
            first = min(max(start, command.skip), end)
            rows = self._decode(context, command.tokens[start:end], first - start)
            if command.targets:
                losses += losses_of(rows, command.targets[first:end])
            else:
                data.append(rows.astype("<f2" if command.half else "<f4").tobytes())
        return Scored(vocabulary=vocabulary, rows=base64.b64encode(b"".join(data)).decode(), losses=tuple(losses))

    def close(self) -> None:
        """Give the context's memory back."""
        if self._context:
            self._context.close()
        self._context = None
        self._next = 0

    def _ready(self, command: Score) -> llama.Context:
        end = command.start + len(command.tokens)
        if command.start == 0:
            wanted = -(-max(end, command.room) // GRANULE) * GRANULE
            if self._context is None or self._context.n_ctx < wanted:
                self.close()
                self._context = self._contexts.apart(wanted, self._rows)
            self._next = 0
        if self._context is None or command.start != self._next or end > self._context.n_ctx:
            raise UsageError(f"A piece of text at position {command.start} does not follow what was scored before it.")
        if command.start == 0:
            self._context.clear()
        return self._context

    def _decode(self, context: llama.Context, tokens: Sequence[int], skip: int) -> NDArray[np.float32]:
        """``[tokens - skip, vocabulary]``."""
        self._batch.clear()
        for offset, token in enumerate(tokens):
            self._batch.add(token, self._next + offset, 0, logits=offset >= skip)
        if context.decode(self._batch) is not llama.DecodeResult.OK:
            raise EdgemindError(f"llama.cpp found no room for {len(tokens)} tokens at position {self._next}.")
        self._next += len(tokens)
        if skip == len(tokens):
            return np.empty((0, self._contexts.model.n_vocab), np.float32)
        return np.stack([context.logits(index) for index in range(skip, len(tokens))])


def losses_of(rows: NDArray[np.float32], targets: Sequence[int]) -> list[float]:
    """Negative log-probability of each target, in nats: ``log(sum(exp(row))) - row[target]``."""
    wide = rows.astype(np.float64)
    top = wide.max(axis=1)
    total = top + np.log(np.exp(wide - top[:, None]).sum(axis=1))
    return [float(loss) for loss in total - wide[np.arange(len(rows)), list(targets)]]

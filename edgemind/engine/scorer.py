"""The worker's side of scoring: tokens through the model, the logits at every position.

A scorer holds one context of its own beside those that answer, so nothing that is cached there is lost. Pieces of one
text come one after another, each at the position where the last one ended; position 0 begins a new text.
Not for: choosing tokens (``scheduler``), what the rows are compared with (``scoring`` and its callers).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgemind.engine import llama
from edgemind.engine.contexts import GRANULE, Contexts
from edgemind.engine.protocol import Score, Scored, Top, Topped
from edgemind.engine.topk import chosen_rows, top_rows
from edgemind.errors import EdgemindError, ModelUnusable, UsageError

ROWS_BYTES = 64 << 20
"""Logits held at once; with a vocabulary of 151,936 that is 110 rows."""

MOST_ROWS = 512

TOGETHER = 16
"""Short texts that are decoded in one batch, each a sequence of its own."""


class Scorer:
    """Scores texts with one model. All calls come from the thread that decodes."""

    def __init__(self, contexts: Contexts) -> None:
        self._contexts = contexts
        self._context: llama.Context | None = None
        self._many: llama.Context | None = None
        """For ``top``: with room for several texts."""
        self._next = 0
        """Position at which the text that is being scored goes on."""
        vocabulary = contexts.model.n_vocab
        self._rows = max(1, min(MOST_ROWS, contexts.plan.n_batch, ROWS_BYTES // (4 * vocabulary)))
        self._batch = llama.Batch(self._rows, TOGETHER)

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

    def top(self, command: Top) -> Topped:
        """The most probable tokens at the wanted places of each text; short texts share a batch.

        Raises:
            UsageError: a token that is not in the vocabulary, or numbers that do not fit it.
            ModelUnusable: the model computes numbers that are not finite.
            OutOfMemory, EdgemindError: llama.cpp cannot.
        """
        vocabulary = self._contexts.model.n_vocab
        texts, wanted = command.texts, command.wanted
        if len(wanted) != len(texts) or any(not count < len(text) for count, text in zip(wanted, texts, strict=True)):
            raise UsageError("Each text needs a count of wanted tokens that is smaller than the text.")
        if command.size > vocabulary or command.k > command.size:
            raise UsageError(f"There are no {max(command.k, command.size):,} tokens in a vocabulary of {vocabulary:,}.")
        if not all(0 <= token < vocabulary for text in texts for token in text):
            raise UsageError(f"There is a token that this vocabulary of {vocabulary:,} does not have.")
        context = self._open(max(command.room, self._rows, *map(len, texts)))
        found: list[tuple[NDArray[np.generic], ...]] = []
        for group in self._groups(texts):
            context.clear()
            for rows, tokens in self._ends(context, [(texts[number], wanted[number]) for number in group]):
                if not np.isfinite(rows.max(axis=1)).all():
                    raise ModelUnusable("This model computes numbers that are not finite.", "Make or fetch it again.")
                cut = np.ascontiguousarray(rows[:, : command.size])
                best = top_rows(cut, command.k, command.temperature) if command.k else ()
                found.append((*best, chosen_rows(rows, tokens, command.size)))
        columns = [base64.b64encode(np.concatenate(column).tobytes()).decode() for column in zip(*found, strict=True)]
        ids, logp, tail, chosen = columns if command.k else ("", "", "", *columns) if columns else ("",) * 4
        return Topped(ids=ids, logp=logp, tail=tail, chosen=chosen)

    def close(self) -> None:
        """Give the contexts' memory back."""
        for context in (self._context, self._many):
            if context:
                context.close()
        self._context = self._many = None
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

    def _open(self, cells: int) -> llama.Context:
        """A context for several texts, of so many cells at least."""
        cells = -(-cells // GRANULE) * GRANULE
        if self._many is None or self._many.n_ctx < cells:
            self.close()
            self._many = self._contexts.apart(cells, self._rows, sequences=TOGETHER)
        return self._many

    def _groups(self, texts: Sequence[Sequence[int]]) -> Iterator[range]:
        """Texts that fit into one batch together, in their order; a longer one alone."""
        start = size = 0
        for number, text in enumerate(texts):
            if number > start and (size + len(text) - 1 > self._rows or number - start == TOGETHER):
                yield range(start, number)
                start, size = number, 0
            size += len(text) - 1
        yield range(start, len(texts))

    def _ends(
        self, context: llama.Context, texts: Sequence[tuple[Sequence[int], int]]
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
        """Rows of logits ``[some, vocabulary]`` for the wanted tokens at the ends of texts, and those tokens."""
        places = [
            (text[at], at, number, text[at + 1] if at + 1 >= len(text) - wanted else None)
            for number, (text, wanted) in enumerate(texts)
            for at in range(len(text) - 1)
        ]
        for start in range(0, len(places), self._rows):
            piece = places[start : start + self._rows]
            self._batch.clear()
            for token, position, sequence, following in piece:
                self._batch.add(token, position, sequence, logits=following is not None)
            if context.decode(self._batch) is not llama.DecodeResult.OK:
                raise EdgemindError(f"llama.cpp found no room for {len(piece)} tokens.")
            asked = [(index, following) for index, (*_, following) in enumerate(piece) if following is not None]
            if asked:
                rows = np.stack([context.logits(index) for index, _ in asked])
                yield rows, np.array([following for _, following in asked], np.int32)

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

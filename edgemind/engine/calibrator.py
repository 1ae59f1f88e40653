"""The worker's side of an importance matrix: pieces of text through the model, sums of squares of what each matrix got.

Each piece is a text of its own, in a context beside those that answer. Every position gives a row of logits although
nobody reads them: else llama.cpp would leave all but the last out of the final layers.
Not for: cutting the text (``calibration``), reading the graph (``llama.imatrix``).
"""

from __future__ import annotations

import base64

from edgemind.engine import llama
from edgemind.engine.contexts import GRANULE, Contexts
from edgemind.engine.llama.imatrix import Collector
from edgemind.engine.protocol import Calibrate, Calibrated, Collect, Collected, Sums
from edgemind.engine.scorer import MOST_ROWS, ROWS_BYTES
from edgemind.errors import EdgemindError, UsageError

PIECE_BYTES = 16 << 20
"""Of sums in one answer; one tensor of a large mixture of experts alone can have 20 MB."""


class Calibrator:
    """Adds up over all pieces it is given. All calls come from the thread that decodes."""

    def __init__(self, contexts: Contexts) -> None:
        self._contexts = contexts
        self._collector = Collector()
        self._context: llama.Context | None = None
        self._rows = max(1, min(MOST_ROWS, contexts.plan.n_batch, ROWS_BYTES // (4 * contexts.model.n_vocab)))
        self._batch = llama.Batch(self._rows)

    def calibrate(self, command: Calibrate) -> Calibrated:
        """Read one piece.

        Raises:
            UsageError: a token that is not in the vocabulary.
            ModelUnusable: numbers that are not finite.
            OutOfMemory, EdgemindError: llama.cpp cannot.
        """
        vocabulary = self._contexts.model.n_vocab
        if not all(0 <= token < vocabulary for token in command.tokens):
            raise UsageError(f"There is a token that this vocabulary of {vocabulary:,} does not have.")
        context = self._ready(len(command.tokens))
        for start in range(0, len(command.tokens), self._rows):
            self._batch.clear()
            for offset, token in enumerate(command.tokens[start : start + self._rows]):
                self._batch.add(token, start + offset, 0, logits=True)
            self._collector.begin()
            try:
                result = context.decode(self._batch)
            finally:
                self._collector.check()
            if result is not llama.DecodeResult.OK:
                raise EdgemindError(f"llama.cpp found no room for a piece of {len(command.tokens)} tokens.")
        return Calibrated(tensors=len(self._collector.sums))

    def collect(self, command: Collect) -> Collected:
        """The sums of some tensors, from number ``start`` on."""
        names = sorted(self._collector.sums)[command.start :]
        found: list[Sums] = []
        size = 0
        for name in names:
            sums = self._collector.sums[name]
            size += 4 * sums.size
            if found and size > PIECE_BYTES:
                break
            squares = base64.b64encode(sums.astype("<f4").tobytes()).decode()
            counts = tuple(int(count) for count in self._collector.counts[name])
            found.append(Sums(name=name, counts=counts, squares=squares, experts=len(sums)))
        return Collected(tensors=tuple(found), left=len(names) - len(found))

    def _ready(self, tokens: int) -> llama.Context:
        cells = -(-tokens // GRANULE) * GRANULE
        if self._context is None or self._context.n_ctx < cells:
            if self._context:
                self._context.close()
            self._context = self._contexts.apart(cells, self._rows, self._collector.callback)
        self._context.clear()
        return self._context

"""Which greedy tokens rounding could have decided, so that drafts change nothing that is written.

llama.cpp multiplies several tokens at once by other kernels than one, and rounds differently; cells that drafts leave
in the cache pass that on. How far the logits move by it is a share of their spread, the same whether one cell or
hundreds were computed so (``docs/benchmarks.md``). A token that leads by several times as much is the same with and
without drafts. One that leads by less is a close call: everything that drafts have computed is computed again, one
token after the other, and it is chosen from that. So a close call costs all that was gained, and drafts are worth
their cost only while none is likely before the end.
Not for: where drafts come from (``lookup``), what else they cost (``drafting``), computing again (``scheduler``).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

NOISE = 0.02
"""Standard deviation of what rounding does to a logit, as a share of the logits' own: what is assumed at least. It is
measured for each model; 0.007 to 0.04 were."""

SAFETY = 4.0
"""Standard deviations by which the lead of a token has to be larger than 0. Where one token in forty leads by less than
a logit and logits spread by 2.5, as in trained models, one in a hundred million could still come out differently."""

MARGIN = 2.0
"""The noise is taken as so many times what was seen: larger batches and cells that drafts have left make more of it."""

SAMPLES = 2048
"""Logits of a row that its spread is taken from."""

SELDOM = 16
"""The spread of the logits is taken from one row of so many."""

CALLS, TOKENS = 0.1, 150.0
"""Close calls in so many tokens, before any were seen."""

FEW = 12
"""Tokens of a copy that promise too little."""

COST = 0.4
"""Of a drafted token, in decodes, roughly."""

TAIL = 64
"""Tokens that are written after a copy, roughly: a close call in these takes back the copy as well."""


class Rounding:
    """What is known of one model: how far its logits move, and how often a token is a close call."""

    def __init__(self) -> None:
        self.noise = NOISE
        self.known = False
        """It was measured."""
        self._calls, self._tokens = CALLS, TOKENS
        self._spread, self._asked = 0.0, 0

    def least(self, row: npt.NDArray[np.float32]) -> float:
        """The lead, in logits, from which rounding cannot have decided the likeliest token of ``row`` ``[vocab]``."""
        if self._asked % SELDOM == 0:
            self._spread = _spread(row)
        self._asked += 1
        return SAFETY * math.sqrt(2) * self.noise * self._spread

    def learn(self, drafted: npt.NDArray[np.float32], alone: npt.NDArray[np.float32]) -> None:
        """The same row ``[vocab]``, with drafts and without."""
        self.known = True
        spread = _spread(alone)
        if spread > 0:
            self.noise = max(self.noise, MARGIN * float(np.std(drafted - alone)) / spread)

    def note(self, close: bool) -> None:
        """A greedy token was chosen, or was too close to choose."""
        self._tokens += 1
        self._calls += close

    def pays(self, run: int, left: int) -> bool:
        """Whether to begin with drafts.

        From then on all that is written, drafted or not, is computed again at a close call: a few are not worth that.

        Args:
            run: tokens that were copied up to here; as many again are hoped for.
            left: tokens to the end of what is copied.
        """
        survival, hoped = self.survival(left + TAIL), min(run, left)
        return hoped >= FEW and survival * (1 - COST) * hoped > (1 - survival) * (COST * hoped + TAIL / 2)

    def survival(self, tokens: int) -> float:
        """The chance that no close call comes within so many tokens."""
        return math.exp(-tokens * self._calls / self._tokens)


def _spread(row: npt.NDArray[np.float32]) -> float:
    """Standard deviation of the finite logits, of every so many of a long row."""
    some = row[:: -(-row.size // SAMPLES)]
    some = some[np.isfinite(some)]
    return float(np.std(some)) if some.size else 0.0

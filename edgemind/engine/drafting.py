"""How many drafted tokens are worth checking, by what checking costs here and how often the draft was right.

A batch of one token and some drafted ones takes longer than one token; how much longer is measured while decoding. As
many are drafted as promise the largest gain. What was gained and lost is counted in seconds: when drafts have lost
more than a small share of the decoding time, none are made until it has grown again, so text that repeats nothing
decodes as fast as without.
Not for: where the guesses come from (``lookup``), checking them (``scheduler``).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

MOST = 15
"""Drafted tokens of one batch at most."""

LOSS = 0.005
"""Share of its decoding time that a request may lose by drafts that were wrong."""

CREDIT = 0.5
"""Of a decode's time: what it may lose before it has decoded for long."""

FORGIVEN = 0.25
"""Decodes' worth of a loss that is forgotten when a guess was right that would have been worth drafting."""

CAUTION = 1.5
"""What is hoped for must be so many times what it costs."""

KNOWN = 3
"""Decodes without drafts before the first with one: their time is what drafts are compared with."""

RECENT = 9
FIRST_COST = 0.12
"""Cost of one more token in a batch as a share of a decode, until such a batch is measured."""


class Costs:
    """How long decodes take with this model by their number of tokens: the middle of the last few of each."""

    def __init__(self) -> None:
        self._times: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=RECENT))
        self._middle: dict[int, float] = {}

    def plain(self, tokens: int) -> float | None:
        """Seconds of a decode without drafts, of so many sequences; None while that is not known."""
        return self._middle[tokens] if len(self._times.get(tokens, ())) >= KNOWN else None

    def note(self, tokens: int, seconds: float) -> None:
        times = self._times[tokens]
        times.append(seconds)
        self._middle[tokens] = sorted(times)[len(times) // 2]

    def extra(self, plain: int, most: int) -> list[float]:
        """Seconds that 0 to ``most`` tokens more than ``plain`` take; what was not measured continues what was."""
        base = last = self._middle[plain]
        step = FIRST_COST * base / plain
        found = [0.0]
        for count in range(plain + 1, plain + most + 1):
            last = max(self._middle.get(count, last + step), base)
            found.append(last - base)
        return found


class Drafting:
    """The account of one request."""

    def __init__(self) -> None:
        self.drafted = 0
        self.accepted = 0
        self._balance = 0.0
        """Seconds gained, or lost."""
        self._decoding = 0.0
        """Seconds decoded."""
        self._held = False
        """More would have been drafted, but for what was lost before."""

    def worth(self, costs: Costs, tokens: int, chances: Sequence[float], right: bool, survival: float = 1.0) -> int:
        """How many tokens to draft for the next decode.

        Args:
            tokens: of that decode without drafts, one a sequence.
            chances: for each token of a draft, that it is kept.
            right: the last guess was, drafted or not.
            survival: the chance that what drafts gain is not lost to a close call later; see ``rounding``.
        """
        plain = costs.plain(tokens)
        if plain is None:
            return 0
        usual = plain / tokens
        if self._held and right:
            self._balance += FORGIVEN * usual
        allowed = CREDIT * usual + LOSS * self._decoding + self._balance
        self._held = False
        extra = costs.extra(tokens, len(chances))
        best, best_gain, hope = 0, 0.0, 0.0
        for count, chance in enumerate(chances, 1):
            hope += usual * chance * survival
            gain = hope - CAUTION * extra[count]
            if gain > best_gain:
                if extra[count] > allowed:
                    self._held = True
                    break
                best, best_gain = count, gain
        return best

    def pause(self) -> None:
        """There is nothing to draft."""
        self._held = False

    def note_plain(self, seconds: float) -> None:
        """A decode without a draft, or this request's share of it."""
        self._decoding += seconds

    def note(self, drafted: int, kept: int, written: int, usual: float, extra: float) -> None:
        """A decode with a draft.

        Args:
            kept: of the drafted tokens.
            written: tokens that came of it; 0 when even the first has to be decoded again.
            usual: seconds that one token takes without drafts.
            extra: seconds that the drafted ones took.
        """
        self.drafted += drafted
        self.accepted += kept
        self._decoding += usual + extra
        self._balance += (written - 1) * usual - extra

    def note_again(self, tokens: int, usual: float) -> None:
        """A close call: so many tokens are decoded again, and one comes of it."""
        self._decoding += tokens * usual
        self._balance -= (tokens - 1) * usual

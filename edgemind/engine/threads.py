"""How many threads decode: as many as pay on this machine right now.

A decode meets at a barrier after every node of its graph, about a thousand times a token, and waits there for its
slowest thread. On a quiet machine two threads give 1.37x of one; when something else holds a core, they gave 4.9
tokens a second where one alone gave 29.6. So when the system takes the processor away from us, another count is tried
for a few tokens now and then, and kept when it is clearly faster. The number of threads does not change what is
computed, see ``docs/architecture.md``.
Not for: the count to begin with (``models.hardware``).
"""

from __future__ import annotations

from collections import deque
from statistics import median

SOON, LATE = 8, 256
"""Tokens until the next trial: few at the start and after a change, twice as many each time nothing changes."""

UNDISTURBED = 0.93
"""Share of its threads' time that this process has the processor for; with less, something else is running. On a
quiet machine threads that wait at a barrier spin, so the share is close to 1."""

PROBE_TOKENS = 3
RECENT = 6
GAIN = 0.85
"""A trial wins when its middle token took less than this share of the usual one."""


class ThreadGovernor:
    """Watches the time of decodes and says with how many threads to do the next: single tokens, or batches a token.

    Args:
        most: threads to begin with, and never to exceed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.threads = most
        """For the next decode."""
        self._settled = most
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._processor: deque[float] = deque(maxlen=RECENT)
        self._trial: list[float] = []
        self._pause = self._until_trial = SOON
        self._turn = -1

    def note(self, seconds: float, processor_seconds: float) -> None:
        """A token with ``threads`` threads took so long, and had so much processor time, of all threads together."""
        if self.most == 1:
            return
        if self.threads != self._settled:
            self._trial.append(seconds)
            if len(self._trial) == PROBE_TOKENS:
                self._decide()
            return
        self._recent.append(seconds)
        self._processor.append(processor_seconds)
        self._until_trial -= 1
        share = sum(self._processor) / (sum(self._recent) * self._settled or 1)
        worth_it = self._settled < self.most or share < UNDISTURBED
        if worth_it and self._until_trial <= 0 and len(self._recent) == RECENT:
            self.threads = self._candidate()
            self._trial = []

    def _candidate(self) -> int:
        """One fewer, half, a single one, one more, double: the next of them in turn that is another count in range."""
        now = self._settled
        counts = [n for n in (now - 1, now // 2, 1, now + 1, now * 2) if 1 <= n <= self.most and n != now]
        self._turn += 1
        return counts[self._turn % len(counts)]

    def _decide(self) -> None:
        if median(self._trial) < GAIN * median(self._recent):
            self._settled = self.threads
            self._recent.clear()
            self._processor.clear()
            self._pause = SOON
        else:
            self._pause = min(2 * self._pause, LATE)
        self.threads = self._settled
        self._until_trial = self._pause

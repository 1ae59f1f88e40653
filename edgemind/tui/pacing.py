"""How often an answer in the making is drawn: smoothly where a core is free, seldom where it would cost the model time.

Every thread of the worker waits for the slowest at the end of each operation, so on a machine whose cores it all uses a
frame costs the model about its own length. There, frames keep to a share of one core, by what they were seen to cost.
Not for: what is drawn (``screens``, ``widgets``).
"""

from __future__ import annotations

import time

SMOOTH = 1 / 16
"""Seconds between two frames at least; more often nobody can tell."""

SELDOM = 0.4
"""Seconds between two frames at most: fewer look as if the model had stopped."""

SHARE = 0.015
"""Of one core, for drawing, where the worker has threads on all of them."""


def free_cores(threads: int) -> int:
    """CPUs of this process beyond those that the worker's threads fill."""
    from edgemind.models.hardware import usable_cpus

    return len(usable_cpus()) - threads


class Pace:
    """Of one answer.

    Args:
        free: whether there is a core that the worker leaves alone.
    """

    def __init__(self, free: bool) -> None:
        self._free = free
        self._spent = time.process_time()
        self._interval = SMOOTH

    def interval(self) -> float:
        """Seconds until the next frame; asked at every frame."""
        if self._free:
            return SMOOTH
        spent = time.process_time()
        wanted = (spent - self._spent) / SHARE
        self._spent = spent
        # One frame that was dear, a key that was typed: the pace follows what is usual.
        self._interval += 0.3 * (min(max(wanted, SMOOTH), SELDOM) - self._interval)
        return self._interval

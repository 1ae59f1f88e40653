"""The thread governor on machines whose speed is a function: it must find the best count and stay there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgemind.engine.threads import ThreadGovernor


def run(governor: ThreadGovernor, seconds: Callable[[int], float], tokens: int) -> list[int]:
    used = []
    for _ in range(tokens):
        used.append(governor.threads)
        took = seconds(governor.threads)
        governor.note(took, took * governor.threads * (0.99 if seconds is quiet else 0.6))
    return used


def quiet(threads: int) -> float:
    return 0.03 / threads**0.6


def busy(free: int) -> Callable[[int], float]:
    """Only so many cores are free: one thread more, and all wait for the one that is not running."""
    return lambda threads: quiet(threads) if threads <= free else 0.2


@pytest.mark.parametrize("most", [2, 3, 4, 8, 12])
def test_quiet_machine_keeps_its_threads(most: int) -> None:
    used = run(ThreadGovernor(most), quiet, 2000)
    assert set(used) == {most}, "nothing is tried where nothing disturbs"


@pytest.mark.parametrize(("most", "free"), [(2, 1), (4, 1), (4, 3), (8, 7), (8, 4), (8, 1)])
def test_busy_machine_uses_the_cores_that_are_free(most: int, free: int) -> None:
    governor = ThreadGovernor(most)
    run(governor, busy(free), 300)
    used = run(governor, busy(free), 2000)
    assert used.count(free) > 0.9 * len(used)


def test_comes_back_when_the_machine_is_free_again() -> None:
    governor = ThreadGovernor(4)
    run(governor, busy(1), 300)
    run(governor, quiet, 1500)
    used = run(governor, quiet, 1000)
    assert used.count(4) > 0.9 * len(used)


def test_one_thread_is_never_more_or_less() -> None:
    assert set(run(ThreadGovernor(1), quiet, 500)) == {1}


def test_never_out_of_range() -> None:
    used = run(ThreadGovernor(6), lambda threads: 0.01 * ((threads * 7919) % 5 + 1), 3000)
    assert min(used) >= 1
    assert max(used) <= 6

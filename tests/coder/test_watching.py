"""Long work tells how far it is, and ends at once when it is no longer wanted."""

from __future__ import annotations

import threading

import pytest

from edgemind.coder import watching
from edgemind.coder.watching import Looking, Stopped, Watch, Watched


def test_short_work_says_nothing() -> None:
    run = Watched(lambda watch: watch("searching", 1, 2) or 7, threading.Event()).run()
    with pytest.raises(StopIteration) as end:
        next(run)
    assert end.value.value == 7


def test_long_work_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "FIRST_S", 0.0)
    monkeypatch.setattr(watching, "EVERY_S", 0.0)

    def work(watch: Watch) -> int:
        for number in range(3):
            watch("searching", number, 3)
        return 7

    assert list(Watched(work, threading.Event()).run()) == [Looking("searching", number, 3) for number in range(3)]


def test_what_work_raises_comes_to_who_waits() -> None:
    def work(_: Watch) -> int:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(Watched(work, threading.Event()).run())


@pytest.mark.parametrize("how", ["stopped", "left"])
def test_work_that_is_not_wanted_ends(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(watching, "FIRST_S", 0.0)
    ended = threading.Event()
    stop = threading.Event()

    def work(watch: Watch) -> None:
        try:
            while True:
                watch("searching", 0, 0)
        except Stopped:
            ended.set()
            raise

    run = Watched(work, stop).run()
    assert next(run) == Looking("searching", 0, 0)
    if how == "stopped":
        stop.set()
        with pytest.raises(Stopped):
            list(run)
    else:
        run.close()
    assert ended.wait(10)
